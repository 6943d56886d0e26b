"""OpenTelemetry traces: the request, and in it each wait for a worker and each extraction (the `otel` extra).

The trace continues the client's `traceparent`, if there is one (W3C Trace Context). The inner spans are made
from measurements, which are emitted in the task of their request. Sampling and resource attributes follow the
SDK's own variables, OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from .. import __version__, events
from ..config import Config
from .measurements import CANCELLED, OK, AttemptEnded

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger(__name__)

LAST_EXPORT = 2.0  # seconds at the end for spans that are not exported yet

# Sets the status of the response, None where there was none, and the code of its error.
Finish = Callable[[int | None, str | None], None]


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
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[Finish]:
        """The span of a request, current while it is handled."""
        parent = self._propagator.extract(headers)
        attributes = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{method} {route}", parent, self._api.SpanKind.SERVER, attributes
        ) as span:

            def finish(status: int | None, code: str | None) -> None:
                if status is not None:
                    span.set_attribute("http.response.status_code", status)
                if code is not None:
                    span.set_attribute("error.type", code)
                if status is None or status >= 500:
                    span.set_status(self._api.StatusCode.ERROR)

            yield finish

    def on_measurement(self, event: events.Event) -> None:
        """A sink for measurements, called in the task of the request."""
        if not isinstance(event, AttemptEnded):
            return
        ended = time.time_ns()
        began = ended - int(event.seconds * 1e9)
        queue = self._tracer.start_span(
            "queue", start_time=began - int(event.queued * 1e9), attributes={"ytdlpd.tier": event.tier}
        )
        queue.end(began)
        attributes = {"ytdlpd.site": event.site, "ytdlpd.outcome": event.outcome}
        extraction = self._tracer.start_span("extraction", start_time=began, attributes=attributes)
        if event.outcome not in (OK, CANCELLED):
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
