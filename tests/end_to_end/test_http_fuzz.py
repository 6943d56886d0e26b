"""End-to-end: clients that send any bytes to the real server stack do not affect the others."""

from __future__ import annotations

import re

import h11
import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st

from service.web.http.connection import Limits
from tests.end_to_end.test_http_stack import PATIENCE, bystander
from tests.support.effort import live_examples
from tests.support.raw_client import client_of
from tests.support.web_app import serving, web

QUICK = Limits(keep_alive=0.2, write=0.5, linger=0.1, grace=0.5)
# Every status that a request without a valid job may have; 500 is none of them.
PLANNED = {200, 204, 400, 403, 404, 405, 408, 411, 413, 414, 415, 417, 422, 431, 501, 503, 505}

METHODS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"CONNECT", b"PRI", b"TRACE", b"get", b"G\x00T", b""]
)
TARGETS = st.one_of(
    st.sampled_from(
        [
            b"/",
            b"*",
            b"/health/live",
            b"/api/v1/extract",
            b"/api/v1/size",
            b"/api/v1/batch",
            b"/api/v1/metrics",
            b"/api/v1/openapi",
            b"http://test/health",
            b"https://[/",
            b"//",
            b"/%",
            b"/%00%ff",
            b"/\xff\xfe",
            b"/api/v1/extract?url=%zz&url=&fields=\xc3\x28",
            b"/../../etc/passwd",
            b"/" + b"a" * 9000,
            b"/?" + b"a=b&" * 3000,
            b"",
        ]
    ),
    st.binary(max_size=40),
)
VERSIONS = st.sampled_from(
    [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1 x", b"http/1.1", b""]
)
HEADERS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Host: test",
                b"Host: a, b",
                b"Host:",
                b"Content-Length: 5",
                b"Content-Length: 5, 6",
                b"Content-Length: -1",
                b"Content-Length: 99999999999999999999",
                b"Content-Length: 0x10",
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: gzip, chunked",
                b"Transfer-Encoding : chunked",
                b"Transfer-Encoding: xchunked",
                b"Content-Type: application/json",
                b"Content-Type: application/json; charset=utf-16",
                b"Content-Type: \xff",
                b"Connection: Upgrade",
                b"Connection: close",
                b"Upgrade: websocket",
                b"Upgrade: h2c",
                b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
                b"HTTP2-Settings: !!!",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                b"Expect: 100-continue",
                b"Expect: nonsense",
                b"Accept: text/html;q=x",
                b"Accept-Encoding: gzip;q=\xff",
                b"X-API-Key: \xc3\x28",
                b"X-Request-ID: a\tb",
                b"X-Forwarded-For: ::::, 1",
                b"X-Deadline-Ms: nan",
                b"X-Deadline-Ms: 1e999",
                b"Origin: null",
                b"Cookie: " + b"x" * 5000,
                b"Range: bytes=0-",
                b"If-None-Match: *",
                b" folded: x",
                b"no colon",
                b"\x00: x",
            ]
        ),
        st.binary(max_size=30).map(lambda noise: b"X-Noise: " + noise),
    ),
    max_size=6,
)
BODIES = st.one_of(
    st.sampled_from(
        [
            b"",
            b"hello",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
            b"fffffffffffffffffff\r\n",
            b"-1\r\nx\r\n",
            b"{}",
            b'{"url": "https://site.example/", "url": 1}',
            b"[" * 2000,
            b'{"url": "\\ud800"}',
            b'{"duration_hint": 1e999}',
            b"\r\n" * 20,
            b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n",
            b"\x81\x85\x00\x00\x00\x00hello",
            b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        ]
    ),
    st.binary(max_size=60),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that may be invalid in any part."""
    line = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]))
    return end.join((line, *draw(HEADERS), b"", draw(BODIES)))


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INPUTS = st.one_of(
    requests(),
    requests(),
    st.lists(requests(), min_size=2, max_size=4).map(b"".join),
    st.binary(max_size=200),
    st.binary(max_size=100).map(lambda frames: PREFACE + frames),
    st.binary(max_size=60).map(lambda hello: b"\x16\x03\x01" + hello),
)


# What fails may be too long to be printed.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@live_examples(20)
@given(st.lists(INPUTS, min_size=20, max_size=40))
async def test_no_bytes_touch_anyone_else(inputs: list[bytes]) -> None:
    it = web()
    with structlog.testing.capture_logs() as log:
        async with serving(it.app, it.lifecycle, QUICK) as port:
            with trio.fail_after(3 * PATIENCE):
                async with bystander(it, port), trio.open_nursery() as clients:
                    for data in inputs:
                        clients.start_soon(send, port, data)
    assert [line for line in log if line["log_level"] == "error"] == []


async def send(port: int, data: bytes) -> None:
    """Send `data` and read the rest; every response is HTTP/1.1 with an expected status."""
    async with client_of(port) as client, trio.open_nursery() as nursery:

        async def write() -> None:
            for start in range(0, len(data), 4096):
                try:
                    await client.send(data[start : start + 4096])
                except trio.BrokenResourceError:
                    return

        nursery.start_soon(write)
        answer = await client.rest()
        nursery.cancel_scope.cancel()
    for status in re.findall(rb"(?:^|\r\n\r\n[^\r]*?)HTTP/1\.1 (\d{3}) ", answer):
        assert int(status) in PLANNED | {100}, (data, answer[:300])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 "), (data, answer[:300])


def test_the_corpus_is_not_only_noise() -> None:
    """A part of the input is valid for a strict parser; otherwise the fuzz would never get past it."""
    taken = 0
    for method in (b"GET", b"POST"):
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(
            method + b" /api/v1/size HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
        )
        taken += isinstance(connection.next_event(), h11.Request)
    assert taken == 2
