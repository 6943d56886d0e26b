"""The access log: one line for each request, with its story but without its URL, query or secrets.

Probes and scrapes that go well are left out, since they say nothing and outnumber all else.
"""

from __future__ import annotations

from typing import Any

import structlog

from ...config import Config
from ...logs import ACCESS
from ..api.health import PATHS
from .request_context import RequestContext

log = structlog.get_logger(ACCESS)

UNTOLD = PATHS | {"/metrics"}
UNTRUSTED = 3  # addresses that are named; more would be a flood that any client can cause


class AccessLog:
    """Writes the lines that LOG_ACCESS asks for."""

    def __init__(self, config: Config) -> None:
        self._wanted = config.log_access
        self._untrusted: set[str] = set()

    def write(self, scope: Any, context: RequestContext, status: int | None, seconds: float) -> None:
        """The line of a request that has ended; `status` is None where the client disconnected first."""
        good = status is not None and status < 400
        if self._wanted == "none" or (good and (self._wanted == "errors" or scope["path"] in UNTOLD)):
            return
        optional = {"key": context.key, "trace_id": context.trace_id}
        log.info(
            "request",
            method=scope["method"],
            path=scope["raw_path"].decode("ascii", "replace"),  # still percent-encoded: one line
            status=status,
            code=context.code,
            duration_ms=round(seconds * 1000, 1),
            client=context.client,
            request_id=context.request_id,
            **{name: value for name, value in optional.items() if value is not None},
            **context.tally.fields(),
        )

    def forwarded_by_stranger(self, peer: str) -> None:
        """Warn, once for each of a few addresses, that an X-Forwarded-For is not believed."""
        if peer in self._untrusted or len(self._untrusted) >= UNTRUSTED:
            return
        self._untrusted.add(peer)
        log.warning(
            "forwarded_for_ignored",
            peer=peer,
            advice="if it is your proxy, name it in TRUSTED_PROXIES; until then its clients share one limit",
        )
