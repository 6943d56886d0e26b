"""Collaboration: error responses, access control, and the headers of every response."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import structlog

from service.codes import TRAITS, Code
from service.errors import (
    CircuitOpen,
    DeadlineExceeded,
    ExtractionError,
    QueueFull,
    ServiceError,
    ShuttingDown,
)
from service.keys import new_key
from tests.support.web_app import URL, Web, web

RESET = "/api/v1/admin/circuit-breaker/reset"


async def body_of(response: Any) -> Any:
    return json.loads(await response.get_data())


async def failing(error: Exception) -> Any:
    it = web()
    it.dispatcher.fail(error)
    return await it.post("/api/v1/size", {"url": URL})


@pytest.mark.parametrize("code", [code for code in Code if TRAITS[code].status >= 422])
async def test_a_failed_extraction_is_told_in_one_shape(code: Code) -> None:
    response = await failing(ExtractionError(code, "the site says no"))
    assert response.status_code == TRAITS[code].status
    assert response.content_type == "application/json"
    body = await body_of(response)
    wait = body.pop("retryAfter", None)
    assert body == {
        "ok": False,
        "error": "The site says no",
        "code": code.value,
        "requestId": response.headers["X-Request-ID"],
    }
    if TRAITS[code].status in (429, 503):
        assert int(response.headers["Retry-After"]) == wait >= 1
    else:
        assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (CircuitOpen("example.com", 12.2), 503, 13),
        (CircuitOpen("example.com", 0.01), 503, 1),
        (CircuitOpen(None, None), 503, 30),
        (CircuitOpen("example.com", float("inf")), 503, 30),
        (QueueFull(100, 3.0), 503, 3),
        (ShuttingDown(), 503, 5),
        (DeadlineExceeded(25, running=True), 504, None),
        (ExtractionError(Code.RATE_LIMITED, "the site asks for a pause", retry_after=120.0), 429, 120),
        (ExtractionError(Code.UPCOMING, "it starts soon", retry_after=60.0), 422, 60),
        (RuntimeError("secret innards"), 500, None),
        (ExceptionGroup("a nursery", [QueueFull(100, 3.0)]), 503, 3),
    ],
)
async def test_where_waiting_helps_the_answer_says_how_long(
    error: Exception, status: int, wait: int | None
) -> None:
    response = await failing(error)
    body = await body_of(response)
    assert (response.status_code, body.get("retryAfter")) == (status, wait)
    assert response.headers.get("Retry-After") == (None if wait is None else str(wait))
    assert "innards" not in json.dumps(body)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        *((path, "/api/v1/size") for path in ("/size", "/api/v1/size/", "/api/v1//size", "/API/V1/Sizes")),
        ("/docs", "/api/v1/docs"),
        ("/openapi.json", "/api/v1/openapi"),
        ("/wp-login.php", None),
    ],
)
async def test_a_path_that_is_nearly_right_is_told_what_would_be(path: str, meant: str | None) -> None:
    response = await web().get(path)
    assert response.status_code == 404
    found = re.search(r"is it (\S+)\?", (await body_of(response))["error"])
    assert (found and found[1]) == meant


async def test_what_the_worker_finds_wrong_in_a_field_names_it() -> None:
    wrong = ExtractionError(Code.INVALID_REQUEST, "the field format is invalid", about={"field": "format"})
    body = await body_of(await failing(wrong))
    assert (body["field"], "video" in body) == ("format", False)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_an_unknown_path_lists_the_endpoints(method: str) -> None:
    response = await web().request(method, "/api/v2/size")
    assert response.status_code == 404
    body = await body_of(response)
    assert body["code"] == "NO_SUCH_ENDPOINT"
    assert body["availableEndpoints"] == sorted(
        body["availableEndpoints"], key=lambda each: (each.split()[1], each)
    )
    assert set(body["availableEndpoints"]) >= {
        "GET /",
        "GET /health",
        "GET /health/main",
        "GET /health/live",
        "GET /health/ready",
        "POST /api/v1/size",
        "GET /api/v1/extract",
        "POST /api/v1/extract",
        "GET /api/v1/metrics",
        "POST /api/v1/admin/circuit-breaker/reset",
        "POST /api/v1/admin/circuit-breaker/open",
        "POST /api/v1/admin/circuit-breaker/close",
        "POST /api/v1/admin/circuit-breaker/disable",
        "GET /api/v1/docs",
        "GET /api/v1/openapi",
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/v1/batch", {"POST", "OPTIONS"}),
        ("DELETE", "/api/v1/extract", {"GET", "POST", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_a_wrong_method_names_the_right_ones(method: str, path: str, allowed: set[str]) -> None:
    response = await web().request(method, path)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed
    assert (await body_of(response))["code"] == "METHOD_NOT_ALLOWED"


async def test_head_and_options_are_answered() -> None:
    it = web()
    assert (await it.request("HEAD", "/health")).status_code == 200
    options = await it.request("OPTIONS", "/api/v1/batch")
    assert options.status_code == 200
    assert set(options.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("sane", ["abc", "0123-4567.89_a:b", "x" * 128])
async def test_a_sane_request_id_comes_back(sane: str) -> None:
    response = await web().get("/nowhere", headers={"X-Request-ID": sane})
    assert response.headers["X-Request-ID"] == sane
    assert (await body_of(response))["requestId"] == sane


@pytest.mark.parametrize("insane", ["", "x" * 129, "a b", "<script>", "ä", 'a"b', "a,b"])
async def test_any_other_request_id_is_replaced(insane: str) -> None:
    first = await web().get("/nowhere", headers={"X-Request-ID": insane})
    second = await web().get("/nowhere")
    for response in (first, second):
        name = response.headers["X-Request-ID"]
        assert name.startswith("req_")
        assert (await body_of(response))["requestId"] == name
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


ADMIN_KEY = "the key of an admin"
KEYS = {"require_auth": True, "api_key": "the key", "admin_key": ADMIN_KEY}


async def get_with(it: Web, key: str | None) -> int:
    headers = {} if key is None else {"X-API-Key": key}
    statuses = {
        (await it.post("/api/v1/size", {"url": URL}, headers=headers)).status_code,
        (await it.get("/api/v1/extract", query_string={"url": URL}, headers=headers)).status_code,
        (await it.get("/api/v1/metrics", headers=headers)).status_code,
    }
    assert len(statuses) == 1
    return int(statuses.pop())


@pytest.mark.parametrize(
    ("key", "status"),
    [(None, 401), ("", 401), ("wrong", 401), ("the key", 200), (ADMIN_KEY, 200)],
)
async def test_the_api_asks_for_a_key_where_it_must(key: str | None, status: int) -> None:
    it = web(**KEYS)
    assert await get_with(it, key) == status
    assert await get_with(web(), key) == 200
    assert (await it.get("/health")).status_code == 200
    assert (await it.get("/api/v1/docs")).status_code == 200


async def test_a_refused_key_is_told_what_to_do() -> None:
    response = await web(**KEYS).get("/api/v1/metrics")
    assert "X-API-Key" in response.headers["WWW-Authenticate"]
    body = await body_of(response)
    assert body["code"] == "UNAUTHORIZED"
    assert "X-API-Key" in body["error"]


@pytest.mark.parametrize(
    ("settings", "key", "status"),
    [
        ({}, None, 200),
        ({"admin_key": ADMIN_KEY}, None, 401),
        ({"admin_key": ADMIN_KEY}, "wrong", 401),
        ({"admin_key": ADMIN_KEY}, ADMIN_KEY, 200),
        (KEYS, None, 401),
        (KEYS, "the key", 403),
        (KEYS, ADMIN_KEY, 200),
        ({"require_auth": True, "api_key": "the key"}, "the key", 403),
        ({"require_auth": True, "api_key": "the key"}, None, 401),
    ],
)
async def test_admin_endpoints_want_the_admin_s_key(
    settings: dict[str, Any], key: str | None, status: int
) -> None:
    response = await web(**settings).request("POST", RESET, headers={"X-API-Key": key} if key else {})
    assert response.status_code == status
    if status == 403:
        assert (await body_of(response))["code"] == "KEY_NOT_ALLOWED"


async def test_named_keys_carry_their_tier_and_rights() -> None:
    key, digest = new_key()
    boss, boss_digest = new_key()
    settings = {
        "alice": {"hash": digest, "tier": 2, "share": 3.0},
        "boss": {"hash": boss_digest, "admin": True},
    }
    it = web(require_auth=True, keys=settings)
    assert await get_with(it, key) == 200
    caller = it.dispatcher.seen[0][1]
    assert (caller.client, caller.tier, caller.share, caller.admin) == ("key:alice", 2, 3.0, False)
    assert (await it.request("POST", RESET, headers={"X-API-Key": key})).status_code == 403
    assert (await it.request("POST", RESET, headers={"X-API-Key": boss})).status_code == 200


EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        ("", "https://a.example", None),
        ("*", "https://a.example", "*"),
        ("https://a.example,https://b.example", "https://b.example", "https://b.example"),
        ("https://a.example", "https://b.example", None),
        ("https://a.example", "http://a.example", None),
        ("https://a.example/", "https://a.example", "https://a.example"),
        (EXTENSION, EXTENSION, EXTENSION),
        ("chrome-extension://*", EXTENSION, EXTENSION),
        ("chrome-extension://*", "https://a.example", None),
        ("https://a.example", None, None),
    ],
)
async def test_cors(allowed: str, origin: str | None, answer: str | None) -> None:
    it = web(allowed_origins=allowed)
    headers = {"Origin": origin} if origin else {}
    for response in (await it.get("/health", headers=headers), await it.get("/nowhere", headers=headers)):
        assert response.headers.get("Access-Control-Allow-Origin") == answer
        assert ("Origin" in response.headers.get_all("Vary")) is (allowed not in ("", "*"))
        if answer:
            exposed = response.headers["Access-Control-Expose-Headers"]
            assert {"X-Request-ID", "Retry-After", "RateLimit-Remaining"} <= set(exposed.split(", "))
    if origin:
        asks = {**headers, "Access-Control-Request-Method": "POST"}
        preflight = await it.request("OPTIONS", "/api/v1/size", headers=asks)
        assert preflight.status_code == 204
        assert await preflight.get_data() == b""
        assert preflight.headers.get("Access-Control-Allow-Origin") == answer
        assert set(preflight.headers["Access-Control-Allow-Methods"].split(", ")) == {"GET", "POST"}
        assert set(preflight.headers["Access-Control-Allow-Headers"].split(", ")) == {
            *("Content-Type", "X-API-Key", "X-Request-ID", "X-Deadline-Ms", "If-None-Match"),
            *("Content-Encoding", "Cache-Control", "Last-Event-ID", "traceparent", "tracestate"),
        }


async def test_every_response_is_guarded() -> None:
    it = web()
    for path in ("/", "/nowhere", "/api/v1/docs", "/api/v1/openapi"):
        response = await it.get(path)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
        assert "Server" not in response.headers


async def test_one_access_line_without_secrets() -> None:
    it = web(**KEYS)
    it.dispatcher.fail(ServiceError("no"))
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await it.get(
            "/api/v1/extract",
            query_string={"url": "https://u.example/?token=hush"},
            headers={"X-API-Key": "the key", "X-Request-ID": "mine"},
        )
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["request_id"] == "mine"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/extract", 500)
    assert line["code"] == Code.INTERNAL
    assert line["duration_ms"] >= 0
    assert "hush" not in str(lines)
    assert "the key" not in str(lines)
