"""OpenTelemetry traces: the request, and in it each wait for a worker and each extraction (the `otel` extra).

The trace continues the client's `traceparent`, if there is one (W3C Trace Context). The inner spans are made
from measurements, which are emitted in the task of their request. Sampling and resource attributes follow the
SDK's own variables, OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.

Attributes follow OpenTelemetry's semantic conventions for HTTP; those beyond them begin with `ytdlpd.`. No
query is told, because it may hold a URL. A span is an error where the site or the service failed, not where
the answer is no.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog
import trio

from .. import __version__, events
from ..codes import Code, Group
from ..config import Config
from .measurements import AttemptEnded, group

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log = structlog.get_logger(__name__)

LAST_EXPORT = 2.0  # seconds at the end for spans that are not exported yet

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestSpan:
    """The span of one request.

    Attributes:
        trace_id: in hexadecimal, as logs tell it.
    """

    def __init__(self, span: Span, error: Any) -> None:
        self.trace_id = f"{span.get_span_context().trace_id:032x}"
        self._span = span
        self._error = error

    def finish(self, status: int | None, code: Code | None, told: dict[str, Any]) -> None:
        """Tell how it ended: `status` is None where the client left first; `told` are further attributes."""
        attributes = {"http.response.status_code": status, "ytdlpd.code": code and code.value, **told}
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})
        if status is not None and status >= 500:
            self._span.set_attribute("error.type", code.value if code else str(status))
            self._span.set_status(self._error)


class Tracer:
    """Makes the spans of one service.

    Args:
        provider: exports them.
        give_up: ends an export that is under way.
    """

    def __init__(self, provider: TracerProvider, give_up: Callable[[], None] = lambda: None) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._provider = provider
        self._give_up = give_up
        self._tracer = provider.get_tracer("ytdlpd", __version__)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, scope: Any, route: str | None) -> Iterator[RequestSpan]:
        """The span of a request, current while it is handled; `route` is None for a path that is none."""
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        parent = self._propagator.extract(headers)
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "_OTHER"
        asked = urlsplit(f"//{headers.get('host', '')}")
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "url.path": scope["raw_path"].decode("ascii", "replace").partition("?")[0],
            "url.scheme": scope["scheme"],
            "server.address": asked.hostname,
            "network.protocol.version": scope["http_version"],
            "user_agent.original": headers.get("user-agent"),
        }
        name = method if method != "_OTHER" else "HTTP"
        with self._tracer.start_as_current_span(
            name if route is None else f"{name} {route}",
            parent,
            self._api.SpanKind.SERVER,
            {key: value for key, value in attributes.items() if value is not None},
        ) as span:
            yield RequestSpan(span, self._api.StatusCode.ERROR)

    def on_measurement(self, event: events.Event) -> None:
        """A sink for measurements, called in the task of the request."""
        if not isinstance(event, AttemptEnded):
            return
        ended = time.time_ns()
        began = ended - int(event.seconds * 1e9)
        attributes: dict[str, Any] = {"ytdlpd.attempt": event.attempt}
        if event.request_id:
            attributes["ytdlpd.request_id"] = event.request_id
        queue = self._tracer.start_span(
            "queue",
            start_time=began - int(event.queued * 1e9),
            attributes={**attributes, "ytdlpd.tier": event.tier},
        )
        queue.end(began)
        attributes |= {
            "ytdlpd.site": event.site,
            "ytdlpd.outcome": event.outcome,
            "ytdlpd.release": event.ytdlp,
        }
        extraction = self._tracer.start_span("extraction", start_time=began, attributes=attributes)
        if group(event.outcome) == Group.FAILED:
            extraction.set_attribute("error.type", event.outcome)
            extraction.set_status(self._api.StatusCode.ERROR, event.outcome)
        extraction.end(ended)

    async def finish(self) -> None:
        """Export what is left, for LAST_EXPORT seconds at most."""
        with trio.move_on_after(LAST_EXPORT):
            await trio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)
            return
        self._give_up()


def tracer_of(config: Config) -> Tracer | None:
    """The tracer that the settings ask for; None where they ask for none, or the extra is not installed.

    A cluster may set OTEL_EXPORTER_OTLP_ENDPOINT in every container, also in those that cannot use it.
    """
    if config.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning(
            "no_traces",
            problem="OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed",
            cure="pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http, or unset it",
        )
        return None
    resource = Resource.create({SERVICE_NAME: "ytdlpd", SERVICE_VERSION: __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    endpoint = config.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
    exporter = OTLPSpanExporter(endpoint=endpoint)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracer(provider, exporter.shutdown)
