"""Pure, collaboration and end-to-end: the feed of events and its stream, the history, the webhook."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trio
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks import WebhookVerificationError
from trio.testing import MockClock

from service import events
from service.breaker.key import BreakerKey
from service.config import Config, ConfigError
from service.telemetry.event_log import BACKLOG, KEPT, SUBSCRIBERS, EventLog, TooManySubscribers
from service.telemetry.history import (
    BUCKETS,
    MOVES,
    RANGES,
    SAMPLES,
    SITES,
    FailureNote,
    History,
    Move,
    Point,
)
from service.telemetry.measurements import CANCELLED, OK
from service.telemetry.webhook import ATTEMPTS, QUEUE, Webhook, webhook_of
from tests.internet import Internet
from tests.support.running_service import ADMIN, Service
from tests.support.web_app import serving, web

OPENED = events.BreakerChanged("a.test", "CLOSED", "OPEN", "5 of 10 failed")
ENDED = events.DrainEnded(0)


async def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (what it waits for has no event)
        await trio.sleep(0.01)


# The feed


async def test_a_subscriber_gets_what_happens_and_what_it_missed(autojump_clock: MockClock) -> None:
    event_log = EventLog()
    for _ in range(3):
        event_log.on_event(OPENED)
    with event_log.subscribe(after=1) as returned, event_log.subscribe() as new:
        event_log.on_event(ENDED)
        numbers = [record.number for record in (await returned.next(), await returned.next()) if record]
        assert numbers == [2, 3]
        record = await new.next()
        assert record is not None
        assert (record.number, record.event, record.level) == (4, "DrainEnded", "info")
        assert await new.next(timeout=5) is None
    assert event_log.subscribers == 0


async def test_a_number_from_before_a_restart_brings_all_that_is_kept() -> None:
    event_log = EventLog()
    event_log.on_event(OPENED)
    with event_log.subscribe(after=4711) as subscription:
        assert subscription.take() is not None


async def test_a_subscriber_that_does_not_read_loses_the_oldest_and_is_told() -> None:
    event_log = EventLog()
    with event_log.subscribe() as slow:
        for _ in range(BACKLOG + 10):
            event_log.on_event(OPENED)
        assert slow.take_lost() == 10
        assert slow.take_lost() == 0
        first = slow.take()
        assert first is not None
        assert first.number == 11
    assert len(event_log.recent()) == KEPT


async def test_there_are_places_for_so_many_subscribers() -> None:
    event_log = EventLog()
    subscriptions = [event_log.subscribe() for _ in range(SUBSCRIBERS)]
    for subscription in subscriptions:
        subscription.__enter__()
    assert event_log.full
    with pytest.raises(TooManySubscribers), event_log.subscribe():
        pass
    subscriptions[0].__exit__(None, None, None)
    assert not event_log.full


# The stream


@asynccontextmanager
async def following(port: int, path: str, **headers: str) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """A request for a stream; what it yields reads on until it has read some text, "" for the end."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        given = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{given}\r\n".encode())
        text = ""

        async def until(wanted: str) -> str:
            nonlocal text
            while not wanted or wanted not in text:
                data = await stream.receive_some()
                if not data:
                    assert not wanted, f"the stream has ended:\n{text}"
                    break
                text += data.decode()
            return text

        yield until


async def test_admins_follow_the_events_until_the_drain_is_over() -> None:
    it = web(admin_key="the key of an admin")
    path = "/api/v1/events"
    assert (await it.get(path)).status_code == 401
    it.bus.emit(OPENED)
    with trio.fail_after(30):
        async with (
            serving(it.app, it.lifecycle) as port,
            following(port, path, X_API_Key="the key of an admin", Last_Event_ID="0") as until,
        ):
            text = await until("10 failed")
            assert "200" in text.partition("\r\n")[0]
            assert "content-type: text/event-stream" in text
            assert 'id: 1\nevent: BreakerChanged\ndata: {"at": "' in text
            it.lifecycle.drain()
            it.bus.emit(ENDED)
            assert "event: DrainEnded" in await until("\r\n0\r\n\r\n")
            await eventually(lambda: it.telemetry.event_log.subscribers == 0)


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    it = web()
    with trio.fail_after(30):
        async with serving(it.app, it.lifecycle) as port:
            async with following(port, "/api/v1/events") as until:
                await until(": waiting")
                await eventually(lambda: it.telemetry.event_log.subscribers == 1)
            await eventually(lambda: it.telemetry.event_log.subscribers == 0)


async def test_where_all_places_are_taken_the_next_is_told_so() -> None:
    it = web()
    subscriptions = [it.telemetry.event_log.subscribe() for _ in range(SUBSCRIBERS)]
    for subscription in subscriptions:
        subscription.__enter__()
    for path in ("/api/v1/events", "/api/v1/dashboard/stream"):
        response = await it.get(path)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "30"


