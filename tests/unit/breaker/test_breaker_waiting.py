"""Collaboration tests on a mock clock: callers who wait for a probe's result, and the cooldown task."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from service.breaker.key import BreakerKey
from service.breaker.registry import Breakers, cooldowns
from service.errors import CircuitOpen
from service.events import BreakerChanged, Event, Events

from ...support.breaker_story import A_SITE, FAILURE, IGNORED, SUCCESS, UNDECIDED, failed, story, watched


def changes(heard: Sequence[Event]) -> list[BreakerChanged]:
    return [event for event in heard if isinstance(event, BreakerChanged)]


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


async def test_a_breaker_with_waiting_callers_is_not_evicted(autojump_clock: trio.testing.MockClock) -> None:
    breakers = Breakers(story(probe_wait=30.0, memory=1.0), Events(), capacity=1)
    await half_open(breakers)
    for _ in range(2):
        breakers.settle(await breakers.admit(A_SITE), UNDECIDED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(breakers.ready, A_SITE)
        await trio.sleep(3)
        breakers.check(BreakerKey("another.test"))
        assert [(site.site, site.waiting) for site in breakers.statistics().sites] == [("site.test", 1)]
        nursery.cancel_scope.cancel()


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
        await failed(breakers, BreakerKey("another.test"))
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
