"""Responses: JSON, gzip where the client accepts it and it is worth it, security headers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from quart import Response, request

from .compression import WORTH_IT, compressed

Headers = list[tuple[bytes, bytes]]

_SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


@dataclass(frozen=True, slots=True)
class CompleteResponse:
    """A response that is ready to send, security headers included."""

    status: int
    headers: Headers
    body: bytes


def with_security_headers(headers: Headers) -> Headers:
    """`headers`, and the security headers that they do not set themselves."""
    present = {name.lower() for name, _ in headers}
    return [*headers, *((name, value) for name, value in _SECURITY_HEADERS.items() if name not in present)]


async def negotiated(
    body: bytes, compress: Callable[[bytes], Awaitable[bytes]] = compressed
) -> tuple[bytes, dict[str, str]]:
    """`body` as the client takes it, and the headers that say so."""
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= WORTH_IT and request.accept_encodings.quality("gzip") > 0:
        headers["Content-Encoding"] = "gzip"
        body = await compress(body)
    return body, headers


async def respond_with(body: bytes, status: int = 200, *, content_type: str = "application/json") -> Response:
    """The response with `body`, unparsed."""
    body, headers = await negotiated(body)
    return Response(body, status, headers, content_type=content_type)


def encoded(content: BaseModel) -> bytes:
    """The JSON of a response."""
    return content.model_dump_json(by_alias=True).encode()


async def respond_with_json(content: dict[str, Any] | BaseModel, status: int = 200) -> Response:
    if isinstance(content, BaseModel):
        return await respond_with(encoded(content), status)
    return await respond_with(json.dumps(content, ensure_ascii=False).encode(), status)