async def test_a_snapshot_tells_admins_more() -> None:
    it = web(require_auth=True, api_key="the key", admin_key="the key of an admin")
    it.bus.emit(OPENED)
    await it.breakers.admit(BreakerKey("a.test"))
    path, shots = "/api/v1/dashboard/stream", []
    assert (await it.get(path)).status_code == 401
    with trio.fail_after(30):
        async with serving(it.app, it.lifecycle) as port:
            for key in ("the key", "the key of an admin"):
                async with following(port, path, X_API_Key=key) as until:
                    text = await until("}\n\n")
                    shots.append(json.loads(text.partition("data: ")[2].partition("\n\n")[0]))
    plain, admin = shots
    assert (plain["admin"], admin["admin"]) == (False, True)
    assert "pid" not in plain["workers"][0]
    assert admin["workers"][0]["pid"] == 4242
    assert plain["events"] == plain["breakers"] == []
    assert admin["events"][0]["event"] == "BreakerChanged"
    assert admin["breakers"][0]["site"] == "a.test"


# The history


def test_the_last_quarter_of_an_hour_is_in_its_points() -> None:
    history = History()
    for seconds in (1.0, 2.0, 3.0):
        history.job(5.0, "a.test", OK, seconds)
    history.job(5.0, "a.test", "NOT_FOUND", 0.1)
    history.job(5.0, "a.test", "UPSTREAM_ERROR", 0.1, "req_1")
    history.job(15.0, "a.test", CANCELLED, 0.1)
    recent = history.ranges["15 min"]
    points = recent.points(15.0)
    assert len(points) == BUCKETS
    assert points[-2] == Point(3, 1, 1, 2.0, 3.0)
    assert points[-1] == Point(0, 0, 0, None, None)
    later = 5.0 + RANGES["15 min"] * BUCKETS
    assert recent.points(later)[0] == Point(0, 0, 0, None, None)
    assert recent.codes(15.0) == (("NOT_FOUND", 1), ("UPSTREAM_ERROR", 1))
    assert recent.codes(later) == ()
    assert history.failures(15.0) == (FailureNote(10.0, "a.test", "UPSTREAM_ERROR", "req_1"),)


@pytest.mark.parametrize(("name", "seconds"), [("1 h", 3600.0), ("24 h", 86_400.0)])
def test_longer_ranges_remember_longer_in_as_many_buckets(name: str, seconds: float) -> None:
    history = History()
    history.job(0.0, "a.test", "PRIVATE", 1.0)
    history.job(seconds / 2, "a.test", OK, 1.0)
    points = history.ranges[name].points(seconds - 1.0)
    assert len(points) == BUCKETS
    assert (points[0].declined, sum(point.answered for point in points)) == (1, 1)
    assert history.ranges["15 min"].points(seconds - 1.0)[-1].answered == 0


def test_a_buckets_latencies_are_an_even_sample_of_bounded_size() -> None:
    history = History(draw=lambda below: below // 2)
    for number in range(10_000):
        history.job(1.0, "a.test", OK, float(number))
    point = history.ranges["24 h"].points(1.0)[-1]
    assert point.answered == 10_000
    assert point.median is not None
    assert point.median <= 2 * SAMPLES
    even = History()
    for number in range(10_000):
        even.job(1.0, "a.test", OK, float(number))
    median = even.ranges["15 min"].points(1.0)[-1].median
    assert median is not None
    assert 2000 < median < 8000


def test_breakers_moves_are_kept_by_site_within_bounds() -> None:
    history = History()
    for number in range(MOVES + 5):
        history.breaker(float(number), "a.test", "OPEN", "why")
    moves = history.moves("a.test", 100.0)
    assert len(moves) == MOVES
    assert moves[-1] == Move(100.0 - (MOVES + 4), "OPEN", "why")
    for number in range(SITES):
        history.breaker(50.0, f"{number}.test", "OPEN", "why")
    assert history.moves("a.test", 100.0) == ()


# The webhook

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@dataclass
class Receiver:
    """Accepts deliveries, after the given number of failures."""

    failures: int = 0
    status: int = 503
    seen: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.failures:
            self.failures -= 1
            if self.status == 0:
                raise httpx.ConnectError("refused")
            return httpx.Response(self.status)
        return httpx.Response(204)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.seen]


