"""End-to-end: real sockets. Requests whose length two servers may read differently, and what follows them."""

from __future__ import annotations

import pytest
import trio

from service.web.http.connection import Limits
from tests.support.raw_client import client_of
from tests.support.web_app import serving, web

PATIENT = Limits(keep_alive=60, linger=0.3)
PATIENCE = 20  # seconds
NEXT = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"2\r\n{}\r\n0\r\n\r\n"


async def statuses(request: bytes) -> list[int]:
    """What `request`, and another one behind it on the same connection, are answered until it is closed."""
    it = web()
    with trio.fail_after(PATIENCE):
        async with serving(it.app, it.lifecycle, PATIENT) as port, client_of(port) as client:
            await client.send(request + NEXT)
            answer = await client.rest()
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_nothing_is_read_behind_a_request_with_two_lengths() -> None:
    for lengths in (
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 12\r\n",
    ):
        head = b"POST /api/v1/extract HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        assert await statuses(head + lengths + b"\r\n" + BODY) == [400]  # {} names no URL


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\tx\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Content-Length: 4\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["folded", "folded-behind", "another-folded", "http-1.0"],
)
async def test_a_length_that_others_may_not_see_is_refused(head: bytes) -> None:
    assert await statuses(head + BODY) == [400]


async def test_a_folded_trailer_is_refused() -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await statuses(head + b"0\r\nX-A: b\r\n c\r\n\r\n") in ([400], [404])
