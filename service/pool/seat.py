"""A request's place in the pool, and the worker that it holds there."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import trio

from ..breaker.sites import site_of
from ..errors import Code, ServiceError
from ..wire import Failure, Job, Outcome, ProtocolError, Usage
from .admission import Ticket
from .process import Process, ResultTooLarge, WorkerDied

if TYPE_CHECKING:
    from .pool import Pool


DEATHS = 2  # workers that a job may cost


class Reason(StrEnum):
    """Why a worker ends."""

    IDLE = "idle"  # nobody needed it for a while
    SURPLUS = "surplus"  # more workers would only slow each other down
    RECYCLED = "recycled"  # it had done enough jobs
    COOKIES = "cookies"  # it has seen somebody's cookies, or has to make room for a worker that will
    INTERRUPTED = "interrupted"  # its client left, or the deadline passed
    CRASHED = "crashed"  # it died of a job, or broke the protocol
    OVERSIZED = "oversized"  # its result was over the bound
    SPENT = "spent"  # its job used up a budget, and may have left it without memory for the next one
    DIED = "died"  # while it had no job
    SUSPECT = "suspect"  # it spoke, or closed its socket, while it had no job
    SHUTDOWN = "shutdown"


class Worker:
    """A worker in the pool, from its READY until it is reaped.

    Attributes:
        due: tasks after which it is replaced.
        ready: when it said so, on Trio's clock.
        ticket: on whose behalf it runs, and takes up capacity until it is given back or reaped; or None.
        site: which its latest job asks.
        reason: why it ends; None while it is in service.
        status: how it exited; None where nobody knows, as when the template died and took it along.
        watch: the slot's wait for its end, or for the end of its idle time.
        gone: set when it is reaped.
    """

    def __init__(self, process: Process, due: float, now: float) -> None:
        self.process = process
        self.due = due
        self.ready = now
        self.tasks = 0
        self.ticket: Ticket | None = None
        self.site: str | None = None
        self.reason: Reason | None = None
        self.status: int | None = None
        self.watch = trio.CancelScope()
        self.gone = trio.Event()

    @property
    def fresh(self) -> bool:
        return self.tasks == 0


class Seat:
    """Permission to run a job on a worker of the pool.

    Attributes:
        position: how many were to go before it when it entered the queue.
        expected_wait: seconds, as estimated then.
        waited: seconds in the queue.
        interrupted: what the running job had cost when it was cancelled; None where none was.
        deaths: workers that died of its job.
    """

    def __init__(self, pool: Pool, ticket: Ticket) -> None:
        self.ticket = ticket
        self.position = 0
        self.expected_wait = 0.0
        self.waited = 0.0
        self.interrupted: Usage | None = None
        self.deaths = 0
        self.worker: Worker | None = None
        self._pool = pool
        self._turn = trio.Event()
        self._refusal: ServiceError | None = None

    async def run(self, job: Job, timeout: float) -> Outcome:
        """What became of `job` within `timeout` seconds; the caller sets the real deadline.

        A job whose worker dies is tried once more, on a fresh one; where it died with its template, that is
        no fault of the job's and does not count. Cancelled, it returns when the worker is killed and reaped.

        Raises:
            ShuttingDown: a fresh worker is needed, and the pool is closed.
        """
        deadline = trio.current_time() + timeout
        outcome = await self._attempt(job, deadline)
        while outcome is None and self.deaths < DEATHS and self._pool.retries():
            outcome = await self._attempt(job, deadline)
        if outcome is None:
            outcome = Failure(Code.WORKER_CRASHED, "the extraction crashed, and a second attempt as well")
        self._pool.count(outcome)
        return outcome

    async def _attempt(self, job: Job, deadline: float) -> Outcome | None:
        """One try; None where the worker died of it."""
        worker = await self._pool.worker_for(self, fresh=job.cookies is not None)
        began, before = trio.current_time(), worker.process.cost()
        worker.tasks += 1
        worker.site = site_of(job.url)
        outcome: Outcome | None = None
        reason: Reason | None = Reason.CRASHED
        try:
            outcome = await worker.process.run(job, deadline - began)
            if job.cookies is not None:
                reason = Reason.COOKIES
            elif isinstance(outcome, Failure) and outcome.code is Code.BUDGET_EXCEEDED:
                reason = Reason.SPENT
            else:
                reason = None
        except ResultTooLarge:
            outcome = Failure(Code.RESULT_TOO_LARGE, "the result is larger than this service passes on")
            reason = Reason.OVERSIZED
        except (WorkerDied, ProtocolError):
            pass
        except trio.Cancelled:
            reason = Reason.INTERRUPTED
            raise
        finally:
            seconds = trio.current_time() - began
            # Now: of a dead process nothing can be read. One that has answered has no children left.
            cost = worker.process.cost(below=outcome is None) - before
            self._pool.learn(self, outcome.usage if outcome is not None else Usage(), cost, seconds)
            if reason is None:
                self._pool.give_back(self)
            else:
                self._pool.dismiss(worker, reason)
            if reason is Reason.INTERRUPTED:
                self.interrupted = Usage(cpu=cost.cpu, wall=seconds)
            if outcome is None:
                # Bounded by the slot's kill and reap: see Process.end.
                with trio.CancelScope(shield=True):
                    await worker.gone.wait()
        self.deaths += outcome is None and worker.status is not None
        return outcome

    @property
    def held(self) -> Worker:
        """The worker, which has to be there."""
        assert self.worker is not None
        return self.worker

    async def turn(self) -> None:
        """Return when a worker was handed over. Raises the ServiceError with which the seat was refused."""
        await self._turn.wait()
        self._turn = trio.Event()
        if self._refusal is not None:
            raise self._refusal

    def hand(self, worker: Worker) -> None:
        """It is this seat's turn."""
        worker.ticket = self.ticket
        worker.watch.deadline = math.inf
        self.worker = worker
        self._turn.set()

    def refuse(self, error: ServiceError) -> None:
        """There will be no turn."""
        self._refusal = error
        self._turn.set()
