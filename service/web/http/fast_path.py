"""The fast path: answers probes, and repeated requests whose result is cached, before Quart.

It costs a fraction of the way through Quart and changes nothing else: access control, counting and the
response are the same. A request with any special header takes the ordinary way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent

from ...dispatch.request import Answer
from ...errors import ServiceError
from ...telemetry.measurements import OK, JobEnded
from ..api import health
from ..api.answers import headers_of
from ..services import Services
from .access_control import authorize
from .compression import WORTH_IT, gzipped
from .limits import client_of
from .request_context import RequestContext
from .request_memo import MAX_SIZE
from .responses import CompleteResponse, Headers, with_security_headers

REPEATABLE = frozenset(
    (method, path) for method in ("GET", "POST") for path in ("/api/v1/extract", "/api/v1/size")
)
AT_ONCE = 1.0  # seconds in which a small body must arrive
# Headers that may change the answer.
_SPECIAL = frozenset(
    {b"cache-control", b"x-deadline-ms", b"expect", b"transfer-encoding", b"content-encoding"}
)


class FastPath:
    """Answers the requests that need no work."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(
        self, scope: Any, sent: Mapping[bytes, str], context: RequestContext, receive: ASGIReceiveCallable
    ) -> tuple[CompleteResponse | None, ASGIReceiveCallable]:
        """The response, if it needs no work; and the `receive` for the ordinary way.

        Args:
            sent: the request's headers.
        """
        method, path = scope["method"], scope["path"]
        probe = method == "GET" and path in health.PATHS
        if not (probe or (method, path) in REPEATABLE) or not _is_plain(scope, sent):
            return None, receive
        gzip = _takes_gzip(sent.get(b"accept-encoding", ""))
        if gzip is None:
            return None, receive
        if probe:
            return self._probe(path, sent, context, gzip), receive
        body: bytes | None = b""
        if method == "POST":
            body, receive = await _peek(receive)
        return None if body is None else self._kept(scope, sent, context, body, gzip), receive

    def _probe(
        self, path: str, sent: Mapping[bytes, str], context: RequestContext, gzip: bool
    ) -> CompleteResponse | None:
        try:
            body = health.well(self._services, context, path, sent.get(b"x-api-key"))
        except ServiceError:
            return None
        if body is None:
            return None
        gzip = gzip and len(body) >= WORTH_IT
        if gzip:
            body = gzipped(body)
        return CompleteResponse(
            200, [*with_security_headers(_content(b"Accept-Encoding", gzip)), _length(body)], body
        )

    def _kept(
        self, scope: Any, sent: Mapping[bytes, str], context: RequestContext, body: bytes, gzip: bool
    ) -> CompleteResponse | None:
        """The cached result, if this is a repeated request and its client has access."""
        repeat = self._services.memo.find(scope, body)
        answer = None if repeat is None else self._services.dispatcher.kept(repeat.job)
        if repeat is None or answer is None:
            return None
        condition = sent.get(b"if-none-match") if scope["method"] == "GET" else None
        if condition is not None and condition != f'W/"{answer.etag}"':
            return None
        gzip = gzip and len(answer.body) >= WORTH_IT
        content = self._services.compressed.kept(answer.etag) if gzip else answer.body
        if content is None:
            return None
        try:
            known, _ = authorize(self._services, context, sent.get(b"x-api-key"))
            if condition is None:
                self._services.outgoing.hold(context, client_of(known, context.client), content)
        except ServiceError:
            return None
        context.tally.begin(repeat.site, "hit")  # as in Dispatcher.submit
        self._services.telemetry.measured.emit(JobEnded(repeat.site, OK, 0.0, context.request_id))
        modified = condition is None
        head = _head(answer.etag, answer.egress, gzip, modified)
        age = (b"age", b"%d" % (answer.age or 0))
        if not modified:
            return CompleteResponse(304, [*head, age], b"")
        return CompleteResponse(200, [*head, age, _length(content)], content)


def _is_plain(scope: Any, sent: Mapping[bytes, str]) -> bool:
    """Whether no header is special or repeated, and the body is small."""
    if len(sent) != len(scope["headers"]) or not _SPECIAL.isdisjoint(sent):
        return False
    length = sent.get(b"content-length")
    if scope["method"] == "GET":
        return length is None
    return length is not None and len(length) <= 4 and length.isdecimal() and int(length) <= MAX_SIZE


@lru_cache(maxsize=256)
def _takes_gzip(accepted: str) -> bool | None:
    """Whether an Accept-Encoding accepts gzip; None where that takes a closer look, as for gzip;q=0."""
    encodings = {part.strip() for part in accepted.split(",")}
    if "gzip" in encodings:
        return True
    return None if any("gzip" in part or "*" in part for part in encodings) else False


async def _peek(receive: ASGIReceiveCallable) -> tuple[bytes | None, ASGIReceiveCallable]:
    """A small body, unless it arrives slowly; and a `receive` that begins again."""
    taken: deque[ASGIReceiveEvent] = deque()
    parts: list[bytes] = []
    whole = False

    async def again() -> ASGIReceiveEvent:
        return taken.popleft() if taken else await receive()

    with trio.move_on_after(AT_ONCE):
        while not whole:
            message = await receive()
            taken.append(message)
            if message["type"] != "http.request":
                break
            parts.append(message["body"])
            whole = not message["more_body"]
    return b"".join(parts) if whole else None, again


@lru_cache(maxsize=2048)
def _head(etag: str, egress: str, gzip: bool, modified: bool) -> Headers:
    """The headers that every response with a cached result has."""
    said = headers_of(Answer(b"", etag=etag, egress=egress, age=0.0))
    del said["Age"]
    headers = [(name.lower().encode(), text.encode()) for name, text in said.items()]
    vary = b"Accept-Encoding, Accept"
    return with_security_headers([*headers, *(_content(vary, gzip) if modified else [(b"vary", vary)])])


def _content(vary: bytes, gzip: bool) -> Headers:
    headers = [(b"content-type", b"application/json"), (b"vary", vary)]
    return [*headers, (b"content-encoding", b"gzip")] if gzip else headers


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(body)
