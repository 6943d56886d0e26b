"""The HTTP layer, and the only package that knows HTTP: routes on Quart-Trio, connections on Hypercorn."""
