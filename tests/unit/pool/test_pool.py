"""The pool's own decisions: idling, recycling, hand-off, backoff. Collaboration: fakes, mock clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any, cast

import pytest
import trio
import trio.testing

from service import events
from service.config import Config
from service.errors import QueueFull
from service.pool.accounting import Cost
from service.pool.admission import Ticket
from service.pool.lease import Lease, Preempted
from service.pool.memory import Memory
from service.pool.pool import Pool
from service.pool.process import Process, WorkerDied
from service.pool.statistics import PoolSummary
from service.pool.template import ForkFailed, Template
from service.template_wire import Warm
from service.wire import Job, Kind, Outcome, Success, Usage


class FakeProcess:
    """Runs `https://fake.test/SECONDS` in so many seconds of the clock, and dies on request."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.born = trio.current_time()
        self.ended = False
        self.solving = 0.0
        self.fit = True
        self._death = trio.Event()

    async def ready(self) -> None:
        await trio.sleep(0.01)

    async def run(self, job: Job, timeout: float, visits: object = None) -> Outcome:
        with trio.move_on_after(float(job.url.rpartition("/")[2])):
            await self._death.wait()
            raise WorkerDied
        return Success(str(self.pid).encode(), usage=Usage(requests=1, site_requests=1))

    def healthy(self) -> bool:
        return self.fit and not self.ended

    def cost(self, *, below: bool = False) -> Cost:
        return Cost()

    def die(self) -> None:
        self._death.set()

    async def wait(self) -> None:
        await self._death.wait()
        self.ended = True

    async def end(self, grace: float) -> int:
        self.ended = True
        await trio.sleep(0.01)
        return 0

    def skip_grace(self) -> None:
        pass


class FakeTemplate:
    def __init__(self) -> None:
        self.warm = Warm("fake", None)
        self.solver = None
        self.version = "fake"
        self.alive = True
        self.optional = False
        self.forks = True
        self.made: list[FakeProcess] = []

    def pids(self) -> frozenset[int]:
        return frozenset()

    async def spawn(self) -> Process:
        await trio.lowlevel.checkpoint()
        if not self.forks:
            raise ForkFailed("fork: no")
        self.made.append(FakeProcess(1000 + len(self.made)))
        return cast(Process, self.made[-1])


class Fakes:
    def __init__(self, draws: list[float] | None = None, **settings: Any) -> None:
        self.template = FakeTemplate()
        self.log: list[events.Event] = []
        bus = events.Events()
        bus.subscribe(self.log.append)
        config = Config.load(**{"min_workers": 1, "max_workers": 3, "worker_idle_ms": 10_000, **settings})
        draw = (lambda: draws.pop(0)) if draws else (lambda: 0.5)
        self.pool = Pool(config, cast(Template, self.template), bus, draw=draw)

    async def ask(self, seconds: float = 0) -> int:
        """The pid of the worker that ran the job."""
        async with self.pool.acquire(Ticket("")) as lease:
            return await self.on(lease, seconds)

    async def on(self, lease: Lease, seconds: float = 0) -> int:
        outcome = await lease.run(Job(Kind.EXTRACT, f"https://fake.test/{seconds}"), 60)
        assert isinstance(outcome, Success)
        return int(outcome.body)

    def ended(self) -> list[tuple[int, str]]:
        return [(event.pid, event.reason) for event in self.log if isinstance(event, events.WorkerEnded)]


@asynccontextmanager
async def running(fakes: Fakes) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        for index in fakes.pool.slots:
            nursery.start_soon(fakes.pool.run_slot, index)
        yield nursery
        nursery.cancel_scope.cancel()


async def test_a_worker_above_the_floor_goes_after_idling_and_the_coldest_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes()
    async with running(fakes) as nursery:
        for _ in range(3):
            nursery.start_soon(fakes.ask, 1)
        await trio.sleep(2)
        assert fakes.pool.statistics().active_workers == 3
        warm = await fakes.ask()
        for _ in range(5):  # one client every 4 seconds, always on the most recently used worker
            await trio.sleep(4)
            assert await fakes.ask() == warm
        assert fakes.pool.statistics().active_workers == 1
        assert {reason for _, reason in fakes.ended()} == {"idle"}
        await trio.sleep(1000)
        assert fakes.pool.statistics().active_workers == 1  # the floor stays


