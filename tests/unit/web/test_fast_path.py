"""Collaboration: the fast path answers exactly as the full path does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from trio.testing import MockClock

from service.dispatch.request import Answer
from service.web.http import fast_path
from tests.support.effort import examples
from tests.support.web_app import ANSWER, URL, Web, web

PATH = "/api/v1/extract?url=https%3A%2F%2Fsite.test%2Fvideo"
KEPT = replace(ANSWER, queued=0.0, extracted=0.0, etag="0123abcd", age=7.5)
LARGE = replace(KEPT, body=b'{"ok":true,"title":"' + b"x" * 5000 + b'"}')


async def repeated(it: Web, kept: Answer = KEPT, path: str = PATH, **given: Any) -> tuple[Any, Any]:
    """The first response, from the full path, and the second; the dispatcher answers both alike."""
    it.dispatcher.answer = kept
    it.dispatcher.remembered = None
    first = await it.get(path, **given)
    it.dispatcher.remembered = kept
    return first, await it.get(path, **given)


def shortened(it: Web) -> bool:
    """Whether the second request was answered without a job."""
    return len(it.dispatcher.seen) == 1


ASKED = st.sampled_from(
    [
        ("GET", PATH, None),
        ("GET", PATH + "&fields=title", None),
        ("POST", "/api/v1/extract", {"url": URL}),
        ("POST", "/api/v1/extract", {"url": URL, "fields": ["title"]}),
        ("POST", "/api/v1/size", {"url": URL, "duration_hint": 5}),
        ("POST", "/api/v1/size", {"url": URL, "cookies": "# Netscape HTTP Cookie File\n"}),
    ]
)
SENT = st.fixed_dictionaries(
    {},
    optional={
        "Accept": st.sampled_from(["*/*", "application/json", "application/json;q=0.5", "text/html"]),
        "Accept-Encoding": st.sampled_from(["gzip", "br, gzip", "gzip;q=0", "*", "identity", ""]),
        "Cache-Control": st.just("no-cache"),
        "Content-Type": st.sampled_from(["application/json", "application/json; charset=utf-8"]),
        "If-None-Match": st.sampled_from(['W/"0123abcd"', '"0123abcd"', 'W/"another"', "*"]),
        "Origin": st.sampled_from(["https://a.test", "https://b.test"]),
        "X-API-Key": st.sampled_from(["the key of an admin", "another"]),
        "X-Deadline-Ms": st.sampled_from(["5000", "soon"]),
        "X-Forwarded-For": st.just("192.0.2.1"),
        "X-Request-ID": st.sampled_from(["mine", "not sane!"]),
    },
)
SETTINGS = st.fixed_dictionaries(
    {"rate_limit_max_requests": st.sampled_from([0, 1, 1000]), "api_key": st.just("the key")},
    optional={
        "allowed_origins": st.sampled_from(["*", "https://a.test"]),
        "require_auth": st.just(True),
    },
)


def posted(content: Any) -> dict[str, Any]:
    """The arguments of a POST for the test client, which sends no length by itself."""
    data = json.dumps(content)
    return {"data": data, "headers": {"Content-Type": "application/json", "Content-Length": str(len(data))}}


def said(response: Any) -> dict[str, set[str]]:
    """The headers, without the request's own name."""
    names = {name.lower() for name, _ in response.headers}
    if response.headers["X-Request-ID"].startswith("req_"):
        names.remove("x-request-id")
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
        {"If-None-Match": 'W/"another"'},
        {"If-None-Match": '"0123abcd", W/"another"'},
        {"X-Deadline-Ms": "nonsense"},
        {"Accept-Encoding": "gzip;q=0"},
        {"Accept": "application/x-ndjson"},
    ],
)
async def test_an_unusual_request_takes_the_full_path(headers: dict[str, str]) -> None:
    it = web()
    await repeated(it)
    before = len(it.dispatcher.seen)
    response = await it.get(PATH, headers=headers)
    assert len(it.dispatcher.seen) == before + 1 or response.status_code == 400


async def test_a_request_is_remembered_only_where_all_of_it_is_short() -> None:
    for accept in ("*/*" + ", text/html" * 400, "application/json"):
        it = web()
        await repeated(it, headers={"Accept": accept})
        assert shortened(it) is (accept == "application/json")


