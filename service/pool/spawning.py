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
        starting: processes that are not READY yet, and their templates.
        coming: the templates of the attempts under way.
        failures: since the start.
    """

    def __init__(
        self,
        bus: events.Events,
        *,
        tasks: int,
        patience: float,
        draw: Callable[[], float],
    ) -> None:
        self.backoff = Backoff()
        self.starting: dict[Process, Template] = {}
        self.coming: list[Template] = []  # bounded by the slots
        self.failures = 0
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

    async def attempt(self, template: Template) -> Worker | None:
        """A worker that has said READY; None where the attempt failed, which is cleaned up.

        Failures of a canary say nothing about the service, so they are neither counted nor waited for.
        """
        began = trio.current_time()
        self.coming.append(template)
        try:
            process = await template.spawn()
            problem = await self._await_ready(process, template)
        except ForkFailed as error:
            problem = str(error)
        finally:
            self.coming.remove(template)
        now = trio.current_time()
        if problem is not None:
            if template.optional:
                self._events.emit(events.CanaryBootFailed(template.version, problem))
                return None
            self.failures += 1
            delay = self.backoff.failed(now, began)
            self._events.emit(events.WorkerBootFailed(problem, retry_in=delay))
            return None
        if not template.optional:
            self.backoff.succeeded()
        self._events.emit(events.WorkerStarted(process.pid, now - process.born, template.version))
        return Worker(process, template, self._due(), now)

    async def _await_ready(self, process: Process, template: Template) -> str | None:
        """Wait for READY; on failure end the process and return the problem."""
        problem: str | None = "cancelled"
        self.starting[process] = template
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
            del self.starting[process]
        return problem

    def _due(self) -> float:
        """Tasks after which the next worker is replaced."""
        if not self._tasks:
            return math.inf
        return max(1, round(self._tasks * (1 - JITTER + 2 * JITTER * self._draw())))
