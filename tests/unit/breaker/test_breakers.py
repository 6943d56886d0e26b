"""Collaboration tests of the registry on a mock clock: keys, eviction, its own breaker, admin commands."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from service.breaker.key import BreakerKey
from service.breaker.registry import OVERFLOW, Breakers
from service.codes import Code
from service.errors import CircuitOpen, UnknownSite
from service.events import BreakerChanged, Event, Events, WorkerBootFailed, WorkerEnded, WorkerStarted

from ...support.breaker_story import A_SITE, IGNORED, SUCCESS, failed, story, watched

ANOTHER = BreakerKey("another.test")


def state_of(breakers: Breakers, site: str) -> str:
    return next(each.state for each in breakers.statistics().sites if each.site == site)


# One site among others


async def test_a_failing_site_is_refused_and_another_is_not() -> None:
    breakers, _ = watched(story())
    await failed(breakers, A_SITE)
    with pytest.raises(CircuitOpen) as refusal:
        breakers.check(A_SITE)
    assert (refusal.value.site, refusal.value.code) == ("site.test", Code.CIRCUIT_OPEN)
    assert refusal.value.retry_after == pytest.approx(5.0, abs=1.0)
    with pytest.raises(CircuitOpen):
        await breakers.admit(A_SITE)
    assert not breakers.admits(A_SITE)
    breakers.check(ANOTHER)
    assert breakers.admits(ANOTHER)
    breakers.settle(await breakers.admit(ANOTHER), SUCCESS)


async def test_the_egress_is_a_part_of_the_key() -> None:
    breakers, _ = watched(story())
    await failed(breakers, A_SITE)
    breakers.check(BreakerKey("site.test", "second"))


async def test_a_site_may_have_settings_of_its_own() -> None:
    overrides = {"site.test": story(minimum_calls=2)}
    breakers = Breakers(story(), Events(), overrides=overrides)
    await failed(breakers, A_SITE, times=2)
    await failed(breakers, ANOTHER, times=2)
    assert state_of(breakers, "site.test") == "OPEN"
    assert state_of(breakers, "another.test") == "CLOSED"


async def test_an_admission_is_settled_once() -> None:
    breakers, _ = watched(story())
    admission = await breakers.admit(A_SITE)
    breakers.settle(admission, SUCCESS)
    with pytest.raises(RuntimeError, match="settled once"):
        breakers.settle(admission, SUCCESS)


# The bounded registry


async def test_only_breakers_without_state_are_evicted_and_the_rest_share_one_that_never_refuses() -> None:
    events, heard = Events(), list[Event]()
    events.subscribe(heard.append)
    breakers = Breakers(story(), events, capacity=2)
    await failed(breakers, A_SITE, times=1)
    breakers.settle(await breakers.admit(BreakerKey("fine.test")), SUCCESS)
    await failed(breakers, ANOTHER, times=1)  # evicts fine.test
    assert [site.site for site in breakers.statistics().sites] == ["site.test", "another.test"]
    for number in range(20):
        await failed(breakers, BreakerKey(f"junk{number}.test"), times=1)
    overflow = breakers.statistics().sites[-1]
    assert (overflow.site, overflow.mode, overflow.failures) == (OVERFLOW.site, "METRICS_ONLY", 20)
    assert breakers.statistics().total_requests == 23
    assert heard == []


async def test_the_breaker_not_asked_for_longest_goes_first() -> None:
    breakers = Breakers(story(), Events(), capacity=2)
    for key in (A_SITE, ANOTHER, A_SITE, BreakerKey("third.test")):
        breakers.check(key)
    assert [site.site for site in breakers.statistics().sites] == ["site.test", "third.test"]


async def test_running_calls_keep_a_breaker() -> None:
    breakers = Breakers(story(), Events(), capacity=1)
    admission = await breakers.admit(A_SITE)
    await breakers.admit(ANOTHER)
    assert [site.site for site in breakers.statistics().sites] == ["site.test", OVERFLOW.site]
    breakers.settle(admission, SUCCESS)
    await breakers.admit(ANOTHER)
    assert [site.site for site in breakers.statistics().sites] == ["another.test", OVERFLOW.site]


# The service's own breaker


async def test_the_services_trouble_refuses_every_site_and_blames_none() -> None:
    breakers, heard = watched(story())
    for _ in range(4):
        breakers.service_failed()
    for key in (A_SITE, ANOTHER):
        with pytest.raises(CircuitOpen) as refusal:
            breakers.check(key)
        assert refusal.value.site is None
        with pytest.raises(CircuitOpen):
            await breakers.admit(key)
    statistics = breakers.statistics()
    assert (statistics.state, statistics.service.state) == ("OPEN", "OPEN")
    assert state_of(breakers, "site.test") == "CLOSED"
    assert heard == [BreakerChanged(None, "CLOSED", "OPEN", "4 calls failed in a row")]


async def test_two_calls_that_succeed_end_the_services_trouble(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story())
    for _ in range(4):
        breakers.service_failed()
    breakers.service_failed()  # no longer counts
    await trio.sleep(5)
    breakers.service_succeeded()  # does not close it: only calls can
    assert breakers.admits(A_SITE)
    for _ in range(2):
        breakers.settle(await breakers.admit(A_SITE), SUCCESS)
    assert breakers.statistics().state == "CLOSED"


async def test_a_probe_that_meets_the_same_trouble_opens_the_services_breaker_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story())
    for _ in range(4):
        breakers.service_failed()
    await trio.sleep(5)
    breakers.settle(await breakers.admit(A_SITE), IGNORED)  # a dead proxy is not the site's fault
    breakers.service_failed()
    assert breakers.statistics().service.state == "OPEN"


async def test_failed_boots_count_only_while_no_worker_serves() -> None:
    breakers, _ = watched(story())
    breakers.on_event(WorkerStarted(pid=1, boot_seconds=0.1))
    for _ in range(10):
        breakers.on_event(WorkerBootFailed("EAGAIN", retry_in=1.0))
    breakers.on_event(WorkerEnded(pid=1, reason="idle", tasks=0))
    assert breakers.statistics().service.failures == 0
    for _ in range(3):
        breakers.on_event(WorkerBootFailed("EAGAIN", retry_in=1.0))
    assert breakers.statistics().service.failures == 3
    assert breakers.statistics().service.state == "OPEN"


async def test_a_site_that_refuses_gives_the_services_permit_back() -> None:
    breakers, _ = watched(story())
    await failed(breakers, A_SITE)
    with pytest.raises(CircuitOpen):
        await breakers.admit(A_SITE)
    assert breakers.statistics().service.in_flight == 0


# The operator


async def test_reset_of_one_site_leaves_the_others() -> None:
    breakers, heard = watched(story())
    await failed(breakers, A_SITE)
    await failed(breakers, ANOTHER)
    assert breakers.reset("site.test") == ("OPEN", "CLOSED")
    assert state_of(breakers, "site.test") == "CLOSED"
    assert breakers.statistics().state == "OPEN"
    assert breakers.reset() == ("OPEN", "CLOSED")
    assert breakers.reset() == ("CLOSED", "CLOSED")
    assert len(heard) == 4


async def test_an_operators_order_for_all_holds_for_sites_to_come() -> None:
    breakers, _ = watched(story())
    await failed(breakers, A_SITE)
    assert breakers.disable() == ("OPEN", "DISABLED")
    await failed(breakers, BreakerKey("new.test"), times=20)
    assert breakers.force_open("new.test") == ("DISABLED", "FORCED_OPEN")
    with pytest.raises(CircuitOpen) as refusal:
        breakers.check(BreakerKey("new.test"))
    assert refusal.value.retry_after is None
    assert breakers.close("new.test") == ("FORCED_OPEN", "CLOSED")
    assert breakers.close()[1] == "CLOSED"
    await failed(breakers, BreakerKey("newer.test"))
    assert state_of(breakers, "newer.test") == "OPEN"


async def test_an_unknown_site_is_named() -> None:
    breakers, _ = watched(story())
    with pytest.raises(UnknownSite, match=r"'nowhere\.test'") as error:
        breakers.reset("nowhere.test")
    assert error.value.code is Code.INVALID_REQUEST


async def test_statistics_sum_up_and_tell_the_settings() -> None:
    breakers, _ = watched(story())
    await failed(breakers, A_SITE, times=3)
    breakers.settle(await breakers.admit(ANOTHER), SUCCESS)
    statistics = breakers.statistics()
    assert (statistics.state, statistics.failures, statistics.successes) == ("CLOSED", 3, 1)
    assert (statistics.total_requests, statistics.total_failures, statistics.total_successes) == (4, 3, 1)
    assert statistics.config["cooldown"] == 5.0
    assert [site.site for site in statistics.sites] == ["site.test", "another.test"]
