"""Collaboration: the Python client against scripted answers; Trio on a mock clock, no socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from service.client import (
    AsyncClient,
    Client,
    Code,
    Declined,
    Failed,
    Line,
    Patience,
    Refused,
    ServiceError,
    Total,
    Unreachable,
)

VIDEO = "https://youtu.be/dQw4w9WgXcQ"


class Script:
    """Plays one answer after the other, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = iter(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.asked]


def done(**fields: Any) -> httpx.Response:
    return httpx.Response(200, json={"ok": True, **fields})


def error(code: str, status: int, **fields: Any) -> httpx.Response:
    body = {"ok": False, "error": "A sentence", "code": code, "requestId": "req_1", **fields}
    return httpx.Response(status, json=body)


def streamed(*lines: str) -> httpx.Response:
    return httpx.Response(200, text="".join(f"{line}\n" for line in lines))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr("service.client.sync_client.time.sleep", pauses.append)
    return pauses


def client(script: Script, **options: Any) -> Client:
    return Client("https://media.example/ytdlpd", transport=httpx.MockTransport(script), **options)


def test_a_request_goes_below_the_service_s_path_with_its_key() -> None:
    script = Script(done(duration=212))
    with client(script, key="a key") as service:
        assert service.size(VIDEO, format="ba", duration_hint=1.5)["duration"] == 212
    (request,) = script.asked
    assert str(request.url) == "https://media.example/ytdlpd/api/v1/size"
    assert request.headers["X-API-Key"] == "a key"
    assert script.bodies() == [{"url": VIDEO, "format": "ba", "duration_hint": 1.5}]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("INVALID_URL", 400, Refused),
        ("TOO_MANY_REQUESTS", 429, Refused),
        ("PRIVATE", 422, Declined),
        ("BOT_CHECK", 429, Failed),
        ("DNS", 502, Failed),
        ("CIRCUIT_OPEN", 503, Failed),
        ("OF_TOMORROW", 409, Refused),  # an unknown code counts by its status
        ("OF_TOMORROW", 422, Declined),
        ("OF_TOMORROW", 503, Failed),
    ],
)
def test_each_code_is_an_exception_of_its_group(code: str, status: int, kind: type[ServiceError]) -> None:
    script = Script(error(code, status))
    with client(script, patience=Patience(attempts=1)) as service, pytest.raises(kind) as raised:
        service.size(VIDEO)
    found = raised.value
    assert (found.code, found.sentence, found.request_id) == (code, "A sentence", "req_1")


def test_what_is_known_of_a_video_comes_with_its_error() -> None:
    upcoming = error("UPCOMING", 422, retryAfter=60, video={"title": "Tomorrow"})
    with client(Script(upcoming)) as service, pytest.raises(Declined) as raised:
        service.extract(VIDEO)
    assert raised.value.code is Code.UPCOMING
    assert (raised.value.retry_after, raised.value.video["title"]) == (60, "Tomorrow")


def test_it_waits_as_long_as_it_is_told_and_asks_again(slept: list[float]) -> None:
    script = Script(error("QUEUE_FULL", 503, retryAfter=3), error("BOT_CHECK", 429, retryAfter=40), done())
    with client(script) as service:
        assert service.size(VIDEO)["ok"]
    assert slept == [3, 40]


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [
        ([error("QUEUE_FULL", 503, retryAfter=3) for _ in range(4)], [3, 3, 3]),  # four attempts
        ([error("QUEUE_FULL", 503, retryAfter=70) for _ in range(2)], [70]),  # two minutes
        ([error("UPSTREAM_ERROR", 502)], []),  # the service has tried again already
        ([error("UPCOMING", 422, retryAfter=5)], []),  # the site's no
        ([httpx.ReadTimeout("slow")], []),  # it may be at work on it
    ],
)
def test_patience_ends(
    slept: list[float], answers: Sequence[httpx.Response | Exception], pauses: list[float]
) -> None:
    script = Script(*answers)
    with client(script) as service, pytest.raises(ServiceError):
        service.size(VIDEO)
    assert slept == pauses
    assert len(script.asked) == len(answers)


def test_a_service_that_takes_no_connection_is_tried_again(slept: list[float]) -> None:
    with client(Script(httpx.ConnectError("refused"), done())) as service:
        assert service.size(VIDEO)["ok"]
    assert len(slept) == 1


def test_a_proxy_s_page_is_no_answer_of_the_service(slept: list[float]) -> None:
    page = httpx.Response(503, html="<h1>Service Unavailable</h1>", headers={"Retry-After": "2"})
    script = Script(page, httpx.Response(502, html="<h1>Bad Gateway</h1>"))
    answered = pytest.raises(Unreachable, match=r"media\.example answered 502 Bad Gateway")
    with client(script) as service, answered:
        service.size(VIDEO)
    assert slept == [2]


def test_pages_follow_the_cursor() -> None:
    first = done(entries=[1, 2], hasMore=True, cursor="next")
    script = Script(first, done(entries=[3], hasMore=False))
    with client(script) as service:
        pages = list(service.pages(VIDEO, count=2, start=5, fields=("entries",)))
    assert [page["entries"] for page in pages] == [[1, 2], [3]]
    assert script.bodies() == [
        {"url": VIDEO, "count": 2, "start": 5, "fields": ["entries"]},
        {"url": VIDEO, "count": 2, "fields": ["entries"], "cursor": "next"},
    ]


