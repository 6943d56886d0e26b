"""A pool of scripted workers for tests: real processes, whose behaviour each job's URL chooses."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from service import events
from service.config import Config
from service.pool.admission import Ticket
from service.pool.pool import Lease, Pool
from service.pool.template import Template
from service.solver.solver import Solver
from service.wire import Job, Kind, Outcome, Success

PATIENCE = 20.0  # seconds; generous, for machines that are busy with something else


def scripted(url: str, *, cookies: str | None = None) -> Job:
    """A job for tests/support/scripted_template.py."""
    return Job(Kind.EXTRACT, f"https://scripted.test/{url}", cookies=cookies)


def told(outcome: Outcome) -> dict[str, Any]:
    """The body of a scripted worker's success."""
    assert isinstance(outcome, Success), outcome
    answer: dict[str, Any] = json.loads(outcome.body)
    return answer


async def eventually(condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until `condition` holds; fails the test where it never does."""
    with trio.fail_after(within):
        while not condition():  # noqa: ASYNC110 - the condition is of other processes
            await trio.sleep(0.005)


@dataclass
class Stand:
    """A template and a pool in a nursery, and their events."""

    template: Template
    pool: Pool
    log: list[events.Event]
    directory: Path
    nursery: trio.Nursery

    async def ask(
        self, url: str, *, client: str = "", timeout: float = PATIENCE, cookies: str | None = None
    ) -> Outcome:
        """Run one job with its own lease."""
        async with self.lease(client) as lease:
            return await lease.run(scripted(url, cookies=cookies), timeout)

    def lease(self, client: str = "") -> AbstractAsyncContextManager[Lease]:
        return self.pool.acquire(Ticket(client))

    def events(self, kind: type[events.Event]) -> list[Any]:
        return [event for event in self.log if isinstance(event, kind)]

    def pids(self) -> list[int]:
        return [worker.pid for worker in self.pool.statistics().workers]

    def start(self, url: str, results: list[Outcome | BaseException]) -> trio.CancelScope:
        """Ask in the background; the outcome or error is appended to `results`."""
        scope = trio.CancelScope()

        async def ask() -> None:
            with scope:
                try:
                    results.append(await self.ask(url))
                except BaseException as error:
                    results.append(error)
                    if isinstance(error, trio.Cancelled):
                        raise

        self.nursery.start_soon(ask)
        return scope


def command(directory: Path) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "tests.support.scripted_template", str(directory))


@asynccontextmanager
async def standing(
    directory: Path,
    *,
    boot: float = 10.0,
    grace: float = 2.0,
    ready: bool = True,
    solver: Solver | None = None,
    **settings: Any,
) -> AsyncIterator[Stand]:
    """A pool of scripted workers, warm if `ready`; ended, with every process, at exit."""
    config = Config.load(**{"min_workers": 1, "max_workers": 2, **settings})
    bus, log = events.Events(), list[events.Event]()
    bus.subscribe(log.append)
    template = Template(config, bus, command=command(directory), solver=solver)
    pool = Pool(config, template, bus, boot=boot, grace=grace)
    async with trio.open_nursery() as nursery:
        await nursery.start(template.run)
        for index in pool.slots:
            nursery.start_soon(pool.run_slot, index)
        if ready:
            with trio.fail_after(PATIENCE):
                await pool.warm_floor()
        yield Stand(template, pool, log, directory, nursery)
        nursery.cancel_scope.cancel()


__all__ = ["PATIENCE", "Lease", "Stand", "command", "eventually", "scripted", "standing", "told"]
