"""End-to-end: real sockets. Slow readers of a large answer cost little memory, whichever way it is sent."""

from __future__ import annotations

import gc
import json
import random
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trio.testing

from service.dispatch.request import Answer
from service.web.http.connection import Limits
from service.web.http.outgoing import CLIENTS, LARGEST
from service.wire import Job
from tests.support.web_app import URL, serving, web

READERS = 50
MOST = 15 << 20  # bytes that they may all cost; a copy for each would be 450 MB
PATIENT = Limits(keep_alive=60, write=60)
TITLE = random.Random(0).randbytes(9 << 19).hex()  # gzip halves it
ANSWER = Answer(json.dumps({"title": TITLE}).encode(), etag="0123abcd", age=1.0)
GET = f"GET /api/v1/extract?url={URL} HTTP/1.1\r\nHost: a\r\n"
BATCH = json.dumps({"urls": [URL] * 8})
REQUESTS = {
    "plain": f"{GET}\r\n",
    "gzip": f"{GET}Accept-Encoding: gzip\r\n\r\n",
    "no-cache": f"{GET}Cache-Control: no-cache\r\n\r\n",
    "events": f"{GET}Accept: text/event-stream\r\n\r\n",
    "batch": "POST /api/v1/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BATCH)}\r\n\r\n{BATCH}",
}


def anonymous_memory() -> int:
    """Bytes of this process that no file stands behind: what a copy adds to."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


async def reader(port: int, address: str = "127.0.0.1") -> trio.SocketStream:
    raw = trio.socket.from_stdlib_socket(socket.socket())
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await raw.bind((address, 0))
    await raw.connect(("127.0.0.1", port))
    return trio.SocketStream(raw)


@pytest.mark.parametrize("way", REQUESTS)
async def test_readers_share_the_bytes_of_an_answer(way: str) -> None:
    it = web()
    it.dispatcher.answer = it.dispatcher.remembered = ANSWER
    async with serving(it.app, it.lifecycle, PATIENT) as port, AsyncExitStack() as readers:
        before = 0
        for number in range(READERS + 2):
            stream = await readers.enter_async_context(await reader(port))
            await stream.send_all(REQUESTS[way].encode())
            while b"\r\n\r\n" not in await stream.receive_some(1000):
                pass
            await trio.testing.wait_all_tasks_blocked(0.001)
            if number == 1:  # the first two bring what all of them share: compressed bytes, caches
                before = anonymous_memory()
        assert anonymous_memory() - before < MOST
        it.lifecycle.close()


async def test_slow_readers_of_many_answers_cost_each_other_theirs_and_nobody_else() -> None:
    size = 3 << 20
    it = web(ytdlp_max_buffer=size)

    async def behaviour(job: Job) -> Answer:
        return Answer(b'{"title":"%s"}' % (b"x" * (size - 20)))

    it.dispatcher.behaviour = behaviour
    async with serving(it.app, it.lifecycle, PATIENT) as port, AsyncExitStack() as readers:
        greedy = []
        for number in range(CLIENTS * LARGEST):
            greedy.append(await readers.enter_async_context(await reader(port, f"127.0.0.{2 + number % 2}")))
            await greedy[-1].send_all(REQUESTS["plain"].encode())
            assert (await greedy[-1].receive_some(12)) == b"HTTP/1.1 200"
        modest = await readers.enter_async_context(await reader(port, "127.0.0.9"))
        await modest.send_all(REQUESTS["plain"].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())
        with trio.fail_after(60):
            assert len(b"".join([piece async for piece in modest])) > size
            assert len(b"".join([piece async for piece in greedy[0]])) < size
        it.lifecycle.close()
