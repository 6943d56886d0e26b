"""Collaboration: a batch's lines, its share, its bounds, and its end, with a fake dispatcher."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from openapi_schema_validator import OAS31Validator
from trio.testing import MockClock

from service.codes import Code
from service.dispatch.request import Answer
from service.errors import ExtractionError, QueueFull
from service.web.api.batch import LANES
from service.wire import Job, Kind
from tests.support.streaming_client import asking
from tests.support.web_app import ANSWER, BODY, Web, web

BATCH = ("POST", "/api/v1/batch")


def urls(count: int) -> list[str]:
    return [f"https://a.example/{number}" for number in range(count)]


def place(job: Job) -> int:
    return int(job.url.rpartition("/")[2])


async def lines_of(it: Web, body: Any) -> list[Any]:
    async with asking(it.app, *BATCH, body) as answer:
        assert answer.status == 200
        return await answer.lines()


async def test_lines_come_in_the_order_of_completion(autojump_clock: MockClock) -> None:
    it = web()

    async def behaviour(job: Job) -> Answer:
        await trio.sleep(10 - place(job))
        return ANSWER

    it.dispatcher.behaviour = behaviour
    async with asking(it.app, *BATCH, {"urls": urls(4)}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = await answer.lines()
    assert [line["index"] for line in lines] == [3, 2, 1, 0]
    assert all(line["url"] == urls(4)[line["index"]] for line in lines)


async def test_a_result_is_passed_on_byte_by_byte() -> None:
    it = web()
    async with asking(it.app, *BATCH, {"urls": urls(1)}) as answer:
        line = await answer.rest()
    assert b'"result": ' + BODY + b"}\n" in line
    assert json.loads(line) == {"index": 0, "url": urls(1)[0], "ok": True, "result": json.loads(BODY)}


async def test_the_kind_and_the_fields_are_those_of_each_job() -> None:
    it = web()
    await lines_of(it, {"urls": urls(1)})
    await lines_of(it, {"urls": urls(1), "kind": "size"})
    await lines_of(it, {"urls": urls(1), "fields": ["id"]})
    jobs = [job for job, _ in it.dispatcher.seen]
    assert [(job.kind, job.fields) for job in jobs] == [
        (Kind.EXTRACT, ()),
        (Kind.SIZE, ()),
        (Kind.EXTRACT, ("id",)),
    ]
    assert len({caller.client for _, caller in it.dispatcher.seen}) == 1


async def test_a_failure_is_a_line_in_the_shape_of_every_error() -> None:
    it = web()

    async def behaviour(job: Job) -> Answer:
        if place(job) == 1:
            raise ExtractionError(Code.PRIVATE, "the video is private")
        if place(job) == 2:
            raise ExtractionError(Code.RATE_LIMITED, "slow down", retry_after=6.5)
        if place(job) == 3:
            raise RuntimeError("a fault of ours")
        return ANSWER

    it.dispatcher.behaviour = behaviour
    asked = [*urls(4), "ftp://a.example/", "https://user:secret@a.example/"]
    async with asking(it.app, *BATCH, {"urls": asked}, x_request_id="mine") as answer:
        lines = {line["index"]: line for line in await answer.lines()}
    assert lines[0]["ok"] is True
    assert lines[1] == {
        "index": 1,
        "url": asked[1],
        "ok": False,
        "error": "The video is private",
        "code": "PRIVATE",
        "requestId": "mine",
    }
    assert (lines[2]["code"], lines[2]["retryAfter"]) == ("RATE_LIMITED", 7)
    assert lines[3]["code"] == "INTERNAL"
    assert "fault" not in lines[3]["error"]
    assert {lines[4]["code"], lines[5]["code"]} == {"INVALID_URL"}
    assert len(lines) == 6


async def test_it_has_a_few_jobs_at_a_time(autojump_clock: MockClock) -> None:
    it = web()
    running, most = 0, 0

    async def behaviour(job: Job) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1 + place(job) % 3)
        running -= 1
        return ANSWER

    it.dispatcher.behaviour = behaviour
    assert len(await lines_of(it, {"urls": urls(40)})) == 40
    assert most == LANES


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({}, 400, "urls"),
        ({"urls": []}, 400, "urls"),
        ({"urls": "https://a.example/"}, 400, "urls"),
        ({"urls": [5]}, 400, "urls.0"),
        ({"urls": urls(101)}, 400, "urls"),
        ({"urls": urls(1), "kind": "download"}, 400, "kind"),
        ({"urls": ["https://a.example/" + "x" * 3000] * 90}, 413, "large"),
    ],
)
async def test_a_wrong_batch_is_refused_as_a_whole(body: Any, status: int, word: str) -> None:
    it = web()
    response = await it.post("/api/v1/batch", body)
    assert response.status_code == status
    assert word in json.loads(await response.get_data())["error"]
    assert it.dispatcher.seen == []


async def test_a_long_batch_may_be_longer_than_other_bodies() -> None:
    it = web()
    asked = [f"https://a.example/{'x' * 1900}/{number}" for number in range(100)]
    assert len(await lines_of(it, {"urls": asked})) == 100


async def test_it_counts_as_many_requests_as_it_has_urls() -> None:
    it = web(rate_limit_max_requests=20)
    async with asking(it.app, *BATCH, {"urls": urls(15)}) as answer:
        assert answer.headers["ratelimit-remaining"] == "5"
        assert len(await answer.lines()) == 15
    async with asking(it.app, *BATCH, {"urls": urls(7)}) as answer:
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1
        await answer.rest()
    async with asking(it.app, *BATCH, {"urls": urls(21)}) as answer:
        assert answer.status == 400
        assert "at most 20" in (await answer.lines())[0]["error"]


async def test_a_client_that_does_not_read_stops_it(autojump_clock: MockClock) -> None:
    it = web()
    async with asking(it.app, *BATCH, {"urls": urls(50)}) as answer:
        await answer.piece()
        await trio.sleep(60)
        begun = len(it.dispatcher.seen)
        assert begun <= 2 * LANES + 2  # lines that wait to be read, and the jobs behind them
        await trio.sleep(60)
        assert len(it.dispatcher.seen) == begun
        assert len(await answer.lines()) == 49


async def test_a_client_that_leaves_cancels_all_of_it(autojump_clock: MockClock) -> None:
    it = web()
    cancelled = 0

    async def behaviour(job: Job) -> Answer:
        nonlocal cancelled
        try:
            await trio.sleep_forever()
        finally:
            cancelled += 1
        raise AssertionError

    it.dispatcher.behaviour = behaviour
    async with asking(it.app, *BATCH, {"urls": urls(50)}) as answer:
        await trio.sleep(1)
        answer.leave()
    assert cancelled == len(it.dispatcher.seen) == LANES


async def test_a_drain_answers_the_lines_that_are_left(autojump_clock: MockClock) -> None:
    it = web()

    async def behaviour(job: Job) -> Answer:
        await trio.sleep(1)
        return ANSWER

    it.dispatcher.behaviour = behaviour
    async with asking(it.app, *BATCH, {"urls": urls(20)}) as answer:
        await trio.sleep(0.5)
        it.lifecycle.drain()
        lines = await answer.lines()
    assert sum(line["ok"] for line in lines) == LANES
    assert {line["code"] for line in lines if not line["ok"]} == {"SHUTTING_DOWN"}
    assert sorted(line["index"] for line in lines) == list(range(20))


async def test_a_full_queue_is_waited_for_in_the_url_s_own_time(autojump_clock: MockClock) -> None:
    it = web()
    freed = trio.current_time() + 5

    async def behaviour(job: Job) -> Answer:
        if trio.current_time() < freed or place(job) == 3:
            raise QueueFull(100, 2.0)
        return ANSWER

    it.dispatcher.behaviour = behaviour
    began = trio.current_time()
    lines = {line["index"]: line for line in await lines_of(it, {"urls": urls(8)})}
    assert lines.pop(3)["code"] == "QUEUE_FULL"
    assert all(line["ok"] for line in lines.values())
    assert trio.current_time() - began <= it.config.job_timeout


async def test_a_drain_ends_the_wait_for_a_full_queue(autojump_clock: MockClock) -> None:
    it = web()
    it.dispatcher.fail(QueueFull(100, 20.0))
    async with asking(it.app, *BATCH, {"urls": urls(8)}) as answer:
        await trio.sleep(1)
        it.lifecycle.drain()
        began = trio.current_time()
        lines = await answer.lines()
    assert trio.current_time() - began < 1
    assert [line["code"] for line in lines] == ["SHUTTING_DOWN"] * 8


async def test_no_batch_starts_while_the_service_drains() -> None:
    it = web()
    it.lifecycle.drain()
    response = await it.post("/api/v1/batch", {"urls": urls(2)})
    assert response.status_code == 503


async def test_its_lines_are_as_documented() -> None:
    it = web()

    async def behaviour(job: Job) -> Answer:
        if place(job) == 1:
            raise ExtractionError(Code.PRIVATE, "the video is private")
        return ANSWER

    it.dispatcher.behaviour = behaviour
    document = json.loads(await (await it.get("/api/v1/openapi")).get_data())
    operation = document["paths"]["/api/v1/batch"]["post"]
    assert not {"422", "502", "504"} & set(operation["responses"])  # a URL's failures are lines
    schema = operation["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
    validator = OAS31Validator({**schema, "components": document["components"]})
    for line in await lines_of(it, {"urls": urls(2)}):
        validator.validate(line)
        assert not validator.is_valid({**line, "index": "first"})
    offered = document["paths"]["/api/v1/extract"]["get"]["responses"]["200"]["content"]
    assert set(offered) == {"application/json", "application/x-ndjson", "text/event-stream"}
