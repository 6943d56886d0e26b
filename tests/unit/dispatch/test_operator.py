"""Collaboration: an operator's orders at one instance, also for sites not met yet, on a mock clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from service.breaker.key import BreakerKey
from service.codes import Code
from service.dispatch.operator import Operator
from service.dispatch.quarantine import SENTENCE
from service.errors import CircuitOpen, UnknownSite
from tests.unit.dispatch.test_dispatch import CALLER, GOOD, JOB, harness


async def test_a_site_that_was_not_met_is_opened_in_advance(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher)
    assert operator.carry_out("open", "site.test")[0] == "CLOSED"
    assert operator.modes() == {"site.test": "open"}
    with pytest.raises(CircuitOpen):
        await it.submit()
    operator.carry_out("close", "site.test")
    assert operator.modes() == {}
    await it.submit()


async def test_an_order_for_an_unmet_site_is_taken_back(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher)
    operator.carry_out("disable", "other.test")
    operator.carry_out("reset", "other.test")
    assert operator.modes() == {}
    with pytest.raises(UnknownSite):
        operator.carry_out("reset", "other.test")


async def test_all_sites_are_a_star(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher)
    operator.carry_out("open", None)
    assert operator.modes() == {"*": "open"}
    assert not it.breakers.admits(BreakerKey("new.test"))
    operator.carry_out("reset", None)
    assert it.breakers.admits(BreakerKey("new.test"))


async def test_deaths_elsewhere_close_a_url_here(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    operator = Operator(it.breakers, it.dispatcher)
    operator.note_deaths(JOB.url, CALLER.client, ["SIGSEGV"] * 2, 100.0)
    assert await it.code() is Code.QUARANTINED
    (url,) = it.dispatcher.quarantine.listed(trio.current_time())
    assert url.seconds_left == SENTENCE - 100.0
    operator.note_release(JOB.url)
    await it.submit()


async def test_urls_are_released(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    it.dispatcher.quarantine.killed(JOB.url, "a client", trio.current_time(), ["SIGSEGV"] * 2)
    assert Operator(it.breakers, it.dispatcher).carry_out("release", JOB.url) == ("1", "0")
    await it.submit()
