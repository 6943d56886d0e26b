"""Collaboration: repeated requests answered at the edge say what the long way says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.request import Answer
from tests.web import ANSWER, Web, web

PATH = "/api/v1/extract?url=https%3A%2F%2Fsite.test%2Fvideo"
KEPT = replace(ANSWER, queued=0.0, extracted=0.0, etag="0123abcd", age=7.5)
LARGE = replace(KEPT, body=b'{"ok":true,"title":"' + b"x" * 5000 + b'"}')


async def repeated(it: Web, kept: Answer = KEPT, path: str = PATH, **given: Any) -> tuple[Any, Any]:
    """The first response, the long way, and the second; the dispatcher gives and has kept the same."""
    it.dispatcher.answer = kept
    it.dispatcher.remembered = None
    first = await it.get(path, **given)
    it.dispatcher.remembered = kept
    return first, await it.get(path, **given)


def shortened(it: Web) -> bool:
    """Whether the second request was answered without a job."""
    return len(it.dispatcher.seen) == 1


def said(response: Any) -> dict[str, set[str]]:
    """The headers, without the request's own name."""
    names = {name.lower() for name, _ in response.headers} - {"x-request-id"}
    found = {name: ", ".join(response.headers.getlist(name)) for name in names}
    return {name: set(text.split(", ")) for name, text in found.items()}


@pytest.mark.parametrize("kept", [KEPT, LARGE])
@pytest.mark.parametrize("encoding", [None, "gzip", "gzip, deflate, br"])
@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
async def test_both_ways_say_the_same(kept: Answer, encoding: str | None, accept: str | None) -> None:
    it = web(allowed_origins="https://a.test")
    sent = {"Accept-Encoding": encoding, "Accept": accept, "Origin": "https://a.test"}
    headers = {name: value for name, value in sent.items() if value}
    first, second = await repeated(it, kept, headers=headers)
    assert shortened(it)
    assert second.status_code == first.status_code == 200
    assert await second.get_data() == await first.get_data()
    assert said(second) == said(first)


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "no-cache"},
        {"If-None-Match": 'W/"0123abcd"'},
        {"X-Deadline-Ms": "nonsense"},
        {"Accept-Encoding": "gzip;q=0"},
        {"Accept": "application/x-ndjson"},
    ],
)
async def test_what_is_not_plain_goes_the_long_way(headers: dict[str, str]) -> None:
    it = web()
    await repeated(it)
    before = len(it.dispatcher.seen)
    response = await it.get(PATH, headers=headers)
    assert len(it.dispatcher.seen) == before + 1 or response.status_code == 400


async def test_what_is_not_kept_goes_the_long_way() -> None:
    it = web()
    await repeated(it)
    it.dispatcher.remembered = None
    await it.get(PATH)
    assert len(it.dispatcher.seen) == 2


async def test_another_query_goes_the_long_way() -> None:
    it = web()
    await repeated(it)
    await it.get(PATH + "x")
    assert len(it.dispatcher.seen) == 2


async def test_the_key_is_asked_for_all_the_same() -> None:
    it = web(require_auth=True, api_key="the key")
    await repeated(it, headers={"X-API-Key": "the key"})
    assert shortened(it)
    for headers in ({}, {"X-API-Key": "another"}):
        assert (await it.get(PATH, headers=headers)).status_code == 401


async def test_the_rate_limit_counts_it_all_the_same() -> None:
    it = web(rate_limit_max_requests=3)
    first, second = await repeated(it)
    assert shortened(it)
    assert int(second.headers["RateLimit-Remaining"]) == int(first.headers["RateLimit-Remaining"]) - 1
    assert (await it.get(PATH)).status_code == 200
    assert (await it.get(PATH)).status_code == 429


async def test_a_drain_refuses_it_all_the_same() -> None:
    it = web()
    await repeated(it)
    it.lifecycle.drain()
    assert (await it.get(PATH)).status_code == 503


async def test_a_refused_query_is_not_learnt() -> None:
    it = web(sites="youtube")
    _, second = await repeated(it)
    assert second.status_code == 400
    assert it.dispatcher.seen == []
