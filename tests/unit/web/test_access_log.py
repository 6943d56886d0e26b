"""Collaboration: the access log tells the story of each request, and leaves out what says nothing."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import structlog
import trio
from trio.testing import MockClock

from service.codes import Code
from service.dispatch.request import Answer
from service.dispatch.tally import Tally
from service.errors import ExtractionError
from service.wire import Job
from tests.support.web_app import ANSWER, URL, Web, web

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET = f"{URL}&token=hush"


def lines(told: list[Any], event: str = "request") -> list[dict[str, Any]]:
    return [line for line in told if line["event"] == event]


def worked(it: Web, end: Callable[[], Answer]) -> None:
    """Let the fake dispatcher work as the real one: queue for 2 s, then two attempts of 3 s."""

    async def behaviour(job: Job) -> Answer:
        tally = it.dispatcher.seen[-1][1].tally
        tally.begin("youtube.com", "miss")
        with tally.waiting() as reached:
            await trio.sleep(2)
            reached()
            await trio.sleep(6)
        tally.attempt(3, "2026.8.19")
        tally.attempt(3, "2026.8.19")
        return end()

    it.dispatcher.behaviour = behaviour


async def test_it_tells_where_the_time_went_and_never_the_url(autojump_clock: MockClock) -> None:
    it = web(keys={"alice": {"hash": sha256(b"the key of alice").hexdigest()}})
    worked(it, lambda: ANSWER)
    headers = {"X-API-Key": "the key of alice", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    with structlog.testing.capture_logs() as told:
        await it.post("/api/v1/extract?a=hush", {"url": SECRET}, headers=headers)
    (line,) = lines(told)
    expected = {
        "status": 200,
        "code": None,
        "site": "youtube.com",
        "cache": "miss",
        "queue_ms": 2000.0,
        "extract_ms": 6000.0,
        "attempts": 2,
        "ytdlp": "2026.8.19",
        "key": "alice",
        "trace_id": TRACE,
        "duration_ms": 8000.0,
        "path": "/api/v1/extract",
    }
    assert {name: line[name] for name in expected} == expected
    assert "hush" not in str(told)
    assert "the key" not in str(told)


async def test_a_failure_has_its_story_too(autojump_clock: MockClock) -> None:
    it = web()

    def end() -> Answer:
        raise ExtractionError(Code.UPSTREAM_ERROR, "it says why")

    worked(it, end)
    with structlog.testing.capture_logs() as told:
        await it.post("/api/v1/extract", {"url": URL})
    (line,) = lines(told)
    assert (line["code"], line["site"], line["attempts"]) == (Code.UPSTREAM_ERROR, "youtube.com", 2)
    assert "key" not in line


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [("all", ["/", "/nothing"]), ("errors", ["/nothing"]), ("none", [])],
)
async def test_good_probes_are_left_out_and_the_rest_as_asked(wanted: str, paths: list[str]) -> None:
    it = web(log_access=wanted)
    with structlog.testing.capture_logs() as told:
        for path in ("/", "/health/live", "/health/ready", "/health", "/metrics", "/nothing"):
            await it.get(path)
    assert [line["path"] for line in lines(told)] == paths


async def test_a_probe_that_fails_is_told() -> None:
    it = web()
    it.lifecycle.drain()
    with structlog.testing.capture_logs() as told:
        await it.get("/health/ready")
    assert [line["code"] for line in lines(told)] == [Code.SHUTTING_DOWN]


@pytest.mark.parametrize(("trusted", "warnings"), [([], 1), (["10.0.0.0/8"], 1), (["127.0.0.1"], 0)])
async def test_a_proxy_that_is_not_trusted_is_warned_of_once(trusted: list[str], warnings: int) -> None:
    it = web(trusted_proxies=trusted)
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            await it.get(
                "/", headers={"X-Forwarded-For": "203.0.113.9"}, scope_base={"client": ("127.0.0.1", 9)}
            )
    found = lines(told, "forwarded_for_ignored")
    assert len(found) == warnings
    assert all("TRUSTED_PROXIES" in line["advice"] for line in found)


def test_of_many_jobs_no_single_site_is_told() -> None:
    tally = Tally()
    assert tally.fields() == {}
    tally.begin("a.test", "hit")
    assert tally.fields() == {"site": "a.test", "cache": "hit"}
    tally.begin("b.test", "hit")
    assert tally.fields() == {"jobs": 2}


async def test_a_wait_that_never_ends_well_counts(autojump_clock: MockClock) -> None:
    tally = Tally()
    with trio.move_on_after(3), tally.waiting():
        await trio.sleep_forever()
    assert tally.queued == 3
