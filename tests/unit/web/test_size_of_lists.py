"""Collaboration: the sizes of a list, their sum, its share and its bounds, with a fake dispatcher."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from service import cursors
from service.codes import Code
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.wire import Job, Kind
from tests.support.streaming_client import asking
from tests.support.web_app import Web, web

SIZE = ("POST", "/api/v1/size")
LIST = "https://list.example/all"


def listing(count: int, **more: Any) -> Answer:
    entries = [f"https://list.example/{number}" for number in range(count)]
    places = [{"index": 2 * number, "title": f"Entry {number}"} for number in range(count)]
    told = {
        "title": "A list",
        "entries": entries,
        "places": places,
        "missing": 0,
        "hasMore": False,
        "playlistCount": count,
    }
    return Answer(json.dumps({"ok": True, **told, **more}).encode())


def sized(count: int | None, accuracy: str = "exact", **more: Any) -> Answer:
    best = count and {"bytes": count, "accuracy": accuracy}
    return Answer(json.dumps({"ok": True, "best": best, **more}).encode())


def list_of(count: int, sizes: dict[int, Answer] | None = None, **more: Any) -> Web:
    """A service that knows a list; entry N has 1,000 bytes, or what `sizes` says."""
    it = web(**more.pop("settings", {}))

    async def behaviour(job: Job) -> Answer:
        if job.kind is Kind.ENTRIES:
            return listing(min(count, job.playlist), **more)
        number = int(job.url.rpartition("/")[2])
        if number == 3:
            raise ExtractionError(Code.PRIVATE, "the video is private")
        return (sizes or {}).get(number, sized(1000))

    it.dispatcher.behaviour = behaviour
    return it


async def lines_of(it: Web, **asked: Any) -> list[Any]:
    async with asking(it.app, *SIZE, {"url": LIST, "entries": True, **asked}) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        return await answer.lines()


async def test_a_line_for_each_entry_and_their_sum() -> None:
    it = list_of(5, {1: sized(500, "estimated"), 2: sized(None)}, hasMore=True, cursor="next")
    *entries, last = await lines_of(it)
    assert {line["code"] for line in entries if not line["ok"]} == {"PRIVATE"}
    assert {line["index"]: line["title"] for line in entries} == {2 * n: f"Entry {n}" for n in range(5)}
    assert last == {
        "ok": True,
        "sum": {"bytes": 2500, "human": "2.50 KB", "accuracy": "estimated", "entries": 5, "unknown": 2},
        "title": "A list",
        "playlistCount": 5,
        "hasMore": True,
        "cursor": "next",
    }


async def test_a_cursor_leads_to_the_next_entries() -> None:
    it = list_of(10)
    *entries, _ = await lines_of(it, cursor=cursors.encode(LIST, 6, 5), count=2)
    assert len(entries) == 2
    listed = it.dispatcher.seen[0][0]
    assert (listed.kind, listed.start, listed.playlist) == (Kind.ENTRIES, 6, 2)


async def test_the_lines_are_as_documented() -> None:
    it = list_of(4)
    document = json.loads(await (await it.get("/api/v1/openapi")).get_data())
    content = document["paths"]["/api/v1/size"]["post"]["responses"]["200"]["content"]
    schema = content["application/x-ndjson"]["schema"]
    validator = OAS31Validator({**schema, "components": document["components"]})
    for line in await lines_of(it):
        validator.validate(line)


async def test_what_is_asked_for_holds_for_each_entry() -> None:
    chosen = sized(9, selection={"bytes": 7, "accuracy": "exact"})
    it = list_of(2, {0: chosen, 1: chosen})
    *_, last = await lines_of(it, format="ba", language="de", start=3, count=2)
    assert last["sum"]["bytes"] == 14, "of the chosen formats"
    first, *others = [job for job, _ in it.dispatcher.seen]
    assert (first.kind, first.start, first.playlist) == (Kind.ENTRIES, 3, 2)
    assert {(job.kind, job.format, job.language) for job in others} == {(Kind.SIZE, "ba", "de")}
    assert len({caller.client for _, caller in it.dispatcher.seen}) == 1


async def test_entries_that_the_site_does_not_name_are_unknown() -> None:
    *_, last = await lines_of(list_of(2, missing=3))
    assert (last["sum"]["entries"], last["sum"]["unknown"]) == (5, 3)


async def test_an_entry_whose_address_is_refused_is_a_line() -> None:
    it = list_of(1, entries=["https://user:secret@list.example/"])
    failed, last = await lines_of(it)
    assert failed["code"] == "INVALID_URL"
    assert last["sum"]["unknown"] == 1


async def test_it_counts_as_many_requests_as_it_has_entries() -> None:
    it = list_of(50, settings={"rate_limit_max_requests": 20})
    async with asking(it.app, *SIZE, {"url": LIST, "entries": True}) as answer:
        told, lines = answer.headers, await answer.lines()
    assert told["ratelimit-remaining"] == "0"
    assert len(lines) == 21, "as many as the limit allows, and the sum"
    async with asking(it.app, *SIZE, {"url": LIST, "entries": True}) as answer:
        assert answer.status == 429
        await answer.rest()


async def test_a_list_that_cannot_be_had_has_its_ordinary_status() -> None:
    it = web()
    it.dispatcher.fail(ExtractionError(Code.NOT_FOUND, "no such list"))
    response = await it.post("/api/v1/size", {"url": LIST, "entries": True})
    assert response.status_code == 422


@pytest.mark.parametrize("count", [0, 101, "5"])
async def test_the_number_of_entries_is_bounded(count: Any) -> None:
    response = await web().post("/api/v1/size", {"url": LIST, "entries": True, "count": count})
    assert response.status_code == 400
