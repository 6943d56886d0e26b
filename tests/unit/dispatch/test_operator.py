"""Collaboration: an operator's orders at one instance, also for sites not met yet, on a mock clock."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from service.breaker.key import BreakerKey
from service.codes import Code
from service.dispatch.operator import Operator
from service.dispatch.quarantine import SENTENCE
from service.errors import CircuitOpen, UnknownSite
from service.releases.store import ReleaseStore, StoreError
from tests.unit.dispatch.test_dispatch import CALLER, GOOD, JOB, harness
from tests.unit.releases.test_store import put


async def test_a_site_that_was_not_met_is_opened_in_advance(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher, ReleaseStore(None))
    assert (await operator.carry_out("open", "site.test"))[0] == "CLOSED"
    assert operator.modes() == {"site.test": "open"}
    with pytest.raises(CircuitOpen):
        await it.submit()
    await operator.carry_out("close", "site.test")
    assert operator.modes() == {}
    await it.submit()


async def test_an_order_for_an_unmet_site_is_taken_back(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher, ReleaseStore(None))
    await operator.carry_out("disable", "other.test")
    await operator.carry_out("reset", "other.test")
    assert operator.modes() == {}
    with pytest.raises(UnknownSite):
        await operator.carry_out("reset", "other.test")


async def test_all_sites_are_a_star(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher, ReleaseStore(None))
    await operator.carry_out("open", None)
    assert operator.modes() == {"*": "open"}
    assert not it.breakers.admits(BreakerKey("new.test"))
    await operator.carry_out("reset", None)
    assert it.breakers.admits(BreakerKey("new.test"))


async def test_deaths_elsewhere_close_a_url_here(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher, ReleaseStore(None))
    operator.note_deaths(JOB.url, CALLER.client, ["SIGSEGV"] * 2, 100.0)
    assert await it.code() is Code.QUARANTINED
    (url,) = it.dispatcher.quarantine.listed(trio.current_time())
    assert url.seconds_left == SENTENCE - 100.0
    operator.note_release(JOB.url)
    await it.submit()


async def test_urls_are_released(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    it.dispatcher.quarantine.killed(JOB.url, "a client", trio.current_time(), ["SIGSEGV"] * 2)
    operator = Operator(it.breakers, it.dispatcher, ReleaseStore(None))
    assert await operator.carry_out("release", JOB.url) == ("1", "0")
    await it.submit()


async def test_releases_are_pinned_and_barred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it, store = harness(GOOD), ReleaseStore(tmp_path)
    put(tmp_path, "2030.1.1")
    operator = Operator(it.breakers, it.dispatcher, store)
    assert await operator.carry_out("pin", "2030.01.01") == ("unpinned", "2030.1.1")
    assert await operator.carry_out("pin", "2030.1.1") == ("2030.1.1", "2030.1.1")
    assert await operator.carry_out("unpin", None) == ("2030.1.1", "unpinned")
    assert await operator.carry_out("bar", "2030.2.1", "it is worse") == ("allowed", "barred")
    assert store.state().barred == {"2030.2.1": "it is worse"}
    written = (tmp_path / "state.json").stat().st_mtime_ns
    assert await operator.carry_out("bar", "2030.2.1", "it is worse") == ("barred", "barred")
    assert (tmp_path / "state.json").stat().st_mtime_ns == written
    assert await operator.carry_out("unbar", "2030.2.1") == ("barred", "allowed")
    monkeypatch.setattr("service.dispatch.operator.MOST_BARRED", 1)
    await operator.carry_out("bar", "2030.2.1")
    for action, version in (("pin", "2031.1.1"), ("bar", "../../etc"), ("bar", "2030.2.2")):
        with pytest.raises(StoreError):
            await operator.carry_out(action, version)  # type: ignore[arg-type]
