"""GET /metrics, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from pydantic import RootModel
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag

from ..http.access_control import admit_reader
from ..http.authentication import HEADER
from ..http.request_context import current
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
    @fails(401, 429)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format, or in that of OpenMetrics.

        Those by site are for clients that may know the sites.
        """
        presented = _presented()
        services.keys.admit(admit_reader(services, current(), presented), presented)
        sites = services.keys.sees_sites(request.headers, presented)
        shown: Any = registry if sites else _WithoutSites(registry)
        encode, content_type = _FORMATS[_wants_openmetrics(request.headers.get("Accept", ""))]
        body = services.snapshots.get("prometheus", (content_type, sites), partial(encode, shown))
        return await respond_with(body, content_type=content_type)

    return routes


# Two, so that what clients write into Accept does not make ever more snapshots.
_FORMATS: dict[bool, tuple[Callable[[CollectorRegistry], bytes], str]] = {
    False: (exposition.generate_latest, exposition.CONTENT_TYPE_PLAIN_0_0_4),
    True: (openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST),
}


def _wants_openmetrics(accept: str) -> bool:
    """Whether the client takes OpenMetrics 1.0.0. The official client's own reading fails on odd versions."""
    for offer in accept.split(","):
        media, *parameters = (part.strip() for part in offer.split(";"))
        versions = [part for part in parameters if part.startswith("version=")]
        if media == "application/openmetrics-text" and versions in ([], ["version=1.0.0"]):
            return True
    return False


class _WithoutSites:
    """The metrics of a registry that no site's name is in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if not any("site" in sample.labels for sample in metric.samples):
                yield metric


def _presented() -> str | None:
    """The key; as a bearer token, too, which is what Prometheus can send."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get(HEADER)
