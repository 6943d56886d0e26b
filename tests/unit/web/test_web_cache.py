"""Collaboration: the HTTP caching headers of cached results, with a fake dispatcher."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.dispatch.request import Answer
from tests.support.web_app import ANSWER, URL, web

PATH = f"/api/v1/extract?url={URL.replace('?', '%3F').replace('=', '%3D')}"
NAMED = replace(ANSWER, etag="0123abcd")


async def test_a_new_result_may_be_kept_by_its_client_alone_and_asked_for_again() -> None:
    it = web()
    it.dispatcher.answer = NAMED
    response = await it.get(PATH)
    assert response.status_code == 200
    assert response.headers["ETag"] == 'W/"0123abcd"'
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["X-Cache"] == "miss"
    assert "Age" not in response.headers


@pytest.mark.parametrize(("stale", "word"), [(False, "hit"), (True, "stale")])
async def test_a_kept_result_tells_its_age(stale: bool, word: str) -> None:
    it = web()
    it.dispatcher.answer = replace(NAMED, age=12.7, stale=stale)
    response = await it.get(PATH)
    assert response.headers["Age"] == "12"
    assert response.headers["X-Cache"] == word


@pytest.mark.parametrize("sent", ['W/"0123abcd"', '"0123abcd"', 'W/"other", W/"0123abcd"', "*"])
async def test_a_client_with_the_same_etag_gets_no_body(sent: str) -> None:
    it = web()
    it.dispatcher.answer = replace(NAMED, age=1.0)
    response = await it.get(PATH, headers={"If-None-Match": sent})
    assert response.status_code == 304
    assert await response.get_data() == b""
    assert response.headers["ETag"] == 'W/"0123abcd"'
    assert response.headers["Age"] == "1"


@pytest.mark.parametrize("sent", ['W/"another"', "nonsense"])
async def test_a_client_with_another_etag_gets_the_body(sent: str) -> None:
    it = web()
    it.dispatcher.answer = NAMED
    response = await it.get(PATH, headers={"If-None-Match": sent})
    assert response.status_code == 200
    assert await response.get_data() == ANSWER.body


async def test_a_post_is_never_not_modified() -> None:
    it = web()
    it.dispatcher.answer = NAMED
    response = await it.post("/api/v1/extract", {"url": URL}, headers={"If-None-Match": 'W/"0123abcd"'})
    assert response.status_code == 200


async def test_a_result_without_an_etag_is_not_cached() -> None:
    """Results of jobs with cookies have no ETag."""
    it = web()
    it.dispatcher.answer = Answer(b'{"ok":true}')
    response = await it.get(PATH, headers={"If-None-Match": "*"})
    assert response.status_code == 200
    assert "ETag" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("sent", "fresh"), [("no-cache", True), ("max-age=0, no-cache", True), ("", False)])
async def test_a_client_may_insist_on_a_new_result(sent: str, fresh: bool) -> None:
    it = web()
    await it.get(PATH, headers={"Cache-Control": sent})
    ((_, caller),) = it.dispatcher.seen
    assert caller.fresh is fresh


@pytest.mark.parametrize("path", ["/health", "/api/v1/metrics"])
async def test_the_counters_are_shown(path: str) -> None:
    counters = (await (await web().get(path)).get_json())["cache"]
    assert counters == {
        "hits": 0,
        "misses": 0,
        "refusals": 0,
        "stale": 0,
        "evictions": 0,
        "entries": 0,
        "bytes": 0,
        "maxBytes": 1 << 20,
    }
