"""Pure, and collaboration at the end: the rate limit, and the client that it counts for."""

from __future__ import annotations

import ipaddress
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys import new_key
from service.web.http.authentication import Identity
from service.web.http.limits import (
    CROWD,
    READINGS,
    ConnectionLimiter,
    RateLimit,
    client_address,
    client_of,
    crowd_of,
)
from service.web.http.listener import OF_A_WORKER, OWN, TURNED_AWAY, places
from tests.support.web_app import URL, web

TRUSTED = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8")]


def test_a_burst_of_all_of_it_then_evenly() -> None:
    limit = RateLimit(3, 60.0)
    remaining = [limit.take("a", 0.0).remaining for _ in range(3)]
    assert remaining == [2, 1, 0]
    refused = limit.take("a", 0.0)
    assert refused.retry_after == pytest.approx(20.0)
    assert refused.reset == pytest.approx(60.0)
    assert limit.take("a", 19.9).retry_after is not None
    assert limit.take("a", 20.0).retry_after is None
    refused = limit.take("a", 20.0)
    assert (refused.retry_after, refused.reset) == pytest.approx((20.0, 60.0))
    assert limit.take("b", 20.0).remaining == 2


def test_a_refused_request_costs_nothing() -> None:
    limit = RateLimit(1, 10.0)
    assert limit.take("a", 0.0).retry_after is None
    for now in range(1, 10):
        assert limit.take("a", float(now)).retry_after == pytest.approx(10.0 - now)
    assert limit.take("a", 10.0).retry_after is None


@given(
    limit=st.integers(1, 50),
    window=st.floats(1.0, 3600.0),
    pauses=st.lists(st.floats(0.0, 100.0), max_size=150),
)
def test_never_more_than_twice_the_limit_in_a_window_and_always_the_limit_after_one(
    limit: int, window: float, pauses: list[float]
) -> None:
    rate, now = RateLimit(limit, window), 0.0
    allowed: list[float] = []
    for pause in pauses:
        now += pause
        allowance = rate.take("a", now)
        assert 0 <= allowance.remaining < limit
        assert allowance.reset <= window * (1 + 1e-9)
        if allowance.retry_after is None:
            allowed.append(now)
        else:
            assert rate.take("a", now + allowance.retry_after - 1e-3).retry_after is not None or limit > 1000
    assert all(sum(start <= each < start + window for each in allowed) <= 2 * limit for start in allowed)
    assert all(rate.take("a", now + window).retry_after is None for _ in range(limit))


def test_clients_are_forgotten_the_least_recent_first() -> None:
    limit = RateLimit(1, 60.0, max_clients=2)
    for client in "abc":
        assert limit.take(client, 0.0).retry_after is None
    assert limit.take("c", 0.0).retry_after is not None
    assert limit.take("b", 0.0).retry_after is not None
    assert limit.take("a", 0.0).retry_after is None


def test_a_client_that_asks_again_is_not_the_least_recent() -> None:
    limit = RateLimit(2, 60.0, max_clients=2)
    for client in ("a", "b", "a", "c"):
        limit.take(client, 0.0)
    assert limit.take("a", 0.0).retry_after is not None


