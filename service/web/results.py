"""An extraction's answer as a response: fresh, kept, past its time, or not modified."""

from __future__ import annotations

from quart import Response, request

from ..request import Answer
from .replies import reply


async def respond(answer: Answer, content_type: str) -> Response:
    """The response with `answer`; 304 where the client has these very bytes."""
    if request.method == "GET" and answer.etag and request.if_none_match.contains_weak(answer.etag):
        response = Response(b"", 304)
        del response.headers["Content-Type"], response.headers["Content-Length"]  # there is no content
    else:
        response = await reply(answer.body, content_type=content_type)
    headers = response.headers
    if answer.etag:  # weak, since the gzipped bytes go by the same name
        headers["ETag"] = f'W/"{answer.etag}"'
        headers["Cache-Control"] = "private, no-cache"
    if answer.age is not None:
        headers["Age"] = str(int(answer.age))
    headers["X-Cache"] = "stale" if answer.stale else "miss" if answer.age is None else "hit"
    headers["Server-Timing"] = (
        f"queue;dur={answer.queued * 1000:.1f}, extract;dur={answer.extracted * 1000:.1f}"
    )
    headers["X-Queue-Position"] = str(answer.position)
    headers["X-Expected-Wait"] = f"{answer.expected_wait:.1f}"
    return response
