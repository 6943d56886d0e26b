"""Collaboration: every endpoint of the API with its shape and statuses, against fakes of the inner layers."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from service.breaker.key import BreakerKey
from service.codes import CallResult
from service.dispatch.request import Answer
from service.lifecycle import Phase
from service.web.api import fleet_models, models, report_models, size_models
from service.web.api.health import PATIENCE
from service.web.api.metrics import uptime
from service.wire import Job, Kind
from tests.support.web_app import BODY, SOLVER, URL, WORKER, Web, web

ADMIN = {"X-API-Key": "the key of an admin"}


async def body_of(response: Any) -> Any:
    return json.loads(await response.get_data())


async def test_root_says_who_is_here() -> None:
    response = await web().get("/")
    assert response.status_code == 200
    body = await body_of(response)
    assert body.pop("version")
    assert body == {
        "ok": True,
        "service": "ytdlpd",
        "status": "running",
        "documentation": "/api/v1/docs",
    }


async def test_size_passes_the_job_in_and_the_bytes_out() -> None:
    it = web()
    response = await it.post("/api/v1/size", {"url": URL, "duration_hint": 212})
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert await response.get_data() == BODY
    assert response.headers["Server-Timing"] == "queue;dur=12.3, extract;dur=456.7"
    job, caller = it.dispatcher.seen[0]
    assert job == Job(Kind.SIZE, URL, duration_hint=212.0)
    assert caller.request_id == response.headers["X-Request-ID"]
    size_models.SizeResponse.model_validate(await body_of(response))


@pytest.mark.parametrize(
    ("query", "fields", "playlist"),
    [
        ({}, (), 0),
        ({"fields": "id,title"}, ("id", "title"), 0),
        ([("fields", "id"), ("fields", "title, duration")], ("id", "title", "duration"), 0),
        ({"playlist": "7"}, (), 7),
        ({"playlist": "true"}, (), 50),
        ({"playlist": "false"}, (), 0),
        ({"playlist": "1"}, (), 1),
    ],
)
async def test_extract_by_query(query: Any, fields: tuple[str, ...], playlist: int) -> None:
    it = web()
    pairs = [("url", "http://example.com/v"), *(query.items() if isinstance(query, dict) else query)]
    response = await it.get(f"/api/v1/extract?{urlencode(pairs)}")
    assert response.status_code == 200, await response.get_data()
    assert await response.get_data() == BODY
    expected = Job(Kind.EXTRACT, "http://example.com/v", fields=fields, playlist=playlist)
    assert it.dispatcher.seen[0][0] == expected


@pytest.mark.parametrize(
    ("sent", "fields", "playlist"),
    [
        ({}, (), 0),
        ({"fields": ["id", "title"]}, ("id", "title"), 0),
        ({"fields": "id,title"}, ("id", "title"), 0),
        ({"playlist": 100}, (), 100),
        ({"playlist": True}, (), 50),
        ({"playlist": False}, (), 0),
    ],
)
async def test_extract_by_body(sent: Any, fields: tuple[str, ...], playlist: int) -> None:
    it = web()
    cookies = "# Netscape HTTP Cookie File\n.example.com\tTRUE\t/\tTRUE\t0\tname\tvalue\n"
    response = await it.post("/api/v1/extract", {"url": "https://example.com/v", "cookies": cookies, **sent})
    assert response.status_code == 200, await response.get_data()
    expected = Job(Kind.EXTRACT, "https://example.com/v", fields=fields, playlist=playlist, cookies=cookies)
    assert it.dispatcher.seen[0][0] == expected


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0s"), (59.9, "59s"), (3600, "1h 0s"), (93_784, "1d 2h 3m 4s")]
)
def test_an_uptime_as_people_say_it(seconds: float, said: str) -> None:
    assert uptime(seconds).formatted == said


@pytest.mark.parametrize("path", ["/health", "/health/main"])
async def test_health_of_a_healthy_service(path: str) -> None:
    response = await web(admin_key="the key of an admin").get(path)
    assert response.status_code == 200
    body = await body_of(response)
    report_models.HealthResponse.model_validate(body)
    assert (body["ok"], body["status"], body["reason"]) == (True, "healthy", None)
    assert body["dependencies"]["ytdlp"] == {"available": True, "version": "2026.08.19"}
    assert body["uptime"]["formatted"].endswith("s")
    assert body["workerPool"]["queueLength"] == 0
    assert body["circuitBreaker"]["state"] == "CLOSED"
    assert body["config"]["requireAuth"] is False
    told = json.dumps(body)
    assert "4242" not in told  # the worker's pid
    assert body["solver"] is None
    assert '"memory"' not in told
    assert '"pid"' not in told
    assert body["process"] == {}


async def test_health_tells_an_admin_more() -> None:
    body = await body_of(await web(admin_key="the key of an admin").get("/health", headers=ADMIN))
    assert body["workerPool"]["workers"] == [
        {
            "pid": 4242,
            "state": "idle",
            "tasks": 3,
            "age": 12.5,
            "memory": 50_000_000,
            "busyFor": None,
            "ytdlp": "2026.8.19",
        }
    ]
    assert body["solver"]["state"] == "ready"
    assert body["solver"]["scripts"][0]["pid"] == 4243
    assert body["process"]["pid"] > 0
    assert body["system"]["memory"]["total"] > 0
    assert body["circuitBreakers"] == []


async def _trip(it: Web) -> None:
    for _ in range(10):
        admission = await it.breakers.admit(BreakerKey("example.com"))
        it.breakers.settle(admission, CallResult.FAILURE)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (
            {
                "active_workers": 0,
                "workers": (replace(WORKER, state="booting"),),
            },
            "yet",
        ),
        ({"degraded": True}, "fail to start"),
        ({"queue_length": 100}, "full"),
        ({"solver": replace(SOLVER, state="unavailable")}, "each worker solves"),
    ],
)
async def test_health_is_degraded_while_it_can_still_serve(shown: dict[str, Any], reason: str) -> None:
    it = web()
    it.pool.shown = shown
    response = await it.get("/health")
    body = await body_of(response)
    assert (response.status_code, body["status"], body["ok"]) == (200, "degraded", True)
    assert reason in body["reason"]


async def test_health_is_degraded_by_an_open_breaker_of_a_site(autojump_clock: Any) -> None:
    it = web()
    await _trip(it)
    it.breakers.reset(None)
    assert (await body_of(await it.get("/health")))["status"] == "healthy"
    for _ in range(10):
        it.breakers.settle(await it.breakers.admit(BreakerKey("example.com")), CallResult.FAILURE)
    body = await body_of(await it.get("/health"))
    assert body["circuitBreaker"]["state"] == "OPEN"
    assert body["status"] == "degraded"


async def test_health_is_unhealthy_without_workers() -> None:
    it = web()
    it.pool.shown = {"active_workers": 0, "workers": ()}
    response = await it.get("/health")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    body = await body_of(response)
    report_models.UnhealthyResponse.model_validate(body)
    assert (body["ok"], body["status"], body["code"]) == (False, "unhealthy", "INTERNAL")
    assert body["requestId"] == response.headers["X-Request-ID"]


async def test_health_is_unhealthy_while_the_service_s_own_breaker_is_open() -> None:
    it = web()
    for _ in range(20):
        it.breakers.service_failed()
    response = await it.get("/health")
    assert response.status_code == 503
    assert (await body_of(response))["code"] == "CIRCUIT_OPEN"


async def test_probes_follow_the_life_cycle() -> None:
    it = web()
    assert (await it.get("/health/ready")).status_code == 200
    assert await body_of(await it.get("/health/live")) == {"ok": True, "status": "alive"}
    it.lifecycle.drain()
    ready = await it.get("/health/ready")
    assert ready.status_code == 503
    assert ready.headers["Connection"] == "close"
    assert int(ready.headers["Retry-After"]) >= 1
    body = await body_of(ready)
    assert (body["ok"], body["code"], body["status"]) == (False, "SHUTTING_DOWN", "draining")
    assert (await it.get("/health/live")).status_code == 200
    assert (await it.get("/health")).status_code == 503


async def test_nothing_is_ready_before_the_floor_is_warm() -> None:
    it = web()
    it.lifecycle.phase = Phase.STARTING
    response = await it.get("/health/ready")
    assert response.status_code == 503
    assert (await body_of(response))["code"] == "STARTING"
    assert (await it.get("/health/live")).status_code == 200


async def test_ready_says_no_when_nothing_can_be_served_and_yes_again() -> None:
    """A restart would mend none of it, so the process is alive all the same."""
    it = web()
    it.pool.seconds_deserted = PATIENCE
    assert (await it.get("/health/ready")).status_code == 200
    it.pool.seconds_deserted = PATIENCE + 1
    response = await it.get("/health/ready")
    assert (response.status_code, (await body_of(response))["code"]) == (503, "STARTING")
    assert (await it.get("/health/live")).status_code == 200
    it.pool.seconds_deserted = 0
    it.breakers.force_open()
    response = await it.get("/health/ready")
    assert (response.status_code, (await body_of(response))["code"]) == (503, "CIRCUIT_OPEN")
    assert (await it.get("/health/live")).status_code == 200
    it.breakers.reset()
    assert (await it.get("/health/ready")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_draining_takes_no_new_work(method: str) -> None:
    it = web()
    it.lifecycle.drain()
    response = await it.request(method, "/api/v1/extract", json={"url": URL} if method == "POST" else None)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Connection"] == "close"
    assert (await body_of(response))["code"] == "SHUTTING_DOWN"
    assert it.dispatcher.seen == []


async def test_metrics() -> None:
    it = web()
    await _trip(it)
    response = await it.get("/api/v1/metrics")
    assert response.status_code == 200
    body = await body_of(response)
    report_models.MetricsResponse.model_validate(body)
    assert set(body["workerPool"]) >= {
        *("totalTasks", "completedTasks", "failedTasks", "activeWorkers", "queueLength", "peakWorkers"),
        *("activeTasks", "workersCreated", "workersDestroyed", "config"),
    }
    assert body["workerPool"]["config"]["maxWorkers"] == 10
    assert body["circuitBreaker"]["state"] == "OPEN"
    assert body["circuitBreaker"]["stats"]["totalFailures"] == 10
    assert body["circuitBreaker"]["stats"]["rejectedRequests"] == 0
    assert body["circuitBreaker"]["config"]["cooldownMs"] == 60000
    assert [(each["site"], each["state"]) for each in body["circuitBreakers"]] == [("example.com", "OPEN")]
    assert body["workerPool"]["workers"] is None


async def test_an_admin_resets_all_breakers_or_one() -> None:
    it = web()
    await _trip(it)
    response = await it.request("POST", "/api/v1/admin/circuit-breaker/reset")
    assert response.status_code == 200
    body = await body_of(response)
    assert body.pop("message")
    assert body == {"ok": True, "previousState": "OPEN", "currentState": "CLOSED", "others": []}
    await _trip(it)
    response = await it.post("/api/v1/admin/circuit-breaker/reset", {"site": "example.com"})
    assert (await body_of(response))["previousState"] == "OPEN"
    response = await it.post("/api/v1/admin/circuit-breaker/reset", {"site": "never-seen.example"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("action", "state"), [("open", "OPEN"), ("disable", "CLOSED"), ("close", "CLOSED"), ("reset", "CLOSED")]
)
async def test_an_admin_takes_a_breaker_into_his_hands(action: str, state: str) -> None:
    it = web()
    await _trip(it)
    response = await it.post(f"/api/v1/admin/circuit-breaker/{action}", {"site": "example.com"})
    assert response.status_code == 200
    body = await body_of(response)
    fleet_models.ResetResponse.model_validate(body)
    assert body["previousState"] == "OPEN"
    assert it.breakers.statistics().sites[0].state.startswith(state) or action == "disable"


async def test_docs_as_json() -> None:
    response = await web(require_auth=True, api_key="the key").get("/api/v1/docs")
    assert response.status_code == 200
    body = await body_of(response)
    models.DocsResponse.model_validate(body)
    assert set(body) == {
        *("version", "service", "description", "endpoints", "features", "authentication", "rateLimit"),
    }
    assert {"workerPool", "circuitBreaker", "requestTracing", "retryLogic"} <= set(body["features"])
    assert "POST /api/v1/size" in body["endpoints"]
    assert body["authentication"]["required"] is True


async def test_docs_as_a_page_that_loads_nothing_from_elsewhere() -> None:
    it = web(rate_limit_max_requests=5)
    response = await it.get("/api/v1/docs", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.content_type == "text/html; charset=utf-8"
    page = (await response.get_data()).decode()
    assert "/api/v1/size" in page
    assert "5 extractions in 60 s" in page
    assert "<style" not in page
    assert not re.search(r"<script(?! src=)", page)
    loaded = re.findall(r'<(?:script src|link rel="stylesheet" href)="([^"]+)"', page)
    assert len(loaded) == 4
    for path in loaded:
        for encoding in ("gzip", "identity"):
            file = await it.get(urljoin("/api/v1/docs", path), headers={"Accept-Encoding": encoding})
            assert file.status_code == 200
            data = await file.get_data()
            assert (gzip.decompress(data) if encoding == "gzip" else data).strip()
    scripts = response.headers["Content-Security-Policy"].partition("script-src ")[2].partition(";")[0]
    assert scripts == "'self'"


@pytest.mark.parametrize(
    ("accepts", "size", "compressed"),
    [
        ("gzip", 5_000, True),
        ("gzip, deflate, br", 5_000, True),
        ("gzip", 200_000, True),
        ("gzip", 100, False),
        ("gzip;q=0", 5_000, False),
        ("br", 5_000, False),
        (None, 5_000, False),
    ],
)
async def test_gzip_where_it_is_accepted_and_worth_it(
    accepts: str | None, size: int, compressed: bool
) -> None:
    it = web()
    body = json.dumps({"title": "x" * size}).encode()
    it.dispatcher.answer = Answer(body)
    headers = {"Accept-Encoding": accepts} if accepts else {}
    response = await it.get("/api/v1/extract", query_string={"url": URL}, headers=headers)
    received = await response.get_data()
    assert ("Content-Encoding" in response.headers) is compressed
    assert "Accept-Encoding" in response.headers.get_all("Vary")
    assert (gzip.decompress(received) if compressed else received) == body
    assert int(response.headers["Content-Length"]) == len(received)
    assert not compressed or len(received) < size / 5