async def test_an_uncached_result_takes_the_full_path() -> None:
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


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED, sent=SENT, configured=SETTINGS, kept=st.sampled_from([KEPT, LARGE]))
async def test_a_repeat_is_answered_as_the_first_whatever_it_says(
    mock_clock: MockClock,  # stands still: the rate limit regains no tokens between the two answers
    asked: tuple[str, str, Any],
    sent: dict[str, str],
    configured: dict[str, Any],
    kept: Answer,
) -> None:
    method, path, content = asked
    body = {} if content is None else posted(content)
    headers = {**body.pop("headers", {}), **sent}
    short, long = web(**configured), web(**configured)
    for it in (short, long):
        it.dispatcher.answer = kept
        await it.request(method, path, headers=headers, **body)
    short.dispatcher.remembered = kept
    given = await short.request(method, path, headers=headers, **body)
    expected = await long.request(method, path, headers=headers, **body)
    assert given.status_code == expected.status_code
    if given.status_code < 400:
        assert await given.get_data() == await expected.get_data()
    assert said(given) == said(expected)


@pytest.mark.parametrize("path", ["/api/v1/extract", "/api/v1/size"])
async def test_a_body_that_came_before_is_a_repeat_too(path: str) -> None:
    it = web()
    it.dispatcher.answer = it.dispatcher.remembered = KEPT
    for _ in range(2):
        assert (await it.request("POST", path, **posted({"url": URL}))).status_code == 200
    assert shortened(it)
    await it.request("POST", path, **posted({"url": URL + "x"}))
    assert len(it.dispatcher.seen) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_only_a_get_is_told_that_nothing_changed(method: str) -> None:
    it = web()
    it.dispatcher.answer = it.dispatcher.remembered = KEPT
    path, body = (PATH, {}) if method == "GET" else ("/api/v1/extract", posted({"url": URL}))
    await it.request(method, path, **body)
    headers = {**body.pop("headers", {}), "If-None-Match": 'W/"0123abcd"'}
    response = await it.request(method, path, headers=headers, **body)
    assert shortened(it)
    assert response.status_code == (304 if method == "GET" else 200)


async def test_a_result_with_cookies_is_not_shared() -> None:
    it = web()
    it.dispatcher.answer = it.dispatcher.remembered = KEPT
    for _ in range(2):
        body = posted({"url": URL, "cookies": "# Netscape HTTP Cookie File\n"})
        await it.request("POST", "/api/v1/size", **body)
    assert len(it.dispatcher.seen) == 2


async def test_a_body_that_is_slow_to_come_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "AT_ONCE", 0.05)
    it = web()
    it.dispatcher.answer = it.dispatcher.remembered = KEPT
    data = json.dumps({"url": URL}).encode()
    parts = [data[:10], data[10:]]
    first = len(it.dispatcher.seen)

    async def receive() -> Any:
        await trio.sleep(0.1 if parts else 3600)
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "headers": headers,
    }
    scope |= {"path": "/api/v1/size", "raw_path": b"/api/v1/size", "query_string": b"", "root_path": ""}
    scope |= {"client": ("127.0.0.1", 5), "server": ("127.0.0.1", 3000), "extensions": {}}
    await it.app.asgi_app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert len(it.dispatcher.seen) == first + 1


@pytest.mark.parametrize("path", ["/health", "/health/main", "/health/live", "/health/ready"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("key", ["the key of an admin", "another"])
async def test_a_probe_says_the_same_both_ways(path: str, encoding: str, key: str) -> None:
    it = web(admin_key="the key of an admin")
    headers = {"Accept-Encoding": encoding, "X-API-Key": key}
    short = await it.get(path, headers=headers)
    long = await it.get(path, headers={**headers, "Cache-Control": "no-cache"})
    assert short.status_code == long.status_code == 200
    ours, theirs = said(short), said(long)
    for headers_said in (ours, theirs):
        headers_said.pop("content-length")  # the time is in it
    assert ours == theirs
    it.lifecycle.drain()
    expected = 200 if path == "/health/live" else 503
    assert (await it.get(path, headers=headers)).status_code == expected
