"""Two releases in one pool: which job runs on which, and the swap. Collaboration: fakes, mock clock."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import cast

import pytest
import trio
import trio.testing

from service import events
from service.config import Config
from service.pool.admission import Ticket
from service.pool.template import ForkFailed, Template
from service.template_wire import Warm
from service.wire import Job, Kind, Success
from tests.unit.pool.test_pool import Fakes, FakeTemplate, running


def tried(fakes: Fakes, version: str = "new") -> FakeTemplate:
    """Put another template beside the first one."""
    template = FakeTemplate()
    template.version, template.optional = version, True
    template.warm = Warm(version, None, lost=("traverse_obj",))
    fakes.pool.templates.canary = cast(Template, template)
    return template


async def version_of(fakes: Fakes, *, canary: bool, seconds: float = 0.0) -> str:
    """The release that a job ran on."""
    async with fakes.pool.acquire(Ticket(""), canary=canary) as lease:
        outcome = await lease.run(Job(Kind.EXTRACT, f"https://fake.test/{seconds}"), 60)
        assert isinstance(outcome, Success)
        return lease.version


@pytest.mark.parametrize("workers", [1, 3])
async def test_each_job_runs_on_the_release_that_it_asks_for(
    workers: int, autojump_clock: trio.testing.MockClock
) -> None:
    fakes = Fakes(min_workers=workers, max_workers=workers)
    async with running(fakes):
        await fakes.pool.warm_floor()
        tried(fakes)
        asked = [False, True, True, False, True, False]
        ran = [await version_of(fakes, canary=canary) for canary in asked]
    assert ran == ["new" if canary else "fake" for canary in asked]


async def test_jobs_at_once_take_turns_and_few_workers_are_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=3)
    ran: list[str] = []

    async def ask(canary: bool) -> None:
        ran.append(await version_of(fakes, canary=canary, seconds=0.1))

    async with running(fakes):
        tried(fakes)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for number in range(40):
                    nursery.start_soon(ask, number % 3 == 0)
        shown = fakes.pool.statistics()
        assert (shown.ytdlp, shown.canary) == ("fake", "new")
        assert shown.lost_patches["new"] == ("traverse_obj",)
        assert {worker.ytdlp for worker in shown.workers} <= {"fake", "new"}
    assert Counter(ran) == {"new": 14, "fake": 26}
    assert len([reason for _, reason in fakes.ended() if reason == "release"]) < 14


async def test_a_canary_that_cannot_fork_costs_no_job(autojump_clock: trio.testing.MockClock) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes):
        tried(fakes).forks = False
        assert await version_of(fakes, canary=True) == "fake"
        assert [event.version for event in fakes.log if isinstance(event, events.CanaryBootFailed)] == ["new"]
        assert not [event for event in fakes.log if isinstance(event, events.WorkerBootFailed)]
        assert fakes.pool.statistics().boot_failures == 0


async def test_a_canary_whose_template_is_dead_is_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes):
        tried(fakes).alive = False
        assert await version_of(fakes, canary=True) == "fake"


@pytest.mark.parametrize("promoted", [True, False])
async def test_the_workers_of_the_release_that_goes_are_replaced_one_at_a_time(
    promoted: bool, autojump_clock: trio.testing.MockClock
) -> None:
    fakes = Fakes(min_workers=3, max_workers=3)
    async with running(fakes) as nursery:
        await fakes.pool.warm_floor()
        tried(fakes)
        nursery.start_soon(partial(version_of, fakes, canary=True, seconds=5.0))
        nursery.start_soon(partial(version_of, fakes, canary=False, seconds=5.0))
        await trio.sleep(1)
        templates = fakes.pool.templates
        gone = templates.promote() if promoted else templates.withdraw()
        kept = "new" if promoted else "fake"
        with trio.fail_after(60):
            await fakes.pool.replace_workers(gone)
        assert trio.current_time() >= 5  # the busy one has finished its job
        shown = fakes.pool.statistics()
        assert {worker.ytdlp for worker in shown.workers} == {kept}
        assert (shown.ytdlp, shown.canary) == (kept, None)
        assert await version_of(fakes, canary=True) == kept
    assert not {"crashed", "died"} & {reason for _, reason in fakes.ended()}


async def test_workers_of_the_release_before_serve_until_they_are_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes):
        await fakes.pool.warm_floor()
        tried(fakes)
        fakes.pool.templates.promote()
        assert await version_of(fakes, canary=False) == "fake"


async def test_a_replacement_that_cannot_be_booted_is_tried_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fakes = Fakes(max_workers=1)
    async with running(fakes) as nursery:
        await fakes.pool.warm_floor()
        template = tried(fakes)
        template.forks = False
        gone = fakes.pool.templates.promote()
        nursery.start_soon(fakes.pool.replace_workers, gone)
        await trio.sleep(30)
        assert await version_of(fakes, canary=False) == "fake"
        template.forks = True
        await trio.sleep(60)
        assert await version_of(fakes, canary=False) == "new"


async def test_an_optional_template_that_has_ended_is_not_waited_for() -> None:
    template = Template(Config.load(), events.Events(), version="new")
    template.optional = True
    with pytest.raises(ForkFailed, match="the template of new has ended"):
        await template.spawn()
