"""The answer of an extraction as a response: new, cached, stale, or not modified."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

from quart import Response, request

from ...dispatch.request import Answer, Caller
from ..http.request_context import current
from ..http.responses import negotiated
from ..services import Services


async def respond(services: Services, answer: Answer, content_type: str, caller: Caller) -> Response:
    """The response with `answer`; 304 where the client has these bytes.

    Raises:
        Refused: TOO_MANY_REQUESTS, where the client still reads too many others.
    """
    if request.method == "GET" and answer.etag and request.if_none_match.contains_weak(answer.etag):
        response = Response(b"", 304)
        del response.headers["Content-Type"], response.headers["Content-Length"]  # a 304 has no content
        response.headers["Vary"] = "Accept-Encoding"  # as with content
    else:
        context, outgoing = current(), services.outgoing
        answer = replace(answer, body=warned(answer.body, context.warnings))
        outgoing.hold(context, caller.client, answer.body)
        # A new result may never be asked for again, so only cached ones are kept compressed.
        compress = partial(services.compressed.get, answer.etag, keep=answer.age is not None)
        body, headers = await negotiated(answer.body, compress)
        if body is not answer.body:
            outgoing.let_go(context, answer.body)
            outgoing.hold(context, caller.client, body)
        response = Response(body, 200, headers, content_type=content_type)
    response.headers.update(headers_of(answer))
    return response


def warned(body: bytes, warnings: list[str]) -> bytes:
    """`body`, an object as JSON, with `warnings` if there are any."""
    if not warnings:
        return body
    return b'{"warnings":' + json.dumps(warnings, ensure_ascii=False).encode() + b"," + body[1:]


def headers_of(answer: Answer) -> dict[str, str]:
    """The headers that tell where the answer comes from, and how long it may be cached."""
    headers = {
        "X-Cache": "stale" if answer.stale else "miss" if answer.age is None else "hit",
        "Server-Timing": f"queue;dur={answer.queued * 1000:.1f}, extract;dur={answer.extracted * 1000:.1f}",
        "X-Queue-Position": str(answer.position),
        "X-Expected-Wait": f"{answer.expected_wait:.1f}",
    }
    if answer.ytdlp:
        headers["X-Ytdlp-Version"] = answer.ytdlp
    if answer.egress:
        headers["X-Egress"] = answer.egress
    if answer.etag:  # weak, because the gzipped bytes have the same one
        headers["ETag"] = f'W/"{answer.etag}"'
        headers["Cache-Control"] = "private, no-cache"
    if answer.age is not None:
        headers["Age"] = str(int(answer.age))
    return headers
