"""Collaboration: calls over one connection to an engine that the test plays, on a mock clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hiredis
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from service.cluster.connection import LONGEST, UNANSWERED, Connection, Rejected, Unavailable


class Played:
    """The connection, and the engine's end of it."""

    def __init__(self) -> None:
        ours, self.engine = memory_stream_pair()
        self.heard: list[Any] = []
        self.connection = Connection(ours, self.heard.append)
        self.ended: str | None = None
        self._reader = hiredis.Reader()

    async def run(self) -> None:
        try:
            await self.connection.run()
        except Unavailable as error:
            self.ended = str(error)

    async def asked(self) -> list[bytes]:
        """The next command."""
        while (words := self._reader.gets()) is False:
            self._reader.feed(bytes(await self.engine.receive_some(65536)))
        return list(words)

    async def say(self, data: bytes) -> None:
        await self.engine.send_all(data)

    async def get(self, name: str, patience: float = 1.0) -> Any:
        return await self.connection.call("GET", name, patience=patience)


@asynccontextmanager
async def played() -> AsyncIterator[Played]:
    it = Played()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.run)
        yield it
        nursery.cancel_scope.cancel()


async def test_replies_come_to_their_callers_in_order(autojump_clock: MockClock) -> None:
    replies: dict[str, Any] = {}

    async def ask(name: str) -> None:
        replies[name] = await it.get(name)

    async with played() as it, trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(ask, str(number))
        for _ in range(50):
            await it.say(b"+" + (await it.asked())[1] + b"\r\n")
    assert replies == {str(number): str(number).encode() for number in range(50)}


async def test_a_caller_that_leaves_keeps_its_place(autojump_clock: MockClock) -> None:
    async with played() as it:
        with trio.move_on_after(0.1):
            await it.get("left")
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                assert await it.get("stays") == b"for who stays"

            nursery.start_soon(ask)
            assert [(await it.asked())[1] for _ in range(2)] == [b"left", b"stays"]
            await it.say(b"+for who left\r\n+for who stays\r\n")


async def test_a_late_reply_ends_the_connection_for_all(autojump_clock: MockClock) -> None:
    async with played() as it:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                began = trio.current_time()
                with pytest.raises(Unavailable, match="in time"):
                    await it.get("name", patience=0.25)
                assert trio.current_time() - began <= 0.25

            for _ in range(3):
                nursery.start_soon(ask)
        with pytest.raises(Unavailable, match="in time"):
            await it.get("later")
        await wait_all_tasks_blocked()
        assert it.ended == "the engine does not answer in time"


async def test_silence_is_no_fault_where_nobody_asked(autojump_clock: MockClock) -> None:
    async with played() as it:
        await trio.sleep(3600)
        assert it.ended is None


async def test_the_engine_s_refusal_is_the_caller_s_alone(autojump_clock: MockClock) -> None:
    async with played() as it:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(Rejected, match="OOM"):
                    await it.get("name")

            nursery.start_soon(ask)
            await it.asked()
            await it.say(b"-OOM command not allowed\r\n")
        assert it.ended is None


async def test_messages_are_no_replies(autojump_clock: MockClock) -> None:
    async with played() as it:
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                assert await it.get("name") == b"value"

            nursery.start_soon(ask)
            await it.asked()
            await it.say(b">3\r\n$7\r\nmessage\r\n$4\r\ndone\r\n$1\r\nx\r\n$5\r\nvalue\r\n")
        assert [list(message) for message in it.heard] == [[b"message", b"done", b"x"]]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
        (b"+nobody asked\r\n", "nobody asked"),
        (b"$9999999\r\n" + b"x" * (LONGEST + 1), "too long"),
        (b"", "closed"),
    ],
)
async def test_what_is_no_engine_is_left(autojump_clock: MockClock, said: bytes, problem: str) -> None:
    async with played() as it:
        if said:
            await it.say(said)
        else:
            await it.engine.aclose()
        with trio.fail_after(5):
            while it.ended is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert problem in it.ended
        with pytest.raises(Unavailable):
            await it.get("name")


async def test_the_line_has_an_end(autojump_clock: MockClock) -> None:
    async with played() as it:
        for _ in range(UNANSWERED):
            it.connection.post("PING", patience=1)
        with pytest.raises(Unavailable, match="too many"):
            it.connection.post("PING", patience=1)
