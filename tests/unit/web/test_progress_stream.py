"""Pure, then collaboration: the followers of a job, and an extraction's progress as server-sent events."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from service.codes import Code
from service.dispatch.progress import Progress, ProgressHub, Queued, Retrying, Started
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.web.api.progress_stream import SILENCE
from service.wire import Job, Kind
from tests.support.streaming_client import asking
from tests.support.web_app import ANSWER, BODY, URL, web

JOB = Job(Kind.EXTRACT, URL)
TARGET = ("GET", f"/api/v1/extract?url={URL}")
ACCEPT = {"accept": "text/event-stream"}


def test_a_follower_hears_of_his_job_alone_and_as_long_as_he_follows() -> None:
    progress, heard = ProgressHub(), list[Progress]()
    progress.emit(Job(Kind.SIZE, URL), Started(1))
    with progress.subscribe(JOB, heard.append), progress.subscribe(JOB, None):
        progress.emit(JOB, Queued(2, 1.5))
        progress.emit(Job(Kind.SIZE, URL), Started(1))
        progress.emit(JOB, Started(1))
    progress.emit(JOB, Started(2))
    assert heard == [Queued(2, 1.5), Started(1)]


def test_a_late_follower_gets_the_current_state() -> None:
    progress = ProgressHub()
    first, second, third = list[Progress](), list[Progress](), list[Progress]()
    with progress.subscribe(JOB, first.append):
        progress.emit(JOB, Queued(0, 0.0))
        progress.emit(JOB, Started(1))
        with progress.subscribe(JOB, second.append):
            progress.emit(JOB, Started(2))
    progress.ended(JOB)
    with progress.subscribe(JOB, third.append):
        assert third == []
    assert first == [Queued(0, 0.0), Started(1), Started(2)]
    assert second == [Started(1), Started(2)]


def events(stream: bytes) -> list[tuple[str, Any]]:
    """Name and data of each event."""
    found = []
    for block in stream.decode().strip().split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_every_step_is_an_event_and_the_last_has_the_result() -> None:
    it = web()
    it.dispatcher.steps = (
        Queued(3, 2.34),
        Started(1),
        Retrying(2, 0.55, Code.UPSTREAM_ERROR, "the site failed"),
        Started(2),
    )
    async with asking(it.app, *TARGET, **ACCEPT) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        told = events(await answer.rest())
    assert told == [
        ("queued", {"position": 3, "expectedWait": 2.3}),
        ("started", {"attempt": 1}),
        ("retrying", {"attempt": 2, "delay": 0.6, "code": "UPSTREAM_ERROR", "error": "The site failed"}),
        ("started", {"attempt": 2}),
        ("done", json.loads(BODY)),
    ]


@pytest.mark.parametrize("body", [None, {"url": URL}])
async def test_a_size_is_followed_by_either_method(body: object) -> None:
    it = web()
    it.dispatcher.steps = (Queued(1, 0.5), Started(1))
    target = ("GET", f"/api/v1/size?url={URL}") if body is None else ("POST", "/api/v1/size", body)
    async with asking(it.app, *target, **ACCEPT) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert "Accept" in answer.headers["vary"]
        told = events(await answer.rest())
    assert [name for name, _ in told] == ["queued", "started", "done"]
    assert told[-1][1] == json.loads(BODY)
    assert [job.kind for job, _ in it.dispatcher.seen] == [Kind.SIZE]


async def test_an_error_is_the_last_event_too() -> None:
    it = web()
    it.dispatcher.fail(ExtractionError(Code.PRIVATE, "the video is private"))
    async with asking(it.app, *TARGET, **ACCEPT, x_request_id="mine") as answer:
        ((name, data),) = events(await answer.rest())
    assert name == "done"
    assert (data["ok"], data["code"], data["requestId"]) == (False, "PRIVATE", "mine")


async def test_a_request_that_is_wrong_is_answered_with_its_status() -> None:
    it = web()
    async with asking(it.app, "GET", "/api/v1/extract?url=nonsense", **ACCEPT) as answer:
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/json"
        await answer.rest()


async def test_silence_is_broken_by_a_comment(autojump_clock: MockClock) -> None:
    it = web()

    async def behaviour(job: Job) -> Answer:
        await trio.sleep(2.5 * SILENCE)
        return ANSWER

    it.dispatcher.behaviour = behaviour
    async with asking(it.app, *TARGET, **ACCEPT) as answer:
        pieces = (await answer.rest()).split(b"\n\n")
    assert [piece[:1] for piece in pieces] == [b":", b":", b"e", b""]


async def test_a_client_that_leaves_cancels_the_job(autojump_clock: MockClock) -> None:
    it = web()
    begun, cancelled = it.dispatcher.hang()
    async with asking(it.app, *TARGET, **ACCEPT) as answer:
        await begun.wait()
        answer.leave()
    assert cancelled.is_set()


async def test_what_is_sent_is_what_the_client_likes_best() -> None:
    it = web()
    for accept, expected in {
        "*/*": "application/json",
        "": "application/json",
        "text/html": "application/json",
        "application/x-ndjson": "application/x-ndjson",
        "application/json;q=0.5, application/x-ndjson": "application/x-ndjson",
        "text/event-stream, application/json;q=0.1": "text/event-stream",
    }.items():
        async with asking(it.app, *TARGET, accept=accept) as answer:
            assert answer.headers["content-type"] == expected, accept
            assert "Accept" in answer.headers["vary"]
            await answer.rest()
    async with asking(it.app, "POST", "/api/v1/extract", {"url": URL}, **ACCEPT) as answer:
        assert answer.headers["content-type"] == "application/json"
        await answer.rest()
    assert {job.lines for job, _ in it.dispatcher.seen} == {True, False}
