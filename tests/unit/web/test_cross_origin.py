"""Pure and collaboration: who is an admin where no key is set, and which pages are kept out."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import Headers

from service.breaker.key import BreakerKey
from service.breaker.pacing import PaceStatistics
from service.config import Config
from service.telemetry.sinks import level_of
from service.web.http.authentication import access_rules
from service.web.http.cross_origin import CrossOriginProtection
from tests.support.web_app import web

KEY = "the key of an admin"
DOORS = (
    ("POST", "/api/v1/admin/circuit-breaker/open"),
    ("POST", "/api/v1/admin/circuit-breaker/close"),
    ("POST", "/api/v1/admin/circuit-breaker/disable"),
    ("POST", "/api/v1/admin/circuit-breaker/reset"),
    ("GET", "/api/v1/admin/quarantine"),
    ("POST", "/api/v1/admin/quarantine/release"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/fleet"),
)


async def statuses(headers: dict[str, str], **settings: Any) -> set[int]:
    """The statuses of all doors of admins; the stream of events is over at once."""
    it = web(**settings)
    it.lifecycle.close()
    return {(await it.request(method, path, headers=headers)).status_code for method, path in DOORS}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
async def test_on_loopback_alone_they_are_open(host: str) -> None:
    assert await statuses({"Host": "127.0.0.1:3000"}, host=host) == {200}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "ytdlpd.example"])
async def test_without_a_key_they_are_shut_where_others_reach_the_port(host: str) -> None:
    headers = {"Host": "127.0.0.1:3000"}
    assert await statuses(headers, host=host) == {403}
    assert await statuses({**headers, "X-API-Key": "a guess"}, host=host) == {403}
    assert await statuses({**headers, "X-API-Key": KEY}, host=host, admin_key=KEY) == {200}
    assert await statuses(headers, host=host, admin_key=KEY) == {401}


async def test_the_refusal_says_what_to_do() -> None:
    response = await web(host="0.0.0.0").request("POST", DOORS[0][1])
    body = await response.get_json()
    assert body["code"] == "KEY_NOT_ALLOWED"
    assert "ADMIN_KEY" in body["error"]


FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another port": {"Sec-Fetch-Site": "same-site"},
    "a form over plain HTTP": {"Origin": "http://evil.test"},
    "another port over plain HTTP": {"Origin": "http://localhost:8000"},
    "a sandboxed frame": {"Origin": "null"},
    "a rebound name": {"Host": "evil.test:3000", "Origin": "http://evil.test:3000"},
    "a rebound name in a GET": {"Host": "evil.test:3000", "Sec-Fetch-Site": "same-origin"},
    "a name that ends alike": {"Host": "localhost.evil.test"},
    "no authority": {"Host": "evil.test@localhost"},
    "a proxy on this machine": {"X-Forwarded-For": "203.0.113.9"},
    "a proxy with the standard's header": {"Forwarded": "for=203.0.113.9"},
}


@pytest.mark.parametrize("sent", FOREIGN.values(), ids=FOREIGN)
async def test_pages_and_proxies_are_kept_out_where_no_key_protects(sent: dict[str, str]) -> None:
    assert await statuses({"Host": "localhost:3000", **sent}) == {403}
    assert await statuses({"Host": "localhost:3000", **sent, "X-API-Key": KEY}, admin_key=KEY) == {200}


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:3000", None),
        ("localhost", "http://localhost"),
        ("LOCALHOST.:3000", None),
        ("[::1]:3000", "http://[::1]:3000"),
        ("tv.lan:8443", "https://tv.lan:8443"),
    ],
)
def test_programs_and_own_pages_are_not(host: str, origin: str | None) -> None:
    headers = Headers({"Host": host, "Sec-Fetch-Site": "same-origin"})
    if origin is not None:
        headers["Origin"] = origin
    assert CrossOriginProtection(["tv.lan"]).refusal(headers) is None


def test_a_proxy_may_forward_a_name_that_is_allowed() -> None:
    protection = CrossOriginProtection(["Admin.Example"])
    forwarded = Headers({"Host": "admin.example", "X-Forwarded-For": "10.0.0.9"})
    assert protection.refusal(forwarded) is None
    assert protection.refusal(Headers({"Host": "other.example", "X-Forwarded-For": "10.0.0.9"})) is not None
    assert protection.refusal(Headers()) is not None


REBOUND = {"Host": "evil.test:3000"}
SHARED = {"require_auth": True, "api_key": "the key", "admin_key": KEY}


@pytest.mark.parametrize(
    ("settings", "sent", "told"),
    [
        ({}, {"Host": "localhost:3000"}, True),
        ({}, REBOUND, False),
        ({"allowed_hosts": "evil.test"}, REBOUND, True),
        ({"admin_key": KEY}, {**REBOUND, "X-API-Key": KEY}, True),
        ({"host": "0.0.0.0"}, REBOUND, True),
        (SHARED, {"X-API-Key": "the key"}, False),
        (SHARED, {"X-API-Key": KEY}, True),
    ],
)
async def test_the_sites_of_others_are_told_to_those_who_may_know_them(
    settings: dict[str, Any], sent: dict[str, str], told: bool
) -> None:
    it = web(**settings)
    it.dispatcher.shown = (PaceStatistics("a.test", 2.5, 0.4, cuts=1),)
    await it.breakers.admit(BreakerKey("a.test"))
    body = await (await it.get("/api/v1/metrics", headers=sent)).get_json()
    assert bool(body["circuitBreakers"]) is bool(body["paces"]) is told
    assert body["circuitBreaker"]["stats"]


@pytest.mark.parametrize(
    ("settings", "extraction", "admin"),
    [
        ({}, "programs on this machine", "programs on this machine"),
        ({"host": "0.0.0.0"}, "everybody who reaches the port", "nobody: ADMIN_KEY is not set"),
        (
            {"host": "0.0.0.0", "admin_key": KEY},
            "everybody who reaches the port",
            "clients with an admin's key",
        ),
        (
            {"require_auth": True, "api_key": "0123456789abcdef"},
            "clients with a key",
            "nobody: no key is an admin's",
        ),
    ],
)
def test_the_log_says_who_may_do_what(settings: dict[str, Any], extraction: str, admin: str) -> None:
    rules = access_rules(Config.load(**settings))
    assert (rules.extraction, rules.admin, rules.advice) == (extraction, admin, None)
    assert level_of(rules) == "info"


def test_a_weak_key_of_clients_is_a_warning() -> None:
    rules = access_rules(Config.load(require_auth=True, api_key="short"))
    assert rules.advice is not None
    assert "short" not in rules.advice
    assert level_of(rules) == "warning"
