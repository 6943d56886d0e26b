"""Jobs that ask the solver while they run, seen from the server. Contract: real template and workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from service.codes import Code
from service.events import Events
from service.pool.process import MAX_ASKED
from service.solver.solver import Solver
from service.wire import Failure
from tests.support.scripted_pool import Stand, scripted, standing, told


async def test_without_a_solver_the_worker_is_told(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        assert told(await stand.ask("challenge/3"))["problem"] == "there is no solver"


async def test_one_that_asks_without_end_is_not_served(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        assert told(await stand.ask(f"challenge/{MAX_ASKED - 1}"))["problem"]
        outcome = await stand.ask(f"challenge/{MAX_ASKED + 1}")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED


async def test_a_script_of_any_size_is_not_read(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        outcome = await stand.ask("huge_script")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.RESULT_TOO_LARGE


class Silent(Solver):
    """Never answers; an event reports that it was asked."""

    def __init__(self) -> None:
        super().__init__(Events())
        self.asked = trio.Event()

    async def checked(self) -> None:
        self.asked.set()
        await trio.sleep_forever()


async def test_while_the_solver_works_no_site_is_waited_for(tmp_path: Path) -> None:
    """A deadline blames the site only where less than half of the time was the job's own."""
    silent = Silent()
    async with standing(tmp_path, solver=silent) as stand:
        assert await interrupted(stand, "sleep/60", after=partial(trio.sleep, 0.5)) < 0.5
        assert await interrupted(stand, "challenge/1", after=silent.asked.wait) > 0.5


async def interrupted(stand: Stand, url: str, after: Callable[[], Awaitable[None]]) -> float:
    """The part of its time that a job had used itself when it was cancelled."""
    async with stand.lease() as lease:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lease.run, scripted(url), 60)
            await after()
            await trio.sleep(2 * (trio.current_time() - began))
            nursery.cancel_scope.cancel()
    assert lease.interrupted is not None
    return lease.interrupted.cpu / lease.interrupted.wall
