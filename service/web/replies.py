"""Bodies on their way out: JSON, and gzip where the client accepts it and the body is worth it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from pydantic import BaseModel
from quart import Response, request

WORTH_IT = 1024  # bytes below which gzip saves less than its headers cost
OFF_LOOP = 64 * 1024  # bytes from which compressing would be felt by other requests
LEVEL = 4


async def compressed(body: bytes) -> bytes:
    """`body` gzipped."""
    if len(body) < OFF_LOOP:
        return gzip.compress(body, LEVEL, mtime=0)
    return await trio.to_thread.run_sync(lambda: gzip.compress(body, LEVEL, mtime=0))


async def reply(
    body: bytes,
    status: int = 200,
    *,
    content_type: str = "application/json",
    compress: Callable[[bytes], Awaitable[bytes]] = compressed,
) -> Response:
    """The response with `body`, unparsed."""
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= WORTH_IT and request.accept_encodings.quality("gzip") > 0:
        headers["Content-Encoding"] = "gzip"
        body = await compress(body)
    return Response(body, status, headers, content_type=content_type)


async def reply_json(content: dict[str, Any] | BaseModel, status: int = 200) -> Response:
    if isinstance(content, BaseModel):
        return await reply(content.model_dump_json(by_alias=True).encode(), status)
    return await reply(json.dumps(content, ensure_ascii=False).encode(), status)
