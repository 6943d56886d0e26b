"""The outermost middleware: reports every request to the bus of measurements and to the tracer."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from typing import Any

import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable

from ...telemetry.measurements import RequestServed
from ...telemetry.telemetry import Telemetry
from ...telemetry.tracing import KNOWN_METHODS
from .access_log import UNTOLD
from .request_context import RequestContext, attached, set_trace_id

OTHER = "other"  # for what clients can invent: paths that are no route, unknown methods


class Instrumentation:
    """Wraps an ASGI app.

    Args:
        routes: the paths of the app, which have no parameters.
    """

    def __init__(self, app: ASGIFramework, telemetry: Telemetry, routes: Collection[str]) -> None:
        self._app = app
        self._bus = telemetry.measured
        self._tracer = telemetry.tracer
        self._routes = frozenset(routes)

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in KNOWN_METHODS else OTHER
        route = scope["path"] if scope["path"] in self._routes else OTHER
        began = trio.current_time()
        status: int | None = None
        seconds: float | None = None

        async def watched(message: Any) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                # The body may be a stream that lasts for hours.
                status, seconds = message["status"], trio.current_time() - began
            await send(message)

        known = None if route is OTHER else route
        traced = self._tracer.request(scope, known) if self._tracer and route not in UNTOLD else nullcontext()
        with traced as span:
            if span is not None:
                set_trace_id(scope, span.trace_id)
            try:
                await self._app(scope, receive, watched)
            finally:
                context = attached(scope)
                code = context.code if context else None
                if seconds is None:
                    seconds = trio.current_time() - began
                if span is not None:
                    span.finish(status, code, _told(context))
                self._bus.emit(RequestServed(method, route, status, code, seconds))


def _told(context: RequestContext | None) -> dict[str, Any]:
    """What a span tells of the request beyond HTTP."""
    if context is None:
        return {}
    tally = {f"ytdlpd.{name}": value for name, value in context.tally.fields().items()}
    return {
        "client.address": context.client,
        "ytdlpd.request_id": context.request_id,
        "ytdlpd.key": context.key,
        **tally,
    }
