"""The workers of the pool from READY until reaped: who is in service, idle or busy.

A capacity limiter with a token for each worker bounds how many jobs run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import trio

from .admission import Ticket
from .process import Process
from .statistics import WorkerStatistics
from .template import Template
from .worker import Worker


class Roster:
    """Synchronous bookkeeping; the pool decides.

    Attributes:
        created, destroyed: workers so far.
        peak: the most that were in service at once.
    """

    def __init__(self) -> None:
        self.created = self.destroyed = self.peak = 0
        self._limiter = trio.CapacityLimiter(0)
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []  # the most recently used last

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.copy())

    @property
    def idle(self) -> list[Worker]:
        """Those that wait for a job, the most recently used first."""
        return self._idle[::-1]

    @property
    def busy(self) -> int:
        """How many tickets hold a worker."""
        return self._limiter.borrowed_tokens

    @property
    def in_service(self) -> int:
        """How many are not on their way out."""
        return sum(worker.reason is None for worker in self._workers)

    def of(self, template: Template) -> list[Worker]:
        """The workers that were forked from `template`."""
        return [worker for worker in self._workers if worker.template is template]

    def add(self, worker: Worker) -> None:
        """Take up a new worker, which is neither idle nor busy yet."""
        self._workers.append(worker)
        self._limiter.total_tokens = len(self._workers)
        self.created += 1
        self.peak = max(self.peak, self.in_service)

    def remove(self, worker: Worker) -> None:
        """Forget `worker`, which is reaped."""
        self.suspend(worker)
        self._workers.remove(worker)
        self.free(worker)
        self._limiter.total_tokens = len(self._workers)
        self.destroyed += 1

    def take(self, worker: Worker, ticket: Ticket) -> None:
        """Give the capacity of `worker`, which is idle, to `ticket`."""
        self._idle.remove(worker)
        self._limiter.acquire_on_behalf_of_nowait(ticket)

    def free(self, worker: Worker) -> None:
        """Free the capacity of `worker`, where it holds any."""
        if worker.ticket is not None:
            self._limiter.release_on_behalf_of(worker.ticket)
            worker.ticket = None

    def make_idle(self, worker: Worker, until: float) -> None:
        """Let `worker` wait for a job, or for the time `until`."""
        worker.watch.deadline = until
        self._idle.append(worker)

    def suspend(self, worker: Worker) -> None:
        """Offer `worker` to no further job."""
        if worker in self._idle:
            self._idle.remove(worker)

    def statistics(
        self, now: float, memory: Mapping[int, int], booting: Mapping[Process, Template]
    ) -> tuple[WorkerStatistics, ...]:
        """A line for each process, those that are `booting` first."""
        coming = (
            WorkerStatistics(
                process.pid, "booting", 0, now - process.born, memory[process.pid], None, template.version
            )
            for process, template in booting.items()
        )
        return (*coming, *(_described(worker, now, memory) for worker in self._workers))


def _described(worker: Worker, now: float, memory: Mapping[int, int]) -> WorkerStatistics:
    process, busy = worker.process, worker.ticket is not None
    return WorkerStatistics(
        process.pid,
        "ending" if worker.reason else "busy" if busy else "idle",
        worker.tasks,
        now - process.born,
        memory[process.pid],
        worker.site if busy else None,
        worker.template.version,
        now - worker.began if busy else None,
    )