def test_fifty_thousand_clients_are_remembered() -> None:
    limit = RateLimit(1, 60.0)
    for client in range(50_000):
        limit.take(str(client), 0.0)
    assert limit.take("0", 0.0).retry_after is not None
    limit.take("one more", 0.0)
    assert limit.take("0", 0.0).retry_after is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.1.1.1", ["198.51.100.1, 203.0.113.9, 10.2.2.2"], "203.0.113.9"),
        ("10.1.1.1", ["198.51.100.1", "203.0.113.9,10.2.2.2"], "203.0.113.9"),
        ("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.1.1.1", ["nonsense"], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1, nonsense, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.1.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("192.0.2.8", ["198.51.100.1"], "192.0.2.8"),
        ("<local>", ["198.51.100.1"], "<local>"),
        ("fe80::1%eth0", [], "fe80::1"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, TRUSTED) == client


@pytest.mark.parametrize(
    ("identity", "address", "client"),
    [
        (None, "203.0.113.9", "203.0.113.9"),
        (None, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, "<local>", "<local>"),
        (Identity(), "203.0.113.9", "203.0.113.9"),
        (Identity("alice"), "203.0.113.9", "key:alice"),
    ],
)
def test_a_share_belongs_to_a_key_an_address_or_a_network(
    identity: Identity | None, address: str, client: str
) -> None:
    assert client_of(identity, address) == client


async def ask(it: Any, **headers: str) -> Any:
    return await it.post("/api/v1/size", {"url": URL}, headers=headers)


async def test_the_limit_is_told_and_kept(autojump_clock: Any) -> None:
    it = web(rate_limit_max_requests=2, rate_limit_window_ms=60_000)
    first = await ask(it)
    assert first.headers["RateLimit-Limit"] == "2"
    assert first.headers["RateLimit-Remaining"] == "1"
    assert first.headers["RateLimit-Reset"] == "30"
    assert first.headers["RateLimit-Policy"] == "2;w=60"
    # One budget for all extractions, failed ones included.
    second = await it.get("/api/v1/extract")
    assert (second.status_code, second.headers["RateLimit-Remaining"]) == (400, "0")
    third = await ask(it)
    assert third.status_code == 429
    assert third.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(third.headers["Retry-After"]) <= 30
    body = json.loads(await third.get_data())
    assert (body["code"], body["retryAfter"]) == ("TOO_MANY_REQUESTS", int(third.headers["Retry-After"]))
    assert (await it.get("/health")).status_code == 200
    assert (await it.get("/api/v1/metrics")).status_code == 200
    assert "RateLimit-Limit" not in (await it.get("/health")).headers
    assert len(it.dispatcher.seen) == 1


async def test_each_client_behind_a_trusted_proxy_has_its_own_limit() -> None:
    it = web(rate_limit_max_requests=1)
    assert (await ask(it, **{"X-Forwarded-For": "203.0.113.1"})).status_code == 200
    # The test's own peer is no trusted proxy, so the header changes nothing.
    assert (await ask(it, **{"X-Forwarded-For": "203.0.113.2"})).status_code == 429


async def test_guessing_keys_uses_up_the_guesser_s_limit() -> None:
    it = web(rate_limit_max_requests=2, require_auth=True, api_key="the key")
    statuses = [(await ask(it, **{"X-API-Key": guess})).status_code for guess in ("a", "b", "c")]
    assert statuses == [401, 401, 429]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/metrics"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/dashboard/stream"),
        ("GET", "/api/v1/admin/quarantine"),
        ("POST", "/api/v1/admin/quarantine/release"),
        ("POST", "/api/v1/admin/circuit-breaker/reset"),
    ],
)
async def test_guessing_keys_is_limited_at_every_door(method: str, path: str) -> None:
    it = web(rate_limit_max_requests=2, require_auth=True, api_key="the key", admin_key="the key of an admin")
    allowed = 200 if path == "/health" else 401
    guesses = [await it.request(method, path, headers={"X-API-Key": guess}) for guess in ("a", "b", "c")]
    assert [guess.status_code for guess in guesses] == [allowed, allowed, 429]
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert (await ask(it, **{"X-API-Key": "d"})).status_code == 429, "one limit for all of them"
    right = {"X-API-Key": "the key of an admin"}
    assert (await it.get("/api/v1/admin/quarantine", headers=right)).status_code == 200


async def test_no_door_of_admins_is_left_out() -> None:
    it = web(rate_limit_max_requests=1, admin_key="the key of an admin")
    document = await (await it.get("/api/v1/openapi")).get_json()
    admin = {path: methods for path, methods in document["paths"].items() if "/admin/" in path}
    doors = [(method.upper(), path) for path, methods in admin.items() for method in methods]
    guess = {"X-API-Key": "a guess"}
    statuses = [(await it.request(method, path, headers=guess)).status_code for method, path in doors]
    assert statuses == [401] + [429] * (len(doors) - 1), doors


@pytest.mark.parametrize("path", ["/health", "/metrics", "/api/v1/metrics"])
async def test_counters_are_read_often_but_not_without_end(path: str) -> None:
    it = web(rate_limit_max_requests=1)
    statuses = [(await it.get(path)).status_code for _ in range(READINGS + 1)]
    assert statuses == [200] * READINGS + [429]
    assert (await it.get("/health/live")).status_code == 200
    assert (await ask(it)).status_code == 200, "the limit of work is another"


