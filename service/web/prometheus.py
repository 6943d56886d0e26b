"""GET /metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client.exposition import choose_encoder
from pydantic import RootModel
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag

from .auth import HEADER
from .openapi import SECURITY, fails, streams
from .replies import reply
from .rooms import Rooms


class Exposition(RootModel[str]):
    """Prometheus' text format."""


def blueprint(rooms: Rooms) -> Blueprint:
    routes = Blueprint("prometheus", __name__)
    registry = rooms.telemetry.metrics.registry

    @routes.get("/metrics")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @streams("text/plain", Exposition, "One series a line.")
    @fails(401)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format, or in that of OpenMetrics."""
        rooms.keys.authenticate(_presented())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return await reply(encode(registry), content_type=content_type)

    return routes


def _presented() -> str | None:
    """The key; as a bearer token, too, which is what Prometheus can send."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get(HEADER)