@asynccontextmanager
async def delivering(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Webhook]:
    client = httpx.AsyncClient
    transport = httpx.MockTransport(receiver)
    monkeypatch.setattr(httpx, "AsyncClient", lambda **options: client(transport=transport, **options))
    webhook = Webhook("https://hooks.test/ytdlpd", SECRET, draw=lambda: 0.5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(webhook.run)
        yield webhook
        nursery.cancel_scope.cancel()


async def test_an_event_is_delivered_signed(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    receiver = Receiver()
    async with delivering(receiver, monkeypatch) as webhook:
        webhook.on_event(OPENED)
        webhook.on_event(events.WorkerStarted(1, 0.1))  # an ordinary event
        await webhook.finish()
    (request,) = receiver.seen
    body = json.loads(request.content)
    assert (body["event"], body["level"], body["dropped"]) == ("BreakerChanged", "warning", 0)
    assert body["fields"]["site"] == "a.test"
    timestamp = request.headers["X-Ytdlpd-Timestamp"]
    first_version = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + request.content, "sha256")
    assert request.headers["X-Ytdlpd-Signature"] == f"sha256={first_version.hexdigest()}"


async def test_the_library_of_the_specification_accepts_it(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    receiver = Receiver(failures=1)
    async with delivering(receiver, monkeypatch) as webhook:
        webhook.on_event(OPENED)
        await eventually(lambda: webhook.delivered == 1)
    assert len({request.headers["webhook-id"] for request in receiver.seen}) == 1  # repeats have the same
    for request in receiver.seen:
        body = StandardWebhook(SECRET).verify(request.content, dict(request.headers))
        assert body["id"] == request.headers["webhook-id"]
        for wrong in (SECRET.replace("AAEC", "BAEC"), f"whsec_{base64.b64encode(bytes(32)).decode()}"):
            with pytest.raises(WebhookVerificationError):
                StandardWebhook(wrong).verify(request.content, dict(request.headers))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", f"whsec_{'A' * 100}"])
def test_a_secret_without_a_key_is_refused(secret: str) -> None:
    with pytest.raises(ConfigError, match="WEBHOOK_SECRET"):
        webhook_of(Config.load(webhook_url="https://hooks.test/x", webhook_secret=secret))


@pytest.mark.parametrize("status", [503, 404, 301, 0])
async def test_a_delivery_is_repeated_with_growing_pauses(
    status: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    receiver = Receiver(failures=3, status=status)
    async with delivering(receiver, monkeypatch) as webhook:
        began = trio.current_time()
        webhook.on_event(OPENED)
        await eventually(lambda: webhook.delivered == 1)
        assert 7 <= trio.current_time() - began < 8  # 1 + 2 + 4
        webhook.on_event(ENDED)
        await webhook.finish()
    ids = [body["id"] for body in receiver.bodies()]
    assert len(set(ids[:4])) == 1
    assert [body["event"] for body in receiver.bodies()][3:] == ["BreakerChanged", "DrainEnded"]


async def test_events_beyond_the_buffer_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    receiver = Receiver(failures=ATTEMPTS)
    async with delivering(receiver, monkeypatch) as webhook:
        for _ in range(QUEUE + 7):
            webhook.on_event(OPENED)  # never waits
        assert webhook.dropped == 7
        await eventually(lambda: webhook.delivered == QUEUE - 1)
        assert webhook.failed == 1
    bodies = receiver.bodies()
    assert bodies[0]["dropped"] == 7
    assert bodies[ATTEMPTS]["dropped"] == 7  # the first delivery with this number had failed
    assert bodies[-1]["dropped"] == 0


async def test_a_receiver_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with delivering(Receiver(failures=1000), monkeypatch) as webhook:
        webhook.on_event(OPENED)
        began = trio.current_time()
        await webhook.finish()
        assert trio.current_time() - began <= 2.1


def test_the_settings_ask_for_a_webhook() -> None:
    assert webhook_of(Config.load()) is None
    assert webhook_of(Config.load(webhook_url="https://hooks.test/x", webhook_secret="s")) is not None
    for name, value in (("webhook_url", "hooks.test"), ("statsd_addr", "nowhere"), ("statsd_addr", "a:b")):
        settings: dict[str, Any] = {name: value}
        with pytest.raises(ConfigError, match=name.upper()):
            Config.load(**settings)
    assert "hooks.test" not in json.dumps(Config.load(webhook_url="https://hooks.test/x").masked())


def test_a_running_service_delivers_to_the_end_of_its_drain(internet: Internet) -> None:
    """End-to-end: from the first event to the last, over a socket."""
    received: list[dict[str, Any]] = []

    async def receive(stream: trio.SocketStream) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            text += await stream.receive_some(65536)
        head, _, body = text.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-len")
        )
        while len(body) < length:
            body += await stream.receive_some(65536)
        received.append(json.loads(body))
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def use(port: int) -> None:
        settings = {"WEBHOOK_URL": f"http://127.0.0.1:{port}/hook", "WEBHOOK_SECRET": "s"}
        with Service.run(internet, settings=settings) as service:
            assert service.get("/health").status_code == 200
            with httpx.stream("GET", service.url + "/api/v1/events", headers=ADMIN) as stream:
                service.process.terminate()
                assert "DrainEnded" in "".join(stream.iter_text())
            assert "/hook" not in service.log, "the URL of a webhook is a secret"
            assert len(service.events("AccessRules")) == 1

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, receive, listeners)
            await trio.to_thread.run_sync(use, listeners[0].socket.getsockname()[1])
            nursery.cancel_scope.cancel()

    trio.run(main)
    names = [body["event"] for body in received]
    assert {"SolverReady", "TemplateStarted", "ServiceReady", "DrainBegan"} <= set(names)
    assert names[-1] == "DrainEnded"
