"""The HTTP layer, and the only place that knows HTTP: Quart-Trio's routes and Hypercorn's edge."""