LINES = (
    '{"index": 1, "url": "b", "ok": true, "result": {"title": "B"}}',
    '{"index": 0, "url": "a", "ok": false, "error": "Gone", "code": "REMOVED", "requestId": "req_1"}',
)
STEPS = (
    ": waiting",
    "",
    'event: queued\ndata: {"position": 3, "expectedWait": 1.5}\n',
    'event: started\ndata: {"attempt": 1}\n',
)


def test_a_batch_gives_results_and_errors() -> None:
    with client(Script(streamed(*LINES))) as service, service.batch(["a", "b"], kind="size") as lines:
        good, bad = lines
    assert (good.index, good.result, good.error) == (1, {"title": "B"}, None)
    assert isinstance(bad.error, Declined)
    assert (bad.index, bad.url, bad.error.code) == (0, "a", Code.REMOVED)


SUM = (
    '{"ok": true, "sum": {"bytes": 5, "human": "5 B", "accuracy": "exact", "entries": 2, "unknown": 1}, '
    '"title": "T", "playlistCount": 9, "hasMore": true, "cursor": "next"}'
)
TOTAL = Total(5, "5 B", "exact", 2, 1, "T", 9, "next")


def test_the_sizes_of_a_list_end_with_their_sum() -> None:
    script = Script(streamed(*LINES, SUM))
    with client(script) as service, service.sizes(VIDEO, start=3, count=2, format="ba") as entries:
        good, bad, total = entries
    assert isinstance(good, Line)
    assert isinstance(bad, Line)
    assert (good.result, isinstance(bad.error, Declined), total) == ({"title": "B"}, True, TOTAL)
    assert script.bodies() == [{"url": VIDEO, "entries": True, "start": 3, "count": 2, "format": "ba"}]


def test_progress_ends_with_the_result() -> None:
    script = Script(streamed(*STEPS, 'event: done\ndata: {"ok": true, "title": "T"}\n'))
    with client(script) as service, service.progress(VIDEO, fields=("title", "id")) as steps:
        found = [(step.event, step.data) for step in steps]
    assert script.asked[0].url.params["fields"] == "title,id"
    assert found == [
        ("queued", {"position": 3, "expectedWait": 1.5}),
        ("started", {"attempt": 1}),
        ("done", {"ok": True, "title": "T"}),
    ]


def test_progress_that_ends_in_an_error_raises_it() -> None:
    failed = 'event: done\ndata: {"ok": false, "error": "Gone", "code": "REMOVED"}\n'
    with client(Script(streamed(*STEPS, failed))) as service, service.progress(VIDEO) as steps:
        assert [next(steps).event for _ in range(2)] == ["queued", "started"]
        with pytest.raises(Declined, match="Gone"):
            next(steps)


# The same with Trio


def later(script: Script) -> AsyncClient:
    return AsyncClient("https://media.example", transport=httpx.MockTransport(script))


async def test_trio_waits_on_its_own_clock(autojump_clock: MockClock) -> None:
    async with later(Script(error("QUEUE_FULL", 503, retryAfter=30), done())) as service:
        assert (await service.size(VIDEO))["ok"]
    assert trio.current_time() == pytest.approx(30)


async def test_trio_has_every_method(autojump_clock: MockClock) -> None:
    first = done(hasMore=True, cursor="next")
    step = 'event: started\ndata: {"attempt": 1}\n'
    script = Script(
        done(duration=212),
        first,
        done(),
        streamed(*LINES),
        streamed('{"index": 1, "url": "b", "title": "One", "ok": true, "result": {}}', SUM),
        streamed(step),
        httpx.Response(200, text="Words\n"),
    )
    async with later(script) as service:
        assert (await service.extract(VIDEO, fields=("duration",)))["duration"] == 212
        assert [page async for page in service.pages(VIDEO)] == [first.json(), {"ok": True}]
        async with service.batch(["a", "b"]) as lines:
            assert [line.index async for line in lines] == [1, 0]
        async with service.sizes(VIDEO, cursor="next") as entries:
            assert [entry async for entry in entries] == [Line(1, "b", "One", result={}), TOTAL]
        async with service.progress(VIDEO) as steps:
            assert [step.event async for step in steps] == ["started"]
        assert await service.subtitles(VIDEO, language="de", format="txt") == "Words\n"


async def test_trio_may_leave_in_the_middle(autojump_clock: MockClock) -> None:
    """Without a word from Trio about a generator that was not run to its end."""
    first = done(hasMore=True, cursor="next")
    async with later(Script(streamed(*LINES), first)) as service:
        async with service.batch(["a", "b"]) as lines:
            assert (await anext(lines)).index == 1
        async for page in service.pages(VIDEO):
            assert page["hasMore"]
            break


@pytest.mark.parametrize("break_off", [httpx.RemoteProtocolError("cut"), httpx.ReadTimeout("slow")])
async def test_a_stream_that_breaks_off_is_no_end(break_off: Exception) -> None:
    class Cut(httpx.AsyncByteStream, httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield f"{LINES[0]}\n".encode()
            raise break_off

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

    with client(Script(httpx.Response(200, stream=Cut()))) as service, service.batch(["a", "b"]) as lines:
        assert next(lines).index == 1
        with pytest.raises(Unreachable):
            next(lines)
    async with (
        later(Script(httpx.Response(200, stream=Cut()))) as service_,
        service_.batch(["a", "b"]) as lines_,
    ):
        assert (await anext(lines_)).index == 1
        with pytest.raises(Unreachable):
            await anext(lines_)
