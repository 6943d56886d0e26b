"""The pool: which job runs next, on which worker, and how many workers there are.

The roster's capacity limiter bounds how many jobs run; the admission queue orders them.
Every change of either ends in one synchronous step, `_advance`, so a worker that becomes free goes to the
next request in the same tick. MAX_WORKERS long-lived tasks, the slots, boot workers, watch them, end them and
reap them; nothing else does.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from .. import events
from ..config import Config
from ..errors import ShuttingDown
from ..wire import Outcome, Success, Usage
from .accounting import Cost
from .admission import PATIENCE, AdmissionQueue, Ticket
from .lease import Lease
from .memory import Memory
from .resources import scaler_for
from .roster import Roster
from .scaling import Arrived, Booted, Finished, Load, Scaler
from .spawning import Spawner
from .statistics import PoolStatistics, PoolSummary, WorkerStatistics
from .template import Template
from .templates import Templates
from .worker import Reason, Worker

__all__ = ["Lease", "Pool", "PoolStatistics", "WorkerStatistics"]

BOOT = 10.0  # seconds in which a worker must say READY
GRACE = 2.0  # seconds between TERM and KILL
REPLACING = 5.0  # seconds after which the replacement of a worker is tried again
COMING = 0.1  # seconds between two looks at a worker that is on its way


class Pool:
    """MIN_WORKERS to MAX_WORKERS workers, and the requests that wait for them.

    Args:
        scaler: decides the number of workers; None: one for the settings and the machine.
        boot, grace: seconds until READY, and between TERM and KILL.
        draw: numbers from 0 to 1, for jitter.
    """

    def __init__(
        self,
        config: Config,
        template: Template,
        bus: events.Events,
        *,
        scaler: Scaler | None = None,
        boot: float = BOOT,
        grace: float = GRACE,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.slots = range(config.max_workers)
        self._config = config
        self.templates = Templates(template)
        self._events = bus
        self._grace = grace
        self._closed = False
        self._admission = AdmissionQueue(config.queue_max)
        self._scaler = scaler or scaler_for(config)
        self.roster = Roster()
        self._memory = Memory()
        self._spawner = Spawner(bus, tasks=config.max_tasks_per_worker, patience=boot, draw=draw)
        self._floor = trio.Event()

        self._waiting: dict[Ticket, Lease] = {}  # bounded by the admission queue
        self._called: dict[Ticket, Lease] = {}  # those that had their turn; at most MAX_WORKERS
        # Leases that need a fresh worker; they go first; at most MAX_WORKERS.
        self._replacing: deque[Lease] = deque()
        self._vacant_slots: deque[trio.Event] = deque()  # slots without a worker, parked
        self._booting = 0  # slots that are booting a worker
        self._deserted_at: float | None = None  # when the last worker went; None while there is one

        self._total = self._completed = self._failed = self._retried = 0

    # For requests.

    @asynccontextmanager
    async def acquire(
        self, ticket: Ticket, waits: Callable[[Lease], None] | None = None, *, canary: bool = False
    ) -> AsyncIterator[Lease]:
        """A lease, as soon as it is the turn of `ticket`; `waits` is called where that is not at once.

        Where `canary` is true and a release is being tried, its job runs on that one.

        Raises:
            QueueFull: the queue is full, or the wait would exceed the deadline.
            ShuttingDown: the pool is closed, or was while the ticket waited.
        """
        if self._closed:
            raise ShuttingDown
        now = trio.current_time()
        self._scaler.step(now, Arrived())
        self._admission.enter(ticket, now, workers=self._scaler.limit, busy=self._busy())
        lease = self._waiting[ticket] = Lease(self, ticket, canary=canary)
        lease.position = self._admission.position(ticket)
        lease.expected_wait = self._admission.expected_wait(ticket, now)
        self._total += 1
        try:
            self._advance()
            if waits is not None and ticket in self._waiting:
                waits(lease)
            await self._turn(lease)
            lease.waited = trio.current_time() - now
            yield lease
        finally:
            self._end(lease)

    def improve(self, ticket: Ticket, better: Ticket) -> None:
        """Give `ticket` the place and the deadline of `better`, if it still waits."""
        self._admission.improve(ticket, better)
        self._advance()

    async def _turn(self, lease: Lease) -> None:
        """Return when a worker is granted; look now and then whether one must be freed for it."""
        while True:
            with trio.move_on_after(PATIENCE):
                await lease.granted()
                return
            self._advance()

    def close(self) -> None:
        """Take no more work: refuse what waits, let jobs run on, replace no worker."""
        self._closed = True
        for lease in [*self._waiting.values(), *self._replacing]:
            lease.refuse(ShuttingDown())

    def skip_grace(self) -> None:
        """From now on kill workers without a grace, those included that are being ended already."""
        self._grace = 0.0
        for worker in self.roster:
            worker.process.skip_grace()

    async def warm_floor(self) -> None:
        """Return when MIN_WORKERS workers are ready, for the first time."""
        await self._floor.wait()

    def deserted(self) -> float:
        """Seconds for which there has been no worker; the floor wants one at all times."""
        return 0.0 if self._deserted_at is None else trio.current_time() - self._deserted_at

    def summary(self) -> PoolSummary:
        """What a heartbeat needs, at no cost: `statistics` reads memory."""
        return PoolSummary(
            total_tasks=self._total,
            active_tasks=self._busy(),
            queue_length=len(self._admission),
            active_workers=self.roster.in_service,
            ytdlp=self.templates.main.version,
        )

    def statistics(self) -> PoolStatistics:
        """A snapshot."""
        now = trio.current_time()
        main, canary = self.templates.main, self.templates.canary
        warm, solver = main.warm, main.solver
        templates = [pid for template in (main, canary) if template for pid in template.pids()]
        booting = self._spawner.starting
        pids = [process.pid for process in (*booting, *(worker.process for worker in self.roster))]
        memory = self._memory.of((*templates, *pids), now)
        return PoolStatistics(
            total_tasks=self._total,
            completed_tasks=self._completed,
            failed_tasks=self._failed,
            retried_tasks=self._retried,
            active_tasks=self._busy(),
            queue_length=len(self._admission),
            active_workers=self.roster.in_service,
            idle_workers=len(self.roster.idle),
            peak_workers=self.roster.peak,
            workers_created=self.roster.created,
            workers_destroyed=self.roster.destroyed,
            boot_failures=self._spawner.failures,
            degraded=self._spawner.backoff.degraded(now),
            target=self._scaler.target,
            workers=self.roster.statistics(now, memory, booting),
            admission=self._admission.statistics(now),
            scaling=self._scaler.statistics(now),
            ytdlp=main.version or None,
            runtime=warm.runtime if warm else None,
            solver=solver.statistics() if solver else None,
            canary=canary.version if canary else None,
            template_memory=sum(memory[pid] for pid in templates),
            lost_patches={
                template.version: template.warm.lost
                for template in (main, canary)
                if template and template.warm
            },
        )

    # For the rollout of releases.

    async def replace_workers(self, template: Template) -> None:
        """Replace the workers of `template`, which is not in use any more, one at a time.

        Returns when the last one is reaped.
        """
        while True:
            workers = self.roster.of(template)
            for worker in workers:
                worker.due = 0  # a busy one goes after its job
            idle = next((worker for worker in self.roster.idle if worker in workers), None)
            if idle is not None and not self._closed:
                self.retire(idle, Reason.RECYCLED)
            if workers:
                with trio.move_on_after(REPLACING):  # where a boot fails, the old worker serves on
                    await (idle or workers[0]).gone.wait()
            elif template in self._spawner.coming:
                await trio.sleep(COMING)
            else:
                return

    # For leases.

    async def exchange_worker(self, lease: Lease, *, fresh: bool) -> Worker:
        """The worker of `lease`, or another: where that one is gone, of the wrong release, or not `fresh`.

        Raises:
            ShuttingDown: another is needed, and the pool is closed.
        """
        worker = lease.worker
        died = worker is not None and worker.reason is not None
        lease.fresh = fresh or died
        if worker is not None and not died:
            suits = self.templates.suits(worker.template, lease)
            if suits and (worker.fresh or not fresh):
                return worker
            if (other := self._find_idle(lease)) is not None:
                self.roster.free(worker)
                self._grant(lease, other)
                self._make_idle(worker)
                return other
            self.retire(worker, Reason.COOKIES if suits else Reason.RELEASE)
            if not suits:
                self.roster.free(worker)
                worker = lease.worker = None  # its slot boots the other release, without a wait for its end
        if worker is not None:
            await worker.gone.wait()
            lease.worker = None
        if self._closed:
            raise ShuttingDown
        self._replacing.append(lease)
        self._advance()
        try:
            await lease.granted()
        finally:
            if lease in self._replacing:  # cancelled; it may run on another release then
                self._replacing.remove(lease)
        return lease.held

    def release(self, lease: Lease) -> None:
        """Take back the worker of `lease`, which is fit for the next job."""
        worker = lease.held
        lease.worker = None
        self.roster.free(worker)
        due = worker.tasks >= worker.due and not self._closed and self._spawner.allowed()
        if worker.process.ended:
            self.retire(worker, Reason.DIED)
        elif self.roster.in_service > self._scaler.limit:
            self.retire(worker, Reason.SURPLUS)
        elif due:
            self.retire(worker, Reason.RECYCLED)
        else:
            self._make_idle(worker)
        self._advance()

    def retire(self, worker: Worker, reason: Reason) -> None:
        """Take `worker` out of service; its slot ends it. Its capacity is free once it is reaped."""
        worker.reason = reason
        self.roster.suspend(worker)
        if reason is Reason.RECYCLED:
            self._booting += 1  # its slot boots the replacement first
        worker.watch.cancel()

    def retries(self) -> bool:
        """Whether a job whose worker died may be retried; if so, the retry is counted."""
        self._retried += not self._closed
        return not self._closed

    def count(self, outcome: Outcome) -> None:
        """Count a job that has ended."""
        if isinstance(outcome, Success):
            self._completed += 1
        else:
            self._failed += 1

    def learn(self, lease: Lease, usage: Usage, cost: Cost, seconds: float) -> None:
        """Learn from a job, however it ended, for admission and scaling."""
        now = trio.current_time()
        cpu = max(usage.cpu, cost.cpu)
        self._admission.finished(lease.ticket, now, service_time=seconds, cost=cpu)
        self._scaler.step(now, Finished(cpu, usage.wall or seconds, cost.run_delay, seconds))

    # The slots.

    async def run_slot(self, index: int) -> None:
        """Slot `index`: boot a worker when one is wanted, watch it, end it, reap it; and so on.

        A cancelled slot leaves no process behind.
        """
        assert index in self.slots
        while True:
            called = trio.Event()
            self._vacant_slots.append(called)
            self._advance()
            await called.wait()
            worker = await self._boot()
            while worker is not None:
                worker = await self._keep(worker)

    async def _boot(self) -> Worker | None:
        """A new worker in service, or None where it is no longer wanted."""
        worker = None
        while worker is None and self.roster.in_service + self._booting <= self._wanted():
            await self._spawner.pause()
            worker = await self._attempt()
        self._booting -= 1
        if worker is not None:
            self._add(worker)
        return worker

    async def _attempt(self) -> Worker | None:
        """A new worker of the release that the first lease without one waits for; None where it fails."""
        template = self.templates.lacking(self._replacing, self._spawner.coming)
        worker = await self._spawner.attempt(template)
        if worker is None and template is self.templates.canary:
            for lease in self._replacing:
                lease.canary = False  # the release in service does it
        return worker

    async def _keep(self, worker: Worker) -> Worker | None:
        """Watch and end `worker`; returns its replacement, where that is already booted."""
        replacement = None
        try:
            await self._watch(worker)
            while worker.reason is Reason.RECYCLED and replacement is None:
                replacement = await self._attempt()
                self._booting -= 1
                if replacement is None:  # then it serves on, and is replaced after its next job
                    worker.reason = None
                    self._make_idle(worker)
                    self._advance()
                    await self._watch(worker)
                else:
                    self._add(replacement)
        finally:
            worker.reason = worker.reason or Reason.SHUTDOWN
            # Bounded by the grace, a kill and the template's answer: see Process.end.
            with trio.CancelScope(shield=True):
                worker.status = await worker.process.end(self._grace)
            self._remove(worker)
        return replacement

    async def _watch(self, worker: Worker) -> None:
        """Return when `worker` is out of service: retired, dead, or idle for too long."""
        while worker.reason is None:
            rest = self._config.worker_idle if worker.ticket is None else math.inf
            worker.watch = trio.CancelScope(deadline=trio.current_time() + rest)
            with worker.watch:
                await worker.process.wait()
                if worker.ticket is not None:
                    await trio.sleep_forever()  # until its lease has read what is left, and retires it
                self.retire(worker, Reason.DIED)
            # A lease that took it in the tick in which its idle time ended wins.
            if worker.reason is None and worker.ticket is None and self.roster.in_service > self._wanted():
                self.retire(worker, Reason.IDLE)

    # Bookkeeping, all of it synchronous.

    def _advance(self) -> None:
        """Grant idle workers to the next tickets, answer the shed ones, and boot missing workers."""
        now = trio.current_time()
        if self.roster.in_service:
            self._deserted_at = None
        elif self._deserted_at is None:
            self._deserted_at = now
        for lease in [*self._replacing]:
            if (worker := self._find_idle(lease)) is not None:
                self._replacing.remove(lease)
                self._grant(lease, worker)
        while len(self._admission) and (worker := self._find_idle()):
            if (ticket := self._admission.call(now)) is None:
                break
            lease = self._called[ticket] = self._waiting.pop(ticket)
            worker = self._find_idle(lease) or worker
            self._swap_wishes(lease, worker)
            self._grant(lease, worker)
        for ticket, error in self._admission.shed(now):
            self._waiting.pop(ticket).refuse(error)
        missing = self._wanted() - self.roster.in_service - self._booting
        while missing > 0 and self._vacant_slots:
            self._vacant_slots.popleft().set()
            self._booting += 1
            missing -= 1
        # Idle workers of the other release must not keep a lease from one of its own.
        idle, ending = self.roster.idle, len(self.roster) - self.roster.in_service
        if self._replacing and idle and missing > ending:
            self.retire(idle[-1], Reason.RELEASE)
        if idle or self._booting or ending or not len(self._admission):
            return
        ticket = self._admission.excess(now, lambda ticket: self._called[ticket].waits())
        if ticket is not None:
            self._called[ticket].stop()

    def _swap_wishes(self, lease: Lease, worker: Worker) -> None:
        """Where `worker` is of the release that another lease in the queue asks for, have them swap.

        Which of the jobs run on which release is drawn by lot, so it is as good, and no worker is replaced.
        """
        if self.templates.suits(worker.template, lease):
            return
        for other in self._waiting.values():
            if self.templates.suits(worker.template, other):
                lease.canary, other.canary = other.canary, lease.canary
                return

    def _find_idle(self, lease: Lease | None = None) -> Worker | None:
        """The most recently used idle worker, one that `lease` can use. Unhealthy ones are retired."""
        for worker in self.roster.idle:
            if lease is not None and (
                (lease.fresh and not worker.fresh) or not self.templates.suits(worker.template, lease)
            ):
                continue
            if worker.process.healthy():
                return worker
            self.retire(worker, Reason.SUSPECT)
        return None

    def _wanted(self) -> int:
        """How many workers there should be."""
        if self._closed:
            return 0
        busy = self._busy()
        target = self._scaler.step(trio.current_time(), Load(queued=len(self._admission), busy=busy))
        # Idle used workers are of no use to a lease that needs a fresh one.
        return max(target, busy + len(self.roster.idle)) if self._replacing else target

    def _busy(self) -> int:
        return self.roster.busy + len(self._replacing)

    def _add(self, worker: Worker) -> None:
        """Put a new worker into service."""
        self.roster.add(worker)
        self._scaler.step(trio.current_time(), Booted(worker.ready - worker.process.born))
        if self.roster.in_service >= self._config.min_workers:
            self._floor.set()
        self._make_idle(worker)
        self._advance()

    def _grant(self, lease: Lease, worker: Worker) -> None:
        """Grant `worker`, which is idle, to `lease`."""
        self.roster.take(worker, lease.ticket)
        lease.grant(worker)

    def _make_idle(self, worker: Worker) -> None:
        """Make `worker` available."""
        self.roster.make_idle(worker, trio.current_time() + self._config.worker_idle)

    def _end(self, lease: Lease) -> None:
        """Clean up after the request of `lease`, in whatever state it ended."""
        if self._waiting.pop(lease.ticket, None):
            self._admission.leave(lease.ticket)
        if self._called.pop(lease.ticket, None):
            self._admission.done(lease.ticket)
        if lease in self._replacing:
            self._replacing.remove(lease)
        if lease.worker is not None and lease.worker.reason is None:
            self.release(lease)
        else:
            self._advance()

    def _remove(self, worker: Worker) -> None:
        """Forget `worker`, which is reaped."""
        assert worker.reason is not None
        self.roster.remove(worker)
        self._events.emit(
            events.WorkerEnded(worker.process.pid, worker.reason.value, worker.tasks, worker.template.version)
        )
        worker.gone.set()
