"""Collaboration: what clients that read slowly may hold, and whose answer ends for it."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest

from service.codes import Code
from service.dispatch.request import Answer
from service.web.errors import Refused
from service.web.http.outgoing import CLIENTS, LARGEST, SMALL, Outgoing
from service.web.http.request_context import RequestContext
from service.wire import Job
from tests.support.streaming_client import asking
from tests.support.web_app import URL, web

LARGE = 10 * SMALL


def request() -> RequestContext:
    return RequestContext("req_1", "192.0.2.1")


def body() -> bytes:
    return bytes(LARGE)


def filled(it: Outgoing, client: str) -> list[RequestContext]:
    """As many requests as `client` may make, each for an answer of its own."""
    found = []
    for _ in range(LARGEST):
        found.append(request())
        it.hold(found[-1], client, body())
    return found


def test_one_answer_counts_once_however_many_read_it() -> None:
    it, shared = Outgoing(LARGE), body()
    readers = [request() for _ in range(200)]
    for number, reader in enumerate(readers):
        it.hold(reader, f"client {number % 4}", shared)
        assert it.held == LARGE
    for reader in readers:
        assert it.held == LARGE
        it.release(reader)
    assert it.held == 0


async def test_a_client_holds_so_much_at_a_time() -> None:
    it = Outgoing(LARGE)
    first, *others = filled(it, "a")
    with pytest.raises(Refused) as info:
        it.hold(request(), "a", body())
    assert (info.value.code, info.value.retry_after) == (Code.TOO_MANY_REQUESTS, 10.0)
    it.hold(request(), "b", body())  # another client has its own share
    it.release(first)
    it.hold(first, "a", body())
    assert not any(each.scope.cancel_called for each in (first, *others))


async def test_where_all_together_hold_too_much_the_one_with_most_loses_its_oldest() -> None:
    it = Outgoing(LARGE)
    greedy = [filled(it, f"greedy {number}") for number in range(CLIENTS)]
    it.hold(request(), "modest", body())
    ended = [[each.scope.cancel_called for each in requests] for requests in greedy]
    assert ended == [[True] + [False] * (LARGEST - 1), [False] * LARGEST]
    assert it.held == CLIENTS * LARGEST * LARGE
    with pytest.raises(Refused):
        it.hold(request(), "greedy 1", body())  # none holds more than it does itself


def test_a_small_answer_is_always_given() -> None:
    it = Outgoing(LARGE)
    for number in range(CLIENTS):
        filled(it, f"greedy {number}")
    it.hold(request(), "greedy 0", bytes(SMALL - 1))
    assert it.held == CLIENTS * LARGEST * LARGE


def test_what_is_let_go_counts_no_longer() -> None:
    it, batch, line = Outgoing(LARGE), request(), body()
    it.hold(batch, "a", line)
    it.hold(batch, "a", line)
    it.let_go(batch, line)
    assert it.held == LARGE
    it.let_go(batch, line)
    it.let_go(batch, line)  # it has been cut meanwhile, for example
    assert it.held == 0


async def test_answers_are_held_until_they_are_read() -> None:
    it = web(ytdlp_max_buffer=LARGE)

    async def behaviour(job: Job) -> Answer:
        return Answer(b'{"title":"' + b"x" * (LARGE - 20) + b'"}')

    it.dispatcher.behaviour = behaviour
    extract = ("GET", f"/api/v1/extract?url={URL}")
    batch = ("POST", "/api/v1/batch", {"urls": [URL]})
    async with AsyncExitStack() as readers:
        slow = [await readers.enter_async_context(asking(it.app, *extract)) for _ in range(LARGEST)]
        assert {reader.status for reader in slow} == {200}
        async with asking(it.app, *extract) as refused:
            assert (refused.status, refused.headers["retry-after"]) == (429, "10")
            assert json.loads(await refused.rest())["code"] == "TOO_MANY_REQUESTS"
        async with asking(it.app, *batch) as refused:
            assert [line["code"] for line in await refused.lines()] == ["TOO_MANY_REQUESTS"]
        async with asking(it.app, *extract, accept="text/event-stream") as refused:
            assert b'"code": "TOO_MANY_REQUESTS"' in await refused.rest()
        await slow[0].rest()
        async with asking(it.app, *batch) as admitted:
            assert [line["ok"] for line in await admitted.lines()] == [True]
        for reader in slow:
            reader.leave()
