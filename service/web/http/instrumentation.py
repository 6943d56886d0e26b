"""The outermost middleware: reports every request to the bus of measurements and to the tracer."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from typing import Any

import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable

from ...telemetry.measurements import RequestServed
from ...telemetry.telemetry import Telemetry
from .request_context import attached

OTHER = "other"  # for what clients can invent: paths that are no route, unknown methods
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
        method = scope["method"] if scope["method"] in METHODS else OTHER
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

        traced = self._tracer.request(method, route, _trace_headers(scope)) if self._tracer else nullcontext()
        with traced as finish:
            try:
                await self._app(scope, receive, watched)
            finally:
                context = attached(scope)
                code = context.code if context else None
                if seconds is None:
                    seconds = trio.current_time() - began
                if finish is not None:
                    finish(status, code)
                self._bus.emit(RequestServed(method, route, status, code, seconds))


def _trace_headers(scope: Any) -> dict[str, str]:
    wanted = (b"traceparent", b"tracestate")
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in wanted}
