"""Streamed responses: JSON lines, and server-sent events.

The pieces come from an async generator under `trio.as_safe_channel`. It runs in a task of its own, so it may
hold nurseries and deadlines; it goes on when the client has read the last piece, and is cancelled when the
client disconnects. The status is sent before the outcome is known, so failures are part of the stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import structlog
from quart import Response, request
from quart.wrappers.response import ResponseBody

from ...dispatch.progress import ProgressListener
from ...dispatch.request import Answer, Caller
from ...errors import ServiceError
from ...wire import Job
from .. import errors
from ..http.outgoing import SMALL
from ..http.request_context import RequestContext
from ..services import Services

log = structlog.get_logger(__name__)

JSON = "application/json"
LINES = "application/x-ndjson"
EVENTS = "text/event-stream"

HEARTBEAT = b": waiting\n\n"  # a comment, which clients skip; keeps proxies from timing out


class _Pieces(ResponseBody):
    def __init__(self, pieces: AbstractAsyncContextManager[AsyncIterable[bytes]]) -> None:
        self._pieces = pieces

    async def __aenter__(self) -> AsyncIterable[bytes]:
        return await self._pieces.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._pieces.__aexit__(exc_type, exc_value, tb)


def stream(pieces: AbstractAsyncContextManager[AsyncIterable[bytes]], content_type: str) -> Response:
    """The response with `pieces` as its body."""
    response = Response(_Pieces(pieces), content_type=content_type)
    response.headers["X-Accel-Buffering"] = "no"  # else nginx would buffer the pieces
    return response


def event(name: str, data: bytes) -> bytes:
    """A server-sent event; `data` is JSON on one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def enclosed(head: bytes, body: bytes, tail: bytes) -> tuple[bytes, ...]:
    """The three in a row: as one piece, or as they are where `body` is too large to be copied."""
    return (head, body, tail) if len(body) >= SMALL else (head + body + tail,)


def accepted(*content_types: str) -> str:
    """The content type that the client prefers; the first where it has no preference."""
    return request.accept_mimetypes.best_match(content_types) or content_types[0]


async def outcome(
    services: Services,
    job: Job,
    caller: Caller,
    context: RequestContext,
    progress: ProgressListener | None = None,
) -> Answer | dict[str, Any]:
    """The answer to `job`, held by the request of `context`, or the JSON of the error that it ended with."""
    try:
        answer = await services.dispatcher.submit(job, caller, progress=progress)
        services.outgoing.hold(context, caller.client, answer.body)
        return answer
    except ServiceError as error:
        return errors.describe(error, caller.request_id)
    except Exception:
        log.exception("request_failed")
        return errors.describe(errors.unexpected(), caller.request_id)