async def test_scenario_28_a_task_wins_over_the_idle_timeout_of_the_same_tick(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(min_workers=1, max_workers=2)
    async with running(fakes) as nursery:
        nursery.start_soon(fakes.ask, 1)
        nursery.start_soon(fakes.ask, 1)
        await trio.sleep(5)
        assert fakes.pool.statistics().idle_workers == 2
        worker = fakes.pool.roster.idle[0]
        worker.watch.cancel()  # as its deadline does at the beginning of this tick …
        async with fakes.pool.acquire(Ticket("")) as lease:
            assert lease.worker is worker  # … in which it is taken
            await trio.sleep(60)
            assert worker.reason is None
            await fakes.on(lease, 1)
        assert fakes.pool.statistics().completed_tasks == 3


@pytest.mark.parametrize("moment", [9.998, 9.999, 10.0, 10.001])
async def test_scenario_28_no_request_suffers_from_idle_timeouts(
    autojump_clock: trio.testing.MockClock, moment: float
) -> None:
    fakes = Fakes(min_workers=1, max_workers=3)
    async with running(fakes) as nursery:
        for _ in range(3):
            nursery.start_soon(fakes.ask, 1)
        await trio.sleep(0.5)
        await trio.sleep(0.53)  # to the end of the jobs: the last worker was booted last
        await trio.sleep(moment)
        for _ in range(3):
            nursery.start_soon(fakes.ask, 1)
        await trio.sleep(2)
        statistics = fakes.pool.statistics()
        assert (statistics.completed_tasks, statistics.retried_tasks) == (6, 0)


async def test_a_heartbeat_reads_no_memory(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read it the kernel walks all pages of each process, and meanwhile nothing else runs."""
    fakes = Fakes(max_workers=1)
    async with running(fakes) as nursery:
        for _ in range(2):
            nursery.start_soon(fakes.ask, 5)
        await trio.sleep(1)
        statistics = fakes.pool.statistics()
        monkeypatch.setattr(Memory, "of", None)
        summary = fakes.pool.summary()
    assert summary == PoolSummary(
        total_tasks=2, active_tasks=1, queue_length=1, active_workers=1, ytdlp="fake"
    )
    assert all(getattr(statistics, field.name) == getattr(summary, field.name) for field in fields(summary))


async def test_scenario_16_workers_of_one_age_are_not_recycled_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes([0.0, 0.3, 0.7, 1.0], min_workers=4, max_workers=4, max_tasks_per_worker=100)
    async with running(fakes):
        await fakes.pool.warm_floor()
        assert sorted(worker.due for worker in fakes.pool.roster) == [85, 94, 106, 115]


async def test_a_freed_worker_is_handed_over_in_the_same_tick(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes) as nursery:
        await fakes.pool.warm_floor()
        begun = trio.current_time()
        for _ in range(5):
            nursery.start_soon(fakes.ask, 1)
        await trio.sleep(5.001)
        assert fakes.pool.statistics().completed_tasks == 5
        assert trio.current_time() - begun < 5.01


async def test_a_lease_that_never_ran_returns_its_worker(autojump_clock: trio.testing.MockClock) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes):
        with pytest.raises(ZeroDivisionError):
            async with fakes.pool.acquire(Ticket("")):
                raise ZeroDivisionError
        assert await fakes.ask() == 1000


async def test_a_lease_cancelled_in_the_tick_of_its_turn_returns_its_worker(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes):
        await fakes.pool.warm_floor()
        with trio.CancelScope() as scope:
            scope.cancel()
            await fakes.ask()
        statistics = fakes.pool.statistics()
        assert (statistics.active_tasks, statistics.idle_workers, statistics.queue_length) == (0, 1, 0)


async def test_an_unfit_worker_is_passed_over(autojump_clock: trio.testing.MockClock) -> None:
    fakes = Fakes(min_workers=2)
    async with running(fakes):
        await fakes.pool.warm_floor()
        warm = fakes.pool.roster.idle[0].process
        cast(FakeProcess, warm).fit = False
        assert await fakes.ask() != warm.pid
        await trio.sleep(1)
        assert (warm.pid, "suspect") in fakes.ended()


async def test_the_queue_is_bounded(autojump_clock: trio.testing.MockClock) -> None:
    fakes = Fakes(max_workers=1, queue_max=2)
    async with running(fakes) as nursery:
        await fakes.pool.warm_floor()
        for _ in range(3):
            nursery.start_soon(fakes.ask, 1)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(QueueFull):
            await fakes.ask()


async def test_a_caller_whose_ticket_is_shed_gets_queue_full(autojump_clock: trio.testing.MockClock) -> None:
    """Once service times are known, a ticket that cannot be served in time is refused."""
    fakes = Fakes(max_workers=1)
    refused: list[QueueFull] = []

    async def hurried() -> None:
        try:
            async with fakes.pool.acquire(Ticket("", deadline=trio.current_time() + 13)) as lease:
                await fakes.on(lease, 10)
        except QueueFull as error:
            refused.append(error)

    async with running(fakes) as nursery:
        for _ in range(6):
            await fakes.ask(1)
        nursery.start_soon(fakes.ask, 40)
        await trio.sleep(0.1)
        nursery.start_soon(hurried)
        await trio.sleep(60)
        assert len(refused) == 1


async def test_scenario_21_boot_failures_slow_down_and_recover(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes()
    fakes.template.forks = False
    async with running(fakes):
        await trio.sleep(90)
        failures = [event for event in fakes.log if isinstance(event, events.WorkerBootFailed)]
        assert [failure.retry_in for failure in failures] == [0.5, 1, 2, 4, 8, 16, 30, 30]
        assert fakes.pool.statistics().degraded
        assert fakes.pool.deserted() >= 90
        fakes.template.forks = True
        assert await fakes.ask() == 1000
        assert fakes.pool.deserted() == 0
        assert not fakes.pool.statistics().degraded


async def test_a_slot_gives_up_when_its_worker_is_no_longer_needed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes()
    async with running(fakes) as nursery:
        await fakes.pool.warm_floor()
        fakes.template.forks = False
        for _ in range(3):
            nursery.start_soon(fakes.ask, 1)
        await trio.sleep(50)
        fakes.template.forks = True
        await trio.sleep(100)
        statistics = fakes.pool.statistics()
        assert (statistics.completed_tasks, statistics.workers_created) == (3, 1)


async def test_a_worker_is_gone_within_its_own_job_and_the_job_goes_on_elsewhere(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes) as nursery:
        await fakes.pool.warm_floor()
        pids: list[int] = []

        async def client() -> None:
            pids.append(await fakes.ask(1))

        nursery.start_soon(client)
        await trio.sleep(0.5)
        fakes.template.made[0].die()
        await trio.sleep(2)
        assert pids == [1001]
        assert fakes.ended() == [(1000, "crashed")]


async def test_a_client_that_holds_all_workers_makes_room_for_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=3)
    preempted: list[Preempted] = []

    async def drip() -> None:
        try:
            async with fakes.pool.acquire(Ticket("greedy")) as lease:
                await fakes.on(lease, 25)
        except Preempted as error:
            preempted.append(error)

    async with running(fakes) as nursery:
        for _ in range(3):
            nursery.start_soon(drip)
        await trio.sleep(5)
        began = trio.current_time()
        async with fakes.pool.acquire(Ticket("modest")) as lease:
            assert trio.current_time() - began < 5  # not 20
            await fakes.on(lease, 0.5)
        assert len(preempted) == 1
        assert [reason for _, reason in fakes.ended()] == ["preempted"]
        nursery.start_soon(drip)  # it is bound to its share now
        await trio.sleep(1)
        assert await fakes.ask() is not None
        assert len(preempted) == 1
