"""End-to-end: real sockets and the real clock. Slow, silent and idle clients, and the listener's end."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing

from service.config import Config
from service.dispatch.request import Answer
from service.web.http.connection import Limits
from service.web.http.listener import CannotListen, serve
from tests.support.raw_client import client_of
from tests.support.web_app import BODY, URL, serving, web

QUICK = Limits(keep_alive=0.4, write=0.4, linger=0.3, grace=0.5)
KEPT = Limits(keep_alive=60, linger=0.3, grace=0.5)
PATIENCE = 5  # seconds; the limits above are an order of magnitude below
LARGE = Answer(json.dumps({"title": "x" * 30_000_000}).encode())  # more than any socket's buffers hold
EXTRACT = f"GET /api/v1/extract?url={URL} HTTP/1.1\r\nHost: a\r\n".encode()


def after(seconds: float) -> Callable[[Any], Awaitable[Answer]]:
    """A behaviour of the dispatcher that takes so many seconds."""

    async def behaviour(job: Any) -> Answer:
        await trio.sleep(seconds)
        return Answer(BODY)

    return behaviour


@pytest.mark.parametrize("opening", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "])
async def test_a_silent_client_is_closed(opening: bytes) -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        if opening:
            await client.send(opening)
        with trio.fail_after(PATIENCE):
            assert await client.rest() == b""


async def test_a_header_that_trickles_is_cut() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:

        async def trickle() -> None:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
            while True:
                await client.send(b"X-A: b\r\n")
                await trio.sleep(0.05)

        with trio.fail_after(PATIENCE), pytest.raises(trio.BrokenResourceError):
            await trickle()


async def test_a_body_that_trickles_is_cut() -> None:
    it = web()
    it.app.config["BODY_TIMEOUT"] = 0.4
    head = (
        b"POST /api/v1/size HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9999\r\n\r\n"
    )
    received = b""
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:

                async def trickle() -> None:
                    while True:
                        await client.send(b"x")
                        await trio.sleep(0.05)

                await client.send(head)
                nursery.start_soon(trickle)
                received = await client.stream.receive_some(65536)
                nursery.cancel_scope.cancel()
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"INVALID_REQUEST"' in received


async def test_an_idle_connection_is_closed_after_each_of_its_requests() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port:

        async def idle(requests: int) -> None:
            async with client_of(port) as client:
                for _ in range(requests):
                    assert (await client.get("/health/live")).status == 200
                assert await client.rest() == b""

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(idle, number % 4)


async def test_a_connection_in_use_is_kept_alive_beyond_the_idle_time() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        for _ in range(5):
            await trio.sleep(0.2)
            assert (await client.get("/health/live")).status == 200


async def test_a_request_that_came_in_time_is_answered_though_the_server_was_held_up() -> None:
    it = web()
    it.dispatcher.behaviour = after(0.1)
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        assert (await client.get("/health/live")).status == 200
        await trio.testing.wait_all_tasks_blocked()  # the server waits for the next request
        os.write(client.stream.socket.fileno(), EXTRACT + b"Connection: close\r\n\r\n")
        time.sleep(2 * QUICK.keep_alive)  # noqa: ASYNC251  (the server cannot run meanwhile)
        with trio.fail_after(PATIENCE):
            answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(BODY)


async def test_the_headers_of_a_request_on_a_kept_connection_must_arrive_soon() -> None:
    it = web()
    limits = replace(KEPT, arrival=0.3)
    async with serving(it.app, it.lifecycle, limits) as port, client_of(port) as client:
        assert (await client.get("/health/live")).status == 200
        await trio.sleep(2 * limits.arrival)  # idle for longer than a request may take to arrive
        assert (await client.get("/health/live")).status == 200
        await client.send(b"GET /health/live HTTP/1.1\r\n")
        with trio.fail_after(PATIENCE):
            assert await client.rest() == b""


async def test_of_too_many_idle_connections_the_longest_idle_is_closed() -> None:
    it = web()
    async with (
        serving(it.app, it.lifecycle, replace(KEPT, idle=2)) as port,
        client_of(port) as first,
        client_of(port) as second,
        client_of(port) as third,
    ):
        for client in (first, second, first, third):
            assert (await client.get("/health/live")).status == 200
        with trio.fail_after(PATIENCE):
            assert await second.rest() == b""
        for client in (first, third):
            assert (await client.get("/health/live")).status == 200


async def test_a_long_request_is_not_idle() -> None:
    it = web()
    it.dispatcher.behaviour = after(1.0)
    async with serving(it.app, it.lifecycle, QUICK) as port, client_of(port) as client:
        assert (await client.get(f"/api/v1/extract?url={URL}")).status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /health/live HTTP/1.0\r\n\r\n",
    ],
)
async def test_a_connection_that_is_to_be_closed_is_closed_at_once(request_: bytes) -> None:
    it = web()
    slow = Limits(keep_alive=60, linger=60)
    async with serving(it.app, it.lifecycle, slow) as port, client_of(port) as client:
        await client.send(request_)
        with trio.fail_after(PATIENCE):
            data = await client.rest()
    assert data.startswith(b"HTTP/1.1 200 ")
    assert data.endswith(b'"status":"alive"}')


def _reluctant() -> socket.socket:
    """A socket with a small receive buffer."""
    it = socket.socket()
    it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return it


async def _connect(port: int) -> trio.SocketStream:
    raw = trio.socket.from_stdlib_socket(_reluctant())
    await raw.connect(("127.0.0.1", port))
    return trio.SocketStream(raw)


async def test_a_client_that_does_not_read_is_cut() -> None:
    it = web()
    it.dispatcher.answer = LARGE
    async with serving(it.app, it.lifecycle, QUICK) as port, await _connect(port) as stream:
        await stream.send_all(EXTRACT + b"\r\n")
        await trio.sleep(1.5)  # several times the time that one chunk has
        received = 0
        with trio.fail_after(PATIENCE):
            try:
                while data := await stream.receive_some(1_000_000):
                    received += len(data)
            except trio.BrokenResourceError:
                pass
        assert 0 < received < len(LARGE.body)


async def test_a_client_that_reads_slowly_but_steadily_gets_everything() -> None:
    it = web()
    it.dispatcher.answer = Answer(json.dumps({"title": "x" * 600_000}).encode())
    steady = Limits(write=2.0, pace=16 * 1024, linger=0.3)  # all of it takes longer, a chunk does not
    async with serving(it.app, it.lifecycle, steady) as port, await _connect(port) as stream:
        await stream.send_all(EXTRACT + b"Connection: close\r\n\r\n")
        received = 0
        with trio.fail_after(12 * PATIENCE):
            while data := await stream.receive_some(65536):
                received += len(data)
                await trio.sleep(0.02)
        assert received > 600_000


async def test_a_client_that_does_not_read_does_not_hold_up_the_end() -> None:
    it = web()
    it.dispatcher.answer = LARGE
    patient = Limits(write=60, keep_alive=60, grace=0.3)
    with trio.fail_after(PATIENCE):
        async with serving(it.app, it.lifecycle, patient) as port:
            stream = await _connect(port)
            await stream.send_all(EXTRACT + b"\r\n")
            assert await stream.receive_some(10)
    await stream.aclose()


async def test_idle_clients_do_not_hold_up_the_end() -> None:
    it = web()
    patient = Limits(keep_alive=60, grace=60)
    with trio.fail_after(PATIENCE):
        async with (
            serving(it.app, it.lifecycle, patient) as port,
            client_of(port) as silent,
            client_of(port) as idle,
        ):
            assert (await idle.get("/health/live")).status == 200
            it.lifecycle.close()
            assert await idle.rest() == b""
            assert await silent.rest() == b""


async def test_a_drain_answers_running_requests_and_refuses_new_connections() -> None:
    it = web()
    begun, finish = trio.Event(), trio.Event()

    async def behaviour(job: Any) -> Answer:
        begun.set()
        await finish.wait()
        return Answer(BODY)

    it.dispatcher.behaviour = behaviour
    with trio.fail_after(PATIENCE):
        async with serving(it.app, it.lifecycle, Limits(grace=60)) as port, client_of(port) as client:
            await client.ask(f"/api/v1/extract?url={URL}")
            await begun.wait()
            it.lifecycle.drain()
            async with client_of(port) as late:
                refused = await late.get(f"/api/v1/extract?url={URL}")
                assert (refused.status, refused.json["code"]) == (503, "SHUTTING_DOWN")
                assert refused.headers["connection"] == "close"
                assert await late.rest() == b""
            it.lifecycle.close()
            await trio.sleep(0.1)
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", port)
            finish.set()
            reply = await client.reply()
            assert (reply.status, reply.body) == (200, BODY)
            assert reply.headers["connection"] == "close"


async def test_a_job_that_outlasts_the_grace_is_cancelled() -> None:
    it = web()
    begun, cancelled = it.dispatcher.hang()
    with trio.fail_after(PATIENCE):
        async with serving(it.app, it.lifecycle, Limits(grace=0.2)) as port, client_of(port) as client:
            await client.ask(f"/api/v1/extract?url={URL}")
            await begun.wait()
            it.lifecycle.close()
            assert await client.rest() == b""
            await cancelled.wait()


async def test_a_port_that_is_taken_is_named() -> None:
    it = web()
    async with serving(it.app, it.lifecycle, QUICK) as port:
        with pytest.raises(CannotListen, match=str(port)):
            await serve(it.app, Config.load(port=port), it.lifecycle)


async def test_a_client_that_takes_each_chunk_in_time_is_cut_when_all_of_it_takes_too_long() -> None:
    it = web()
    it.dispatcher.answer = LARGE
    brisk = Limits(write=1.0, pace=1 << 27, linger=0.3)  # 30 MB within about 1.2 s, and each 64 KB within 1 s
    async with serving(it.app, it.lifecycle, brisk) as port, await _connect(port) as stream:
        await stream.send_all(EXTRACT + b"\r\n")
        received = 0
        with trio.fail_after(4 * PATIENCE):
            try:
                while data := await stream.receive_some(65536):
                    received += len(data)
                    await trio.sleep(0.02)  # 64 KB of them at most: 30 MB would take 9 s
            except trio.BrokenResourceError:
                pass
        assert 0 < received < len(LARGE.body)
