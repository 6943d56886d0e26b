"""A lease: the right of one request to run its job on a worker of the pool."""

from __future__ import annotations

import math
import signal
from typing import Protocol

import trio

from ..codes import Code
from ..errors import ServiceError
from ..wire import Failure, Job, JobTooLarge, Outcome, ProtocolError, Usage
from .accounting import Cost
from .admission import Ticket
from .process import Anywhere, ResultTooLarge, Visits, WorkerDied
from .worker import Reason, Worker

DEATHS = 2  # workers that a job may kill


class Preempted(Exception):
    """The worker was needed for another client or site; the job may wait for its turn again."""


class Lessor(Protocol):
    """What a lease needs of the pool that grants it."""

    async def exchange_worker(self, lease: Lease, *, fresh: bool) -> Worker: ...

    def release(self, lease: Lease) -> None: ...

    def retire(self, worker: Worker, reason: Reason) -> None: ...

    def retries(self) -> bool: ...

    def count(self, outcome: Outcome) -> None: ...

    def learn(self, lease: Lease, usage: Usage, cost: Cost, seconds: float) -> None: ...


class Lease:
    """The right of a request to run its job on a worker of the pool.

    Attributes:
        position: in the queue, when it entered.
        expected_wait: in seconds, as estimated then.
        waited: seconds in the queue.
        interrupted: what the job had cost when it was cancelled; None where it was not.
        deaths: how each worker ended that its job has killed: "SIGSEGV", "exit code 1".
        fresh: it needs a worker that has run no job.
        canary: it wants a worker of the release that is being tried.
        version: the release that its latest run was on.
        visits: says whether the job may ask an endpoint that it is led to; any, by default.
    """

    def __init__(self, pool: Lessor, ticket: Ticket, *, canary: bool = False) -> None:
        self.ticket = ticket
        self.canary = canary
        self.fresh = False
        self.version = ""
        self.position = 0
        self.expected_wait = 0.0
        self.waited = 0.0
        self.interrupted: Usage | None = None
        self.deaths: list[str] = []
        self.visits: Visits = Anywhere()
        self.worker: Worker | None = None
        self._pool = pool
        self._changed = trio.Event()
        self._refusal: ServiceError | None = None
        self._stop = trio.CancelScope()
        self._began: tuple[float, Cost] | None = None  # of the attempt under way, and the cost before it

    async def run(self, job: Job, timeout: float, *, tries: int = DEATHS) -> Outcome:
        """The outcome of `job`. The worker is told the `timeout` in seconds; the caller sets the deadline.

        A job whose worker dies is tried again on a fresh worker, `tries` times at most; a death together with
        the template does not count. After a cancellation it returns when the worker is killed and reaped.

        Raises:
            ShuttingDown: a fresh worker is needed, and the pool is closed.
            Preempted: it was stopped.
        """
        self._stop = trio.CancelScope()
        with self._stop:
            return await self._run(job, timeout, tries)
        raise Preempted

    async def _run(self, job: Job, timeout: float, tries: int) -> Outcome:
        deadline = trio.current_time() + timeout
        outcome = await self._attempt(job, deadline)
        while outcome is None and len(self.deaths) < tries and self._pool.retries():
            outcome = await self._attempt(job, deadline)
        if outcome is None:
            outcome = Failure(Code.WORKER_CRASHED, "the extraction crashed, and a second attempt as well")
        self._pool.count(outcome)
        return outcome

    async def _attempt(self, job: Job, deadline: float) -> Outcome | None:
        """One run; None where the worker died of it."""
        worker = await self._pool.exchange_worker(self, fresh=job.cookies is not None)
        began, before = trio.current_time(), worker.process.cost()
        self._began = began, before
        worker.tasks += 1
        self.version = worker.template.version
        worker.site, worker.began = self.ticket.site, began
        outcome: Outcome | None = None
        reason: Reason | None = Reason.CRASHED
        try:
            outcome = await worker.process.run(job, deadline - began, self.visits)
            if job.cookies is not None:
                reason = Reason.COOKIES
            elif isinstance(outcome, Failure) and outcome.code is Code.BUDGET_EXCEEDED:
                reason = Reason.SPENT
            else:
                reason = None
        except ResultTooLarge:
            outcome = Failure(Code.RESULT_TOO_LARGE, "the result is larger than this service passes on")
            reason = Reason.OVERSIZED
        except JobTooLarge:  # the web layer's bound on bodies keeps this from happening
            outcome = Failure(Code.PAYLOAD_TOO_LARGE, "the request is larger than a worker takes")
            reason = None
        except (WorkerDied, ProtocolError):
            pass
        except trio.Cancelled:
            reason = Reason.PREEMPTED if self._stop.cancel_called else Reason.INTERRUPTED
            raise
        finally:
            self._began = None
            seconds = trio.current_time() - began
            # Read now, before the process is dead. One that has answered has no children left.
            cost = worker.process.cost(below=outcome is None) - before
            self._pool.learn(self, outcome.usage if outcome is not None else Usage(), cost, seconds)
            if reason is None:
                self._pool.release(self)
            else:
                self._pool.retire(worker, reason)
            if reason is Reason.INTERRUPTED:
                # While the solver works, the site is not waited for either.
                self.interrupted = Usage(cpu=cost.cpu + worker.process.solving, wall=seconds)
            if outcome is None:
                # Bounded by the slot's kill and reap: see Process.end.
                with trio.CancelScope(shield=True):
                    await worker.gone.wait()
        if outcome is None and worker.status is not None:
            self.deaths.append(_cause(worker.status))
        return outcome

    @property
    def held(self) -> Worker:
        """The worker, which must have been granted."""
        assert self.worker is not None
        return self.worker

    async def granted(self) -> None:
        """Return when it has a worker. Raises the ServiceError of a refusal."""
        await trio.lowlevel.checkpoint()
        # By its state, not by an event that stays set: a grant may meet a cancellation in the same tick.
        while self.worker is None and self._refusal is None:
            self._changed = trio.Event()
            await self._changed.wait()
        if self._refusal is not None:
            raise self._refusal

    def grant(self, worker: Worker) -> None:
        """Grant `worker` to the lease."""
        worker.ticket = self.ticket
        worker.watch.deadline = math.inf
        self.worker = worker
        self._changed.set()

    def waits(self) -> bool:
        """Whether its job has mostly waited for its site so far, neither for a core nor for the solver."""
        if self._began is None:
            return False
        began, before = self._began
        process = self.held.process
        cost = process.cost(below=True) - before
        return cost.cpu + cost.run_delay + process.solving < (trio.current_time() - began) / 2

    def stop(self) -> None:
        """Stop its job, so that the worker is free for another."""
        self._stop.cancel()

    def refuse(self, error: ServiceError) -> None:
        """Refuse the lease."""
        self._refusal = error
        self._changed.set()


def _cause(status: int) -> str:
    """How a process ended that has this exit status."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"exit code {status}"
