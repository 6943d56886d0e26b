"""The pages for people: the one at /, the API page and the dashboard."""
