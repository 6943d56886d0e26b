"""End-to-end: raw sockets that ask the real server stack for HTTP/2 and WebSockets. It speaks neither.

An upgrade is declined by answering the request as if it had not asked for one; HTTP/2 from the first byte is
refused. Other clients are answered as usual.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import NoReturn
from urllib.parse import urlsplit

import psutil
import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st

from service.dispatch.request import Answer
from service.web.http.connection import Limits
from service.wire import Job
from tests.internet import Internet
from tests.support import running_service
from tests.support.effort import live_examples
from tests.support.raw_client import Client, client_of
from tests.support.running_service import ADMIN_KEY, Service
from tests.support.upgrades import (
    FRAMES,
    JSON,
    MESSAGES,
    PREFACE,
    TARGETS,
    UPGRADES,
    Attack,
    answers,
    attacks,
    frame,
    message,
    request,
)
from tests.support.web_app import BODY, URL, Web, serving, web

QUICK = Limits(keep_alive=0.3, write=0.5, linger=0.2, grace=0.5)
PATIENT = Limits(keep_alive=2.0, write=2.0, linger=0.2, grace=0.5)  # where an answer has to arrive
PATIENCE = 20  # seconds; generous, nothing waits for all of it unless it is broken
# Where no connection is left to its idle time: LAST ends it, or the client does.
LASTING = Limits(keep_alive=PATIENCE, write=PATIENCE, linger=0.2, grace=0.5)
LAST = request("/health/live", "Connection: close")
EVENTS = "/api/v1/events"
PLANNED = {100, 200, 204, 400, 404, 405, 413, 415, 431, 501, 505}


async def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (what it waits for has no event)
        await trio.sleep(0.01)


def connections(port: int) -> int:
    """The number of connections that the server holds."""
    held = psutil.Process().net_connections("tcp")
    return sum(each.laddr.port == port and each.status != psutil.CONN_LISTEN for each in held)


@asynccontextmanager
async def others_untouched(it: Web, limits: Limits = QUICK) -> AsyncIterator[int]:
    """Serve while an extraction and requests for /health run; in the end nothing may be left, or logged."""
    begun, finish, over = trio.Event(), trio.Event(), trio.Event()

    async def behaviour(job: Job) -> Answer:
        begun.set()
        await finish.wait()
        return it.dispatcher.answer

    it.dispatcher.behaviour = behaviour

    async def healthy() -> None:
        while not over.is_set():
            async with client_of(port) as client:
                assert (await client.get("/health")).json["status"] == "healthy"
            await trio.sleep(0.05)

    with structlog.testing.capture_logs() as log, trio.fail_after(3 * PATIENCE):
        async with serving(it.app, it.lifecycle, limits) as port:
            async with client_of(port) as client, trio.open_nursery() as nursery:
                await client.ask(f"/api/v1/extract?url={URL}")
                await begun.wait()
                nursery.start_soon(healthy)
                yield port
                over.set()
                finish.set()
                reply = await client.reply()
                assert (reply.status, reply.body) == (200, BODY)
            with trio.fail_after(PATIENCE):
                await eventually(lambda: connections(port) == 0)
    assert len(it.dispatcher.seen) == 1
    assert [line for line in log if line["log_level"] in ("warning", "error", "critical")] == []


async def attack(port: int, it: Attack) -> bytes:
    """Carry it out; what came back, for who waits for it."""
    data = b""
    async with client_of(port) as client, trio.open_nursery() as nursery:

        async def write() -> None:
            try:
                for piece in it.pieces:
                    await client.send(piece)
                    await trio.sleep(0.001)  # usually a separate packet
                if it.leaves == "eof":
                    await client.stream.send_eof()
            except trio.BrokenResourceError:
                pass

        if it.leaves in ("waits", "eof"):
            nursery.start_soon(write)
            data = await client.rest()
            nursery.cancel_scope.cancel()
        else:
            with trio.move_on_after(1):  # while a stream is sent, not all is read
                await write()
            if it.leaves == "resets":
                client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return data


def assert_planned(data: bytes, given: object) -> None:
    """The answer consists of whole responses with an expected status, and errors of the one shape."""
    for answer in answers(data):
        assert answer.status in PLANNED, (given, answer)
        if answer.status >= 400 and answer.body:
            body = json.loads(answer.body)
            assert body["ok"] is False
            assert body["requestId"] == answer.headers["x-request-id"]


# What fails may be too long to be printed.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@live_examples(12)
@given(st.lists(attacks(), min_size=10, max_size=30))
async def test_no_wish_for_another_protocol_touches_anyone_else(given: list[Attack]) -> None:
    async def carry_out(one: Attack) -> None:
        assert_planned(await attack(port, one), one)

    async with others_untouched(web()) as port, trio.open_nursery() as clients:
        for each in given:
            clients.start_soon(carry_out, each)


async def test_http_2_is_refused() -> None:
    async def refused(frames: bytes) -> None:
        (answer,) = answers(await attack(port, Attack((frames,), "waits")))
        assert (answer.status, answer.headers["connection"]) == (505, "close")
        assert json.loads(answer.body)["code"] == "INVALID_REQUEST"

    async with others_untouched(web()) as port, trio.open_nursery() as clients:
        for frames in FRAMES.values():
            for opening in (PREFACE, PREFACE + FRAMES["settings"]):
                clients.start_soon(refused, opening + frames)


async def test_http_2_without_its_preface_is_no_http() -> None:
    async def not_understood(name: str, frames: bytes) -> None:
        assert_planned(data := await attack(port, Attack((frames,), "waits")), name)
        assert all(answer.status in (400, 431) for answer in answers(data)), name

    async with others_untouched(web()) as port, trio.open_nursery() as clients:
        for name, frames in FRAMES.items():
            clients.start_soon(not_understood, name, frames)


@pytest.fixture(scope="module")
def plain() -> dict[bytes, int]:
    """The status of each request without an upgrade, from the first test that asks."""
    return {}


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_an_upgrade_is_declined_by_answering_the_request(upgrade: str, plain: dict[bytes, int]) -> None:
    """On every kind of endpoint, with and without a body, the upgrade is ignored."""
    body = b'{"url": 1}'
    with_body = (JSON, f"Content-Length: {len(body)}")

    async def status(data: bytes) -> int:
        answer, *behind = answers(await attack(port, Attack((data + LAST,), "waits")))
        assert [each.status for each in behind] in ([], [200]), "where it goes on, it does so in HTTP/1.1"
        return answer.status

    async def same(method: str, target: str, framing: tuple[str, ...], sent: bytes) -> None:
        without = request(target, *framing, method=method, body=sent)
        if without not in plain:
            plain[without] = await status(without)
        upgraded = request(target, *UPGRADES[upgrade], *framing, method=method, body=sent)
        assert await status(upgraded) == plain[without], (method, target, sent)

    async with others_untouched(web(), LASTING) as port, trio.open_nursery() as clients:
        for method in ("GET", "POST", "OPTIONS"):
            for target in (*TARGETS, "/api/v1/batch"):
                clients.start_soon(same, method, target, (), b"")
                clients.start_soon(same, method, target, with_body, body)


async def test_settings_and_keys_without_end_are_refused() -> None:
    async with others_untouched(web(), LASTING) as port:
        for name in ("HTTP2-Settings", "Sec-WebSocket-Key"):
            data = request("/health/live", "Connection: Upgrade", "Upgrade: h2c", f"{name}: " + "A" * 100_000)
            (answer,) = answers(await attack(port, Attack((data,), "waits")))
            assert answer.status == 431


@pytest.mark.parametrize("upgrade", ["h2c-good", "websocket-good"])
async def test_bytes_after_a_declined_upgrade_are_not_read_as_http(upgrade: str) -> None:
    head = request("/health/live", *UPGRADES[upgrade])

    async def not_understood(name: str, pieces: tuple[bytes, ...]) -> None:
        first, *rest = answers(await attack(port, Attack(pieces, "waits")))
        assert first.status == 200, name
        assert "upgrade" not in first.headers
        assert [answer.status for answer in rest] in ([], [400], [431], [505]), name

    async with others_untouched(web(), PATIENT) as port, trio.open_nursery() as clients:
        for name, data in [*FRAMES.items(), *MESSAGES.items(), ("preface", PREFACE + FRAMES["get"])]:
            clients.start_soon(not_understood, name, (head + data,))
            clients.start_soon(not_understood, name, (head, data))


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_a_stream_is_streamed_whatever_upgrade_was_asked_for(upgrade: str) -> None:
    it = web(admin_key="the key of an admin")
    headers = (*UPGRADES[upgrade], "X-API-Key: the key of an admin")
    async with others_untouched(it, LASTING) as port:
        for leaves in ("hangs up", "resets"):
            async with client_of(port) as client:
                await client.send(request(EVENTS, *headers) + MESSAGES["text"])
                head = await _until(client, b": waiting")
                assert head.startswith(b"HTTP/1.1 200 ")
                assert b"content-type: text/event-stream" in head
                assert it.telemetry.event_log.subscribers == 1
                if leaves == "resets":
                    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await eventually(lambda: it.telemetry.event_log.subscribers == 0)


async def _until(client: Client, wanted: bytes) -> bytes:
    data = b""
    while wanted not in data:
        chunk = await client.stream.receive_some(65536)
        assert chunk, data
        data += chunk
    return data


FLOODS = {
    "continuations": (PREFACE + FRAMES["settings"] + frame(1, stream=1), 1000 * frame(9, b"x", stream=1)),
    "resets": (PREFACE + FRAMES["settings"], FRAMES["rapid-resets"]),
    "pings": (PREFACE + FRAMES["settings"], FRAMES["pings"]),
    "settings-behind-h2c": (request("/health/live", *UPGRADES["h2c-good"]), 1000 * FRAMES["settings"]),
    "messages-behind-websocket": (request("/health/live", *UPGRADES["websocket-good"]), MESSAGES["pings"]),
    "a-message-that-drips": (request("/health/live", *UPGRADES["websocket-good"]), message(0x81)[:1]),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_cut(flood: str) -> None:
    """A client cannot keep its connection by sending without end, fast or slowly."""
    opening, more = FLOODS[flood]
    async with others_untouched(web(), PATIENT) as port, client_of(port) as client:
        await client.send(opening)
        with trio.fail_after(PATIENCE), pytest.raises(trio.BrokenResourceError):
            await _without_end(client, more)


async def _without_end(client: Client, data: bytes) -> NoReturn:
    while True:
        await client.send(data)
        await trio.sleep(0.01)


# The running service


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"SCALING": "fixed:2", "CACHE_MAX_BYTES": 0}) as running_service:
        yield running_service


def test_the_running_service_answers_all_others_meanwhile(service: Service, internet: Internet) -> None:
    """Everything at once, from the tables above, at its own limits and beside a real extraction."""
    key = f"X-API-Key: {ADMIN_KEY}"
    heads = [request(target, key, *headers) for headers in UPGRADES.values() for target in (*TARGETS, EVENTS)]
    behind = [*FRAMES.values(), *MESSAGES.values()]
    given = [Attack((PREFACE + frames,), "waits") for frames in FRAMES.values()]
    given += [
        Attack((head, behind[number % len(behind)]), "hangs up" if EVENTS.encode() in head else "eof")
        for number, head in enumerate(heads)
    ]
    port = urlsplit(service.url).port or 0
    process = psutil.Process(service.process.pid)

    def held() -> int:
        return sum(each.status != psutil.CONN_LISTEN for each in process.net_connections("tcp"))

    async def carry_out_all() -> None:
        async with trio.open_nursery() as clients:
            for each in given:
                clients.start_soon(carry_out, each)

    async def carry_out(one: Attack) -> None:
        with trio.fail_after(2 * PATIENCE):
            assert_planned(await attack(port, one), one)

    internet.set_latency("html5.example", 1.0)
    try:
        with ThreadPoolExecutor() as threads:
            extraction = threads.submit(service.extract, "https://html5.example/?upgrades")
            attacked = threads.submit(trio.run, carry_out_all)
            while not attacked.done():
                assert service.get("/health").json()["status"] == "healthy"
            attacked.result()
            assert extraction.result().status_code == 200
    finally:
        internet.set_latency("html5.example", 0)
    running_service.eventually(lambda: held() == 0)
    assert service.extract("https://html5.example/?afterwards").status_code == 200
    assert "Traceback" not in service.log
    levels = {json.loads(line)["level"] for line in service.log.splitlines() if line.startswith("{")}
    assert levels <= {"debug", "info"}, service.log
