"""The pages for people: the API page and the dashboard."""
