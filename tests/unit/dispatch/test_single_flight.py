"""Collaboration: equal jobs share one flight, on a mock clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from service.dispatch.single_flight import SingleFlight
from service.errors import DeadlineExceeded, QueueFull


class Work:
    """Takes `seconds`, and counts how it went."""

    def __init__(self, seconds: float = 5.0, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error
        self.begun = self.finished = self.cancelled = 0

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.cancelled += 1
            raise
        self.finished += 1
        if self.error is not None:
            raise self.error
        return "result"


async def call(sharing: SingleFlight[str], work: Work, results: list[str], key: str = "k") -> None:
    results.append(await sharing.do(key, work, deadline=trio.current_time() + 60, timeout=60))


async def test_equal_calls_share_one_flight(autojump_clock: MockClock) -> None:
    sharing, work, results = SingleFlight[str](), Work(), list[str]()
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(call, sharing, work, results)
    assert results == ["result"] * 100
    assert (work.begun, work.finished) == (1, 1)
    assert len(sharing) == 0


async def test_unequal_calls_fly_apart(autojump_clock: MockClock) -> None:
    sharing, work, results = SingleFlight[str](), Work(), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, sharing, work, results, "a")
        nursery.start_soon(call, sharing, work, results, "b")
    assert work.begun == 2


@pytest.mark.parametrize("leaver", [0, 1])
async def test_scenario_14_one_caller_leaves_and_the_other_is_served(
    autojump_clock: MockClock, leaver: int
) -> None:
    sharing, work, results = SingleFlight[str](), Work(), list[str]()
    scopes = [trio.CancelScope(), trio.CancelScope()]

    async def caller(scope: trio.CancelScope) -> None:
        with scope:
            await call(sharing, work, results)

    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(caller, scope)
            await wait_all_tasks_blocked()
        scopes[leaver].cancel()
    assert results == ["result"]
    assert (work.begun, work.finished, work.cancelled) == (1, 1, 0)


async def test_scenario_14_both_callers_leave_and_the_work_is_cancelled(autojump_clock: MockClock) -> None:
    sharing, work, results = SingleFlight[str](), Work(), list[str]()
    started = trio.current_time()
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, sharing, work, results)
            nursery.start_soon(call, sharing, work, results)
    assert results == []
    assert (work.begun, work.cancelled) == (1, 1)
    assert trio.current_time() - started == 1
    assert len(sharing) == 0


async def test_a_call_after_an_abandoned_flight_begins_its_own(autojump_clock: MockClock) -> None:
    sharing, results = SingleFlight[str](), list[str]()

    class SlowToDie(Work):
        async def __call__(self) -> str:
            try:
                return await super().__call__()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(2)

    dying, fresh = SlowToDie(), Work(1)

    async def gives_up() -> None:
        with trio.move_on_after(1):
            await call(sharing, dying, results)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(gives_up)
        await trio.sleep(2)  # the first is being killed, not gone
        await call(sharing, fresh, results)
    assert results == ["result"]
    assert (fresh.begun, dying.cancelled) == (1, 1)


async def test_every_caller_gets_the_failure(autojump_clock: MockClock) -> None:
    sharing, work = SingleFlight[str](), Work(error=QueueFull(3, retry_after=2))
    caught = []

    async def caller() -> None:
        with pytest.raises(QueueFull) as info:
            await call(sharing, work, [])
        caught.append(info.value.retry_after)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(caller)
    assert caught == [2, 2, 2]
    assert work.begun == 1


async def test_a_caller_that_joins_keeps_its_own_deadline(autojump_clock: MockClock) -> None:
    sharing, work, results = SingleFlight[str](), Work(10), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, sharing, work, results)
        await wait_all_tasks_blocked()
        with pytest.raises(DeadlineExceeded):
            await sharing.do("k", work, deadline=trio.current_time() + 1, timeout=1)
    assert results == ["result"]
