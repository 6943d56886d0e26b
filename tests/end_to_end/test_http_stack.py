"""End-to-end: raw sockets against the real server stack. No client's bytes affect another's request.

The inputs that crashed the stock stack, one by one, and other behaviour of connections: upgrades, oversized
headers, pipelining, disconnects.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h2.config
import h2.connection
import h11
import pytest
import structlog
import trio

from service.web.http.connection import Http1, Limits
from tests.support.raw_client import client_of
from tests.support.web_app import BODY, URL, Web, serving, web

QUICK = Limits(keep_alive=0.4, write=0.5, linger=0.3, grace=0.5)
PATIENCE = 10  # seconds; generous, nothing waits for all of it unless it is broken


def replies(data: bytes) -> list[int]:
    """The statuses of the responses in `data`."""
    return [int(part.split(b" ")[0]) for part in data.split(b"HTTP/1.1 ")[1:]]


@asynccontextmanager
async def bystander(it: Web, port: int) -> AsyncIterator[None]:
    """A request of another client, which runs meanwhile and is answered afterwards."""
    begun, finish = trio.Event(), trio.Event()

    async def behaviour(job: Any) -> Any:
        begun.set()
        await finish.wait()
        return it.dispatcher.answer

    it.dispatcher.behaviour = behaviour
    async with client_of(port) as client:
        await client.ask(f"/api/v1/extract?url={URL}")
        await begun.wait()
        yield
        finish.set()
        reply = await client.reply()
        assert (reply.status, reply.body) == (200, BODY)
    async with client_of(port) as client:
        assert (await client.get("/health/live")).status == 200


def _h2(frames: Callable[[h2.connection.H2Connection], None]) -> bytes:
    """The first bytes of a client that assumes HTTP/2."""
    config = h2.config.H2Configuration(
        client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    frames(connection)
    return connection.data_to_send()


def _headers(**pseudo: bytes) -> list[tuple[bytes, bytes]]:
    given = {"method": b"GET", "scheme": b"http", "authority": b"test", "path": b"/health/live", **pseudo}
    return [(b":" + name.encode(), value) for name, value in given.items() if value]


def _early_response(connection: h2.connection.H2Connection) -> None:
    connection.send_headers(1, [*_headers(method=b"POST", path=b"/api/v1/size")])
    for _ in range(3):
        connection.send_data(1, b"x" * 16_000)


KILLERS = {
    "h2c-upgrade-with-malformed-settings": (
        b"GET /health/live HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: !!!not-base64!!!\r\n\r\n"
    ),
    "h2-path-not-ascii": _h2(lambda it: it.send_headers(1, _headers(path=b"/\xff"), end_stream=True)),
    "h2-method-not-ascii": _h2(lambda it: it.send_headers(1, _headers(method=b"\xff"), end_stream=True)),
    "h2-connect-without-path": _h2(
        lambda it: it.send_headers(1, _headers(method=b"CONNECT", path=b"", scheme=b""), end_stream=True)
    ),
    "h2-data-after-an-early-response": _h2(_early_response),
    "websocket-upgrade-with-bytes-behind-it": (
        b"GET /health/live HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x05hello"
    ),
}


@pytest.mark.parametrize("killer", KILLERS)
async def test_no_connection_ends_another(killer: str) -> None:
    it = web()
    with trio.fail_after(PATIENCE):
        async with (
            serving(it.app, it.lifecycle, QUICK) as port,
            bystander(it, port),
            client_of(port) as attacker,
        ):
            await attacker.send(KILLERS[killer])
            statuses = replies(await attacker.rest())
    # Upgrades are declined and the request answered; HTTP/2 is refused.
    assert statuses[:1] == ([505] if killer.startswith("h2-") else [200])


ODDITIES = [
    *(
        b"\x00" * 64,
        b"GET\r\n\r\n",
        b"\r\n" * 50,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ),
    *(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    *(b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n", b"GET ? HTTP/1.1\r\nHost: a\r\n\r\n"),
    *(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    b"GET / HTTP/1.1\r\nHost: a b\x7f\r\n\r\n",
    b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: ]:x\r\n\r\n",
    b"POST /api/v1/size HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/size HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /api/v1/size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello and more",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 200,  # a TLS handshake
]


async def test_no_oddity_ends_another() -> None:
    it = web()
    with trio.fail_after(2 * PATIENCE):
        async with serving(it.app, it.lifecycle, QUICK) as port, bystander(it, port):
            for oddity in ODDITIES:
                async with client_of(port) as client:
                    await client.send(oddity)
                    data = await client.rest()
                assert all(status < 500 or status in (501, 505) for status in replies(data)), oddity


@pytest.mark.parametrize(("line", "status"), [(b"HEAD / HTTP/2.0", 505), (b"HEAD /" + b"x" * 9000, 431)])
async def test_the_refusal_of_a_head_request_has_no_body(line: bytes, status: int) -> None:
    it = web()
    filler = b"X-Filler: " + b"x" * 9000 if status == 431 else b"X-Filler: x"
    if status == 431:
        line += b" HTTP/1.1"
    with trio.fail_after(PATIENCE), structlog.testing.capture_logs() as log:
        async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
            await client.send(line + b"\r\nHost: test\r\n" + filler + b"\r\n\r\n")
            data = await client.rest()
    assert data.startswith(b"HTTP/1.1 %d" % status)
    assert data.endswith(b"\r\n\r\n")
    assert [record for record in log if record["log_level"] == "error"] == []


@pytest.mark.parametrize("pieces", [1, 8])
async def test_sixty_kilobytes_of_headers_are_refused_however_they_arrive(pieces: int) -> None:
    it = web()
    head = b"GET /health/live HTTP/1.1\r\nHost: test\r\n"
    head += b"".join(b"X-Filler-%d: %s\r\n" % (number, b"x" * 990) for number in range(60)) + b"\r\n"
    size = len(head) // pieces + 1
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        with trio.fail_after(PATIENCE):
            for start in range(0, len(head), size):
                await client.send(head[start : start + size])
            data = await client.rest()
    assert replies(data) == [431]
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["code"] == "INVALID_REQUEST"


async def test_a_url_s_worth_of_header_passes() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        reply = await client.get("/health/live", X_Filler="x" * 12_000)
    assert reply.status == 200


async def test_a_body_that_is_too_large_is_answered_before_it_was_sent() -> None:
    it = web()
    head = (
        b"POST /api/v1/size HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        b"Content-Length: 50000000\r\n\r\n"
    )
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        with trio.fail_after(PATIENCE):
            await client.send(head + b"x" * 1_000_000)
            data = await client.rest()
    assert replies(data) == [413]
    assert b'"PAYLOAD_TOO_LARGE"' in data


async def test_a_chunked_body_is_bounded_too() -> None:
    it = web()
    head = (
        b"POST /api/v1/size HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        with trio.fail_after(PATIENCE):
            await client.send(head + b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            for _ in range(8):
                await client.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            data = await client.rest()
    assert replies(data) == [413]


async def test_head_and_body_come_in_one_piece_and_head_alone_for_head() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        await client.send(b"HEAD /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.stream.receive_some(65536)
        assert head.endswith(b"\r\n\r\n")
        assert b"content-length: 28" in head.lower()
        await client.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.stream.receive_some(65536)).endswith(b'{"ok":true,"status":"alive"}')


async def test_whole_urls_as_targets_are_understood() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        assert (await client.get("http://test/health/live")).status == 200


async def test_pipelined_requests_are_answered_in_turn() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        ask = b"GET /health/live HTTP/1.1\r\nHost: a\r\n%s\r\n"
        await client.send(ask % b"" * 5 + ask % b"Connection: close\r\n")
        with trio.fail_after(PATIENCE):
            assert replies(await client.rest()) == [200] * 6


@pytest.mark.parametrize("behind", [b"", b"\r\n", b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_hangs_up_cancels_its_request(behind: bytes, reset: bool) -> None:
    it = web()
    begun, cancelled = it.dispatcher.hang()
    async with serving(it.app, it.lifecycle, QUICK) as port:
        with trio.fail_after(PATIENCE):
            async with client_of(port) as client:
                await client.send(
                    f"GET /api/v1/extract?url={URL} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + behind
                )
                await begun.wait()
                if reset:
                    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await cancelled.wait()


async def test_more_behind_a_request_than_is_kept_waits_in_the_kernel() -> None:
    it = web()
    begun, _ = it.dispatcher.hang()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        await client.send(f"GET /api/v1/extract?url={URL} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await begun.wait()
        with trio.move_on_after(0.5) as patience:
            while True:
                await client.send(b"x" * 1_000_000)
        assert patience.cancelled_caught


async def test_connections_beyond_the_cap_are_told_so() -> None:
    it = web()
    limits = Limits(connections=2, keep_alive=5)
    async with serving(it.app, it.lifecycle, limits) as port:
        with trio.fail_after(PATIENCE):
            async with client_of(port) as first, client_of(port) as second:
                assert (await first.get("/health/live")).status == 200
                assert (await second.get("/health/live")).status == 200
                async with client_of(port) as third:
                    refused = await third.get("/health/live")
                assert refused.status == 503
                assert refused.headers["retry-after"] == "1"
                assert refused.json["code"] == "QUEUE_FULL"
            await trio.sleep(0.1)  # the server sees that they have disconnected
            async with client_of(port) as again:
                assert (await again.get("/health/live")).status == 200


async def test_an_app_that_breaks_is_one_client_s_trouble() -> None:
    it = web()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await it.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"far too much", "more_body": False})

    async with serving(broken, it.lifecycle, QUICK) as port:
        for _ in range(3):
            async with client_of(port) as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                with trio.fail_after(PATIENCE):
                    assert b"far too much" not in await client.rest()


@pytest.mark.parametrize("problem", [RuntimeError("a defect of the stack"), OSError("the network")])
async def test_whatever_breaks_in_a_connection_stays_there(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Http1._create_stream

    async def fragile(self: Http1, request: h11.Request) -> None:
        if request.target == b"/break":
            raise problem
        await original(self, request)

    monkeypatch.setattr(Http1, "_create_stream", fragile)
    it = web()
    with trio.fail_after(PATIENCE), structlog.testing.capture_logs() as lines:
        async with (
            serving(it.app, it.lifecycle, QUICK) as port,
            bystander(it, port),
            client_of(port) as client,
        ):
            await client.send(b"GET /break HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await client.rest() == b""
    failures = [line for line in lines if line["event"] == "connection_failed"]
    assert len(failures) == isinstance(problem, RuntimeError)
