"""The API: its routes, the schemas of requests and responses, the OpenAPI document."""