async def test_a_key_may_have_a_rate_of_its_own(autojump_clock: Any) -> None:
    key, digest = new_key()
    alice = {"hash": digest, "rate": 0.5, "burst": 3}
    it = web(rate_limit_max_requests=1, rate_limit_window_ms=1_000_000, keys={"alice": alice})
    answers = [await ask(it, **{"X-API-Key": key}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == "3;w=6"
    other = await ask(it)
    assert (other.status_code, other.headers["RateLimit-Policy"]) == (200, "1;w=1000")


async def test_no_limit_no_headers() -> None:
    assert "RateLimit-Limit" not in (await ask(web(rate_limit_max_requests=0))).headers


def test_all_of_a_48_share_a_wider_limit() -> None:
    limit, clients = RateLimit(4, 60.0), [f"2001:db8:1:{number:x}::1" for number in range(60)]
    served = 0
    for client in map(partial(client_of, None), clients):
        served += limit.take(client, 0.0, crowd=crowd_of(client)).retry_after is None
    assert served == 4 * CROWD
    neighbour = client_of(None, "2001:db8:2::1")
    assert limit.take(neighbour, 0.0, crowd=crowd_of(neighbour)).retry_after is None


def test_a_client_over_its_own_limit_costs_the_others_of_its_48_nothing() -> None:
    limit, greedy, other = RateLimit(2, 60.0), "2001:db8:1:1::/64", "2001:db8:1:2::/64"
    for _ in range(100):
        limit.take(greedy, 0.0, crowd=crowd_of(greedy))
    assert [limit.take(other, 0.0, crowd=crowd_of(other)).retry_after is None for _ in range(3)] == [
        True,
        True,
        False,
    ]


def test_the_connections_of_a_48_are_limited_and_forgotten() -> None:
    limiter, addresses = ConnectionLimiter(1, ()), [f"2001:db8:1:{number:x}::1" for number in range(20)]
    assert [limiter.enter(address) for address in addresses] == [True] * CROWD + [False] * (20 - CROWD)
    limiter.leave(addresses[0])
    assert limiter.enter(addresses[-1])
    for address in (*addresses[1:CROWD], addresses[-1]):
        limiter.leave(address)
    assert [limiter.enter(address) for address in addresses[:CROWD]] == [True] * CROWD


@pytest.mark.parametrize("client", ["192.0.2.1", "key:a/64b", "unknown"])
def test_other_clients_have_no_crowd(client: str) -> None:
    assert crowd_of(client) is None


def test_one_client_has_so_many_connections() -> None:
    crowds = ConnectionLimiter(2, (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")))
    assert [crowds.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert crowds.enter("192.0.2.2")
    crowds.leave("192.0.2.1")
    assert [crowds.enter("192.0.2.1") for _ in range(2)] == [True, False]
    assert [crowds.enter(f"2001:db8:0:1::{n}") for n in (1, 2, 3)] == [True, True, False], "one /64"
    assert crowds.enter("2001:db8:0:2::1")
    assert [crowds.enter("::ffff:192.0.2.2"), crowds.enter("192.0.2.2")] == [True, True]
    for proxy in ("127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3"):
        assert all(crowds.enter(proxy) for _ in range(9))
        for _ in range(9):
            crowds.leave(proxy)


@given(descriptors=st.integers(0, 1 << 20), workers=st.integers(1, 64), most=st.integers(1, 2000))
def test_connections_leave_descriptors_for_all_workers(descriptors: int, workers: int, most: int) -> None:
    room, turned_away = places(descriptors, workers, most)
    assert 1 <= room <= max(most, 1)
    assert 1 <= turned_away <= TURNED_AWAY
    needed = max(descriptors // 4, OWN + OF_A_WORKER * workers)
    assert room + turned_away + needed <= descriptors or room <= 4, "it serves a few in any case"


def test_a_usual_limit_leaves_room_for_as_many_connections_as_may_be() -> None:
    assert places(65_536, 10, 1000) == (1000, TURNED_AWAY)
    assert places(1024, 10, 1000) == (768 - TURNED_AWAY, TURNED_AWAY)
