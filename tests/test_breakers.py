"""Collaboration tests of the registry on a mock clock: keys, eviction, waiting callers, the cooldown task."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from service.breaker_settings import BreakerSettings, Mode
from service.breakers import OVERFLOW, BreakerKey, Breakers, cooldowns
from service.errors import CircuitOpen, Code, UnknownSite
from service.events import BreakerChanged, Event, Events, WorkerBootFailed, WorkerEnded, WorkerStarted

from .breaking import A_SITE, FAILURE, IGNORED, SUCCESS, UNDECIDED, story

ANOTHER = BreakerKey("another.test")


def watched(settings: BreakerSettings) -> tuple[Breakers, list[Event]]:
    events, heard = Events(), list[Event]()
    events.subscribe(heard.append)
    return Breakers(settings, events), heard


async def failed(breakers: Breakers, key: BreakerKey, times: int = 4) -> None:
    for _ in range(times):
        breakers.settle(await breakers.admit(key), FAILURE)


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


async def test_only_what_carries_no_state_makes_room_and_the_rest_shares_one_that_refuses_nobody() -> None:
    events, heard = Events(), list[Event]()
    events.subscribe(heard.append)
    breakers = Breakers(story(), events, capacity=2)
    await failed(breakers, A_SITE, times=1)
    breakers.settle(await breakers.admit(BreakerKey("fine.test")), SUCCESS)
    await failed(breakers, ANOTHER, times=1)  # takes the place of fine.test
    assert [site.site for site in breakers.statistics().sites] == ["site.test", "another.test"]
    for number in range(20):
        await failed(breakers, BreakerKey(f"junk{number}.test"), times=1)
    overflow = breakers.statistics().sites[-1]
    assert (overflow.site, overflow.mode, overflow.failures) == (OVERFLOW.site, "METRICS_ONLY", 20)
    assert breakers.statistics().total_requests == 23
    assert heard == []


async def test_running_calls_and_waiting_callers_keep_a_breaker(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers = Breakers(story(), Events(), capacity=1)
    admission = await breakers.admit(A_SITE)
    await breakers.admit(ANOTHER)
    assert [site.site for site in breakers.statistics().sites] == ["site.test", OVERFLOW.site]
    breakers.settle(admission, SUCCESS)
    await breakers.admit(ANOTHER)
    assert [site.site for site in breakers.statistics().sites] == ["another.test", OVERFLOW.site]


# Callers who wait for a probe's result


async def half_open(breakers: Breakers) -> None:
    await failed(breakers, A_SITE)
    await trio.sleep(5)


class Callers:
    """Callers of A_SITE, and how each fared."""

    def __init__(self) -> None:
        self.admitted = 0
        self.refused: list[float] = []
        self.start = trio.current_time()

    async def one(self, breakers: Breakers, wait: bool = True) -> None:
        try:
            breakers.settle(await breakers.admit(A_SITE, wait=wait), SUCCESS)
            self.admitted += 1
        except CircuitOpen:
            self.refused.append(trio.current_time() - self.start)


async def test_callers_wait_for_the_probes_and_go_on_when_the_breaker_closes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story(probe_wait=3.0))
    await half_open(breakers)
    probes = [await breakers.admit(A_SITE), await breakers.admit(A_SITE)]
    callers = Callers()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(callers.one, breakers)
        await trio.testing.wait_all_tasks_blocked()
        assert breakers.statistics().sites[0].waiting == 10
        await trio.sleep(2)
        for probe in probes:
            breakers.settle(probe, SUCCESS)
    assert (callers.admitted, callers.refused) == (10, [])
    assert trio.current_time() - callers.start == pytest.approx(2.0)


async def test_callers_are_refused_as_soon_as_a_probe_fails(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story(probe_wait=3.0))
    await half_open(breakers)
    probes = [await breakers.admit(A_SITE), await breakers.admit(A_SITE)]
    callers = Callers()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(callers.one, breakers)
        await trio.sleep(1)
        breakers.settle(probes[0], FAILURE)
    assert callers.refused == pytest.approx([1.0, 1.0, 1.0])
    assert breakers.statistics().sites[0].rejected_requests == 3


async def test_callers_wait_no_longer_than_the_bound_and_no_more_than_the_places(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story(probe_wait=3.0, probe_waiters=2))
    await half_open(breakers)
    for _ in range(2):
        await breakers.admit(A_SITE)
    callers = Callers()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(callers.one, breakers)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(CircuitOpen):
            breakers.check(A_SITE)
        nursery.start_soon(callers.one, breakers, False)
    assert callers.refused == pytest.approx([0.0, 0.0, 3.0, 3.0])


async def test_a_freed_permit_goes_to_the_caller_who_waits_longest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story(probe_wait=3.0))
    await half_open(breakers)
    probes = [await breakers.admit(A_SITE), await breakers.admit(A_SITE)]
    order: list[int] = []

    async def caller(number: int) -> None:
        await breakers.admit(A_SITE)
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(caller, number)
            await trio.testing.wait_all_tasks_blocked()
        breakers.settle(probes[0], IGNORED)
        await trio.testing.wait_all_tasks_blocked()
        assert order == [0]
        nursery.cancel_scope.cancel()


async def test_ready_waits_without_taking_a_permit(autojump_clock: trio.testing.MockClock) -> None:
    breakers, _ = watched(story(probe_wait=3.0))
    await breakers.ready(A_SITE)
    await half_open(breakers)
    probe, _ = await breakers.admit(A_SITE), await breakers.admit(A_SITE)
    with pytest.raises(CircuitOpen):
        await breakers.ready(A_SITE)
    assert trio.current_time() == pytest.approx(8.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(breakers.ready, A_SITE)
        await trio.testing.wait_all_tasks_blocked()
        breakers.settle(probe, IGNORED)
    assert trio.current_time() == pytest.approx(8.0)
    assert breakers.statistics().sites[0].probes == 1


# The cooldown task


async def test_the_task_applies_each_timed_transition_at_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, heard = watched(story())
    async with trio.open_nursery() as nursery:
        await nursery.start(cooldowns, breakers)
        await trio.sleep(1)
        await failed(breakers, A_SITE)
        await trio.sleep(1)
        await failed(breakers, ANOTHER)
        await trio.sleep(3.9)
        assert [event.current for event in changes(heard)] == ["OPEN", "OPEN"]
        await trio.sleep(0.2)
        assert [(event.site, event.current) for event in changes(heard)[2:]] == [("site.test", "HALF_OPEN")]
        probe = await breakers.admit(A_SITE)  # and it hangs
        await trio.sleep(8.5)
        assert (changes(heard)[-1].site, changes(heard)[-1].current) == ("site.test", "OPEN")
        breakers.settle(probe, SUCCESS)
        nursery.cancel_scope.cancel()
    assert [event.site for event in changes(heard)].count("another.test") == 2


async def test_the_task_trips_for_slow_calls_that_still_run(autojump_clock: trio.testing.MockClock) -> None:
    breakers, heard = watched(story(slow_after=2.0))
    async with trio.open_nursery() as nursery:
        await nursery.start(cooldowns, breakers)
        for _ in range(20):
            await breakers.admit(A_SITE)
        await trio.sleep(1.9)
        assert heard == []
        await trio.sleep(0.2)
        assert heard == [BreakerChanged("site.test", "CLOSED", "OPEN", "20 of 20 calls were slow")]
        nursery.cancel_scope.cancel()


async def test_the_task_wakes_callers_when_an_undecided_probes_permit_comes_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, _ = watched(story(probe_wait=30.0))
    async with trio.open_nursery() as nursery:
        await nursery.start(cooldowns, breakers)
        await half_open(breakers)
        for _ in range(2):
            breakers.settle(await breakers.admit(A_SITE), UNDECIDED)
        start = trio.current_time()
        await breakers.admit(A_SITE)
        assert trio.current_time() - start == pytest.approx(5.0)
        nursery.cancel_scope.cancel()


def changes(heard: Sequence[Event]) -> list[BreakerChanged]:
    return [event for event in heard if isinstance(event, BreakerChanged)]


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
    breakers.service_failed()  # counts nowhere any more
    await trio.sleep(5)
    breakers.service_succeeded()  # closes nothing: only calls can tell
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
    breakers, _ = watched(story(mode=Mode.AUTOMATIC))
    await failed(breakers, A_SITE, times=3)
    breakers.settle(await breakers.admit(ANOTHER), SUCCESS)
    statistics = breakers.statistics()
    assert (statistics.state, statistics.failures, statistics.successes) == ("CLOSED", 3, 1)
    assert (statistics.total_requests, statistics.total_failures, statistics.total_successes) == (4, 3, 1)
    assert statistics.config["cooldown"] == 5.0
    assert [site.site for site in statistics.sites] == ["site.test", "another.test"]
