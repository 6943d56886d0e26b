"""Collaboration: counters are read from one snapshot a second where many sites are known."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from service.breaker.key import BreakerKey
from service.web.http.snapshots import FEW, MAX_AGE
from tests.support.streaming_client import asking
from tests.support.web_app import ROLLOUT, Web, web


def with_sites(count: int) -> Web:
    it = web()
    for number in range(count):
        it.breakers.check(BreakerKey(f"{number}.test"))
    return it


def counting(it: Web, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the statistics of all breakers are taken, from now on."""
    taken, statistics = list[float](), it.breakers.statistics

    def counted() -> object:
        taken.append(trio.current_time())
        return statistics()

    monkeypatch.setattr(it.breakers, "statistics", counted)
    return taken


@pytest.mark.parametrize("path", ["/health", "/metrics", "/api/v1/metrics"])
async def test_many_readers_share_a_snapshot(
    path: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = with_sites(512)
    it.telemetry.metrics.observe(it.pool, it.breakers, it.lifecycle, it.dispatcher.cache, lambda: ROLLOUT)
    taken = counting(it, monkeypatch)
    bodies = {await (await it.get(path)).get_data() for _ in range(50)}
    assert (len(bodies), len(taken)) == (1, 1)
    await trio.sleep(MAX_AGE)
    await it.get(path)
    assert len(taken) == 2


async def test_admins_do_not_share_with_others(autojump_clock: MockClock) -> None:
    it = web(admin_key="the key of an admin")
    for number in range(FEW + 1):
        it.breakers.check(BreakerKey(f"{number}.test"))
    admin = await (await it.get("/health", headers={"X-API-Key": "the key of an admin"})).get_data()
    assert b"4242" in admin
    assert b"4242" not in await (await it.get("/health")).get_data()


async def test_where_few_sites_are_known_each_reader_gets_the_latest(autojump_clock: MockClock) -> None:
    it = with_sites(FEW - 1)
    assert b'"site":"new.test"' not in await (await it.get("/api/v1/metrics")).get_data()
    it.breakers.check(BreakerKey("new.test"))
    assert b'"site":"new.test"' in await (await it.get("/api/v1/metrics")).get_data()


async def test_a_storm_of_events_makes_no_more_snapshots_for_the_dashboard(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = with_sites(512)
    taken = counting(it, monkeypatch)
    async with (
        asking(it.app, "GET", "/api/v1/dashboard/stream") as first,
        asking(it.app, "GET", "/api/v1/dashboard/stream") as second,
    ):
        for number in range(20):
            it.breakers.force_open(f"{number}.test")
            await first.piece()
            await second.piece()
        assert len(taken) <= trio.current_time() - taken[0] + 1
        assert len(taken) >= 2
        first.leave()
        second.leave()
