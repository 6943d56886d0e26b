"""Single flight: equal calls at the same time share one execution; the last caller to leave cancels it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

import trio

from ..errors import DeadlineExceeded

Result = TypeVar("Result")


class _Flight(Generic[Result]):
    """One execution under way, and the number of callers that wait for it."""

    def __init__(self) -> None:
        self._callers = 0
        self._done = trio.Event()
        self._scope = trio.CancelScope(shield=True)
        self._result: Result | None = None
        self._error: Exception | None = None

    @property
    def cancelled(self) -> bool:
        return self._scope.cancel_called

    async def run(self, run: Callable[[], Awaitable[Result]]) -> None:
        # Shielded, so that it outlives the caller that began it while others wait. Bounded: `run` has its
        # own deadline, and the last caller to leave cancels the scope.
        with self._scope:
            try:
                self._result = await run()
            except Exception as error:
                self._error = error
        self._done.set()

    async def join(self) -> None:
        """Wait as one of the callers until the flight ends."""
        self._callers += 1
        try:
            await self._done.wait()
        finally:
            self._callers -= 1
            if not self._callers:
                self._scope.cancel()

    def outcome(self) -> Result:
        """The result of the ended flight, the same for every caller; raises what `run` raised."""
        if self._error is not None:
            raise self._error.with_traceback(None)  # else each caller's raise would lengthen the traceback
        assert self._result is not None  # only a flight that every caller has left ends with neither
        return self._result


class SingleFlight(Generic[Result]):
    """The flights under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[Result]] = {}
        self._begin: Callable[[Callable[[], Awaitable[None]]], None] | None = None

    def __len__(self) -> int:
        return len(self._flights)

    def joinable(self, key: Hashable) -> bool:
        """Whether a call with `key` would join a flight that is under way."""
        flight = self._flights.get(key)
        return flight is not None and not flight.cancelled

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The task that flights run in, so that each caller may leave at its own deadline."""
        # At most one for each request that is inside, and each is taken at once.
        begin, begun = trio.open_memory_channel[Callable[[], Awaitable[None]]](math.inf)
        self._begin = begin.send_nowait
        try:
            async with begin, trio.open_nursery() as nursery:
                task_status.started()
                async for flight in begun:
                    nursery.start_soon(flight)
        finally:
            self._begin = None

    async def do(
        self,
        key: Hashable,
        run: Callable[[], Awaitable[Result]],
        *,
        deadline: float,
        timeout: float,
        running: Callable[[], bool] = lambda: True,
    ) -> Result:
        """The result of `run`, or of an equal call that is already under way.

        Args:
            key: what makes two calls equal.
            run: does the work within its own deadline; every caller gets what it raises.
            deadline: on Trio's clock, when this caller stops waiting; the flight goes on if others wait.
            timeout: the same in seconds, for the error's sentence.
            running: whether the work has reached a worker, for the error's sentence.

        Raises:
            DeadlineExceeded: the flight did not end in time.
        """
        flight = self._flights.get(key)
        if flight is not None and not flight.cancelled:
            return await self._join(flight, deadline, timeout, running)
        flight = self._flights[key] = _Flight()
        fly = partial(self._fly, key, flight, run)
        if self._begin is not None:
            self._begin(fly)
            return await self._join(flight, deadline, timeout, running)
        # Without that task it runs in the task of the caller that begins it: the nursery closes when it ends.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fly)
            await flight.join()
        return flight.outcome()

    async def _fly(
        self, key: Hashable, flight: _Flight[Result], run: Callable[[], Awaitable[Result]]
    ) -> None:
        try:
            await flight.run(run)
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _join(
        self, flight: _Flight[Result], deadline: float, timeout: float, running: Callable[[], bool]
    ) -> Result:
        with trio.move_on_at(deadline):
            await flight.join()
            return flight.outcome()
        raise DeadlineExceeded(timeout, running=running())
