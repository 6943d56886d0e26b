"""The middleware around every request: id, client address, trace id, CORS, security headers.

It also sends `Connection: close` while draining, keeps quart-trio from cancelling what Hypercorn does after a
response, and answers request targets that no route can parse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog
import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, HTTPScope

from ...codes import TRAITS, Code
from ...config import Config
from ...lifecycle import Lifecycle
from .. import errors
from .access_log import AccessLog
from .fast_path import FastPath
from .limits import client_address, is_within
from .outgoing import Outgoing
from .request_context import RequestContext, attach, request_id, trace_id
from .responses import CompleteResponse, Headers, with_security_headers

log = structlog.get_logger(__name__)

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_EXPOSED = (
    b"X-Request-ID, Retry-After, Server-Timing, X-Queue-Position, X-Expected-Wait, ETag, Age, X-Cache, "
    b"X-Ytdlp-Version, X-Egress, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy"
)
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"Content-Type, Content-Encoding, X-API-Key, X-Request-ID, X-Deadline-Ms, Cache-Control, "
        b"If-None-Match, Last-Event-ID, traceparent, tracestate",
    ),
    (b"access-control-max-age", b"600"),
]


class Middleware:
    """Wraps an ASGI app."""

    def __init__(
        self,
        app: ASGIFramework,
        fast_path: FastPath,
        outgoing: Outgoing,
        config: Config,
        lifecycle: Lifecycle,
    ) -> None:
        self._app = app
        self._fast_path = fast_path
        self._outgoing = outgoing
        self._lifecycle = lifecycle
        self._trusted = config.trusted_networks
        self._access_log = AccessLog(config)
        self._origins = frozenset(origin.rstrip("/") for origin in config.allowed_origins)

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            text = value.decode("latin-1")
            sent[name] = f"{sent[name]},{text}" if name in sent else text
        peer = (scope.get("client") or ("",))[0]
        forwarded = sent.get(b"x-forwarded-for", "")
        if forwarded and peer and not is_within(peer, self._trusted):
            self._access_log.forwarded_by_stranger(peer)
        context = RequestContext(
            request_id(sent.get(b"x-request-id")),
            client_address(peer, [forwarded], self._trusted),
            trace_id(scope) or _trace_of(sent.get(b"traceparent", "")),
        )
        attach(scope, context)
        response = _Response(context, receive, send, partial(self._added, context, sent))
        began = trio.current_time()
        try:
            with context.scope:
                whole, response.source = await self._fast_path.answer(scope, sent, context, receive)
                if whole is not None:
                    await response.whole(whole)
                else:
                    with structlog.contextvars.bound_contextvars(**context.names()):
                        await self._answer(scope, sent, response)
        except Exception:
            log.exception("request_failed", **context.names())
            if response.status is None:
                await response.error(Code.INTERNAL, "Something went wrong inside the service")
        finally:
            self._outgoing.release(context)
            self._access_log.write(scope, context, response.status, trio.current_time() - began)

    async def _answer(self, scope: HTTPScope, sent: dict[bytes, str], response: _Response) -> None:
        if scope["method"] == "OPTIONS" and b"origin" in sent and b"access-control-request-method" in sent:
            await response.whole(CompleteResponse(204, with_security_headers(_PREFLIGHT), b""))
            return
        path = _path_of(scope["path"])
        if path is None:
            await response.error(Code.INVALID_REQUEST, "The target of the request is not a path or a URL")
            return
        scope["path"] = path
        await self._app(scope, response.receive, response.send)

    def _added(self, context: RequestContext, sent: Mapping[bytes, str]) -> Headers:
        """The headers that are added to a response, known once it begins."""
        headers: Headers = [(b"x-request-id", context.request_id.encode())]
        headers += [(name.lower().encode(), text.encode()) for name, text in context.headers.items()]
        if self._lifecycle.stopping:
            headers.append((b"connection", b"close"))
        origin = sent.get(b"origin")
        if "*" in self._origins:
            allowed: str | None = "*"
        else:
            allowed = origin if origin is not None and self._allows(origin) else None
            if self._origins:
                headers.append((b"vary", b"Origin"))
        if allowed is not None and origin is not None:
            headers.append((b"access-control-allow-origin", allowed.encode("latin-1")))
            headers.append((b"access-control-expose-headers", _EXPOSED))
        return headers

    def _allows(self, origin: str) -> bool:
        any_of_scheme = f"{origin.partition('://')[0]}://*"  # chrome-extension://* for every extension
        return origin in self._origins or any_of_scheme in self._origins


class _Response:
    """One response, with the headers that every response carries."""

    def __init__(
        self,
        context: RequestContext,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        added: Callable[[], Headers],
    ) -> None:
        self.status: int | None = None
        self._context = context
        self.source = receive
        self._send: Any = send
        self._added = added
        self._finished = False

    async def receive(self) -> ASGIReceiveEvent:
        """The next message for the app, but no disconnect once the response is complete.

        On a disconnect quart-trio cancels the task that is still inside Hypercorn, closing or recycling the
        connection. Its scope ends right after, and this wait with it.
        """
        message = await self.source()
        if message["type"] == "http.disconnect" and self._finished:
            await trio.sleep_forever()
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            message = {**message, "headers": [*with_security_headers(message["headers"]), *self._added()]}
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._finished = True
        await self._send(message)

    async def whole(self, whole: CompleteResponse) -> None:
        """Answer without the app."""
        self.status = whole.status
        headers = [*whole.headers, *self._added()]
        await self._send({"type": "http.response.start", "status": whole.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": whole.body, "more_body": False})

    async def error(self, code: Code, message: str) -> None:
        """Answer with an error of the middleware's own."""
        self._context.code = code
        body = json.dumps(errors.body(code, message, self._context.request_id)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self.whole(CompleteResponse(TRAITS[code].status, with_security_headers(headers), body))


def _trace_of(traceparent: str) -> str | None:
    """The id of the client's trace, for a service that makes no spans itself."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else None


def _path_of(target: str) -> str | None:
    """The path of a request's target, which may be a whole URL; None for what is neither."""
    if target.startswith("/"):
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return (parts.path or "/") if parts.scheme in ("http", "https") and parts.netloc else None
