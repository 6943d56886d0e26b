"""GET /metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client.exposition import choose_encoder
from pydantic import RootModel
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag

from ..http.authentication import HEADER
from ..http.responses import respond_with
from ..services import Services
from .openapi import SECURITY, fails, streams


class Exposition(RootModel[str]):
    """Prometheus' text format."""


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("prometheus", __name__)
    registry = services.telemetry.metrics.registry

    @routes.get("/metrics")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @streams("text/plain", Exposition, "One series a line.")
    @fails(401)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format, or in that of OpenMetrics."""
        services.keys.authenticate(_presented())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return await respond_with(encode(registry), content_type=content_type)

    return routes


def _presented() -> str | None:
    """The key; as a bearer token, too, which is what Prometheus can send."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get(HEADER)
