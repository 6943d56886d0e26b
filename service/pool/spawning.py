"""Starting workers: fork, wait for READY within a time limit, back off after failures."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from .. import events
from ..wire import ProtocolError
from .backoff import Backoff
from .process import Process, WorkerDied
from .template import ForkFailed, Template
from .worker import Worker

JITTER = 0.15  # of MAX_TASKS_PER_WORKER, so that workers of one age are not replaced at once


class Spawner:
    """Boots workers for the slots.

    Args:
        tasks: jobs after which a worker is due to be replaced, give or take JITTER; 0 for never.
        patience: seconds in which a worker must say READY.
        draw: numbers from 0 to 1.

    Attributes:
        backoff: shared by all slots, because they fail for the same reasons.
        newborn: processes that are not READY yet.
        failures: since the start.
    """

    def __init__(
        self,
        template: Template,
        bus: events.Events,
        *,
        tasks: int,
        patience: float,
        draw: Callable[[], float],
    ) -> None:
        self.backoff = Backoff()
        self.starting: set[Process] = set()
        self.failures = 0
        self._template = template
        self._events = bus
        self._tasks = tasks
        self._patience = patience
        self._draw = draw

    def allowed(self) -> bool:
        """Whether an attempt may start at once."""
        return self.backoff.wait(trio.current_time()) == 0

    async def pause(self) -> None:
        """Wait as long as earlier failures demand."""
        await trio.sleep(self.backoff.wait(trio.current_time()))

    async def attempt(self) -> Worker | None:
        """A worker that has said READY; None where the attempt failed, which is cleaned up."""
        began = trio.current_time()
        try:
            process = await self._template.spawn()
            problem = await self._await_ready(process)
        except ForkFailed as error:
            problem = str(error)
        now = trio.current_time()
        if problem is not None:
            self.failures += 1
            delay = self.backoff.failed(now, began)
            self._events.emit(events.WorkerBootFailed(problem, retry_in=delay))
            return None
        self.backoff.succeeded()
        self._events.emit(events.WorkerStarted(process.pid, boot_seconds=now - process.born))
        return Worker(process, self._due(), now)

    async def _await_ready(self, process: Process) -> str | None:
        """Wait for READY; on failure end the process and return the problem."""
        problem: str | None = "cancelled"
        self.starting.add(process)
        try:
            with trio.move_on_after(self._patience) as patience:
                await process.ready()
                problem = None
            if patience.cancelled_caught:
                problem = f"a worker was not ready within {self._patience:g} s"
        except (WorkerDied, ProtocolError):
            problem = "a worker ended while it was starting"
        finally:
            if problem is not None:
                with trio.CancelScope(shield=True):  # bounded: see Process.end
                    problem = f"{problem} (exit status {await process.end(grace=0)})"
            self.starting.remove(process)
        return problem

    def _due(self) -> float:
        """Tasks after which the next worker is replaced."""
        if not self._tasks:
            return math.inf
        return max(1, round(self._tasks * (1 - JITTER + 2 * JITTER * self._draw())))
