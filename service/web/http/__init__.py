"""The HTTP server layer: connections, middleware, access control, limits, the fast path."""
