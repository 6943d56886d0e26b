"""The pool's numbered scenarios, first half: workers that die, misbehave or have to be killed. Contract.

Real template, real workers, real clock. Scenario 14 is in test_single_flight.py, 16 and 28 are in
test_pool.py, 24 to 26 in test_template.py, 27 in test_quarantine.py, 29 and 30 in test_admission.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest
import trio

from service import events
from service.codes import Code
from service.pool.admission import Ticket
from service.pool.process import Anywhere
from service.wire import Failure, Outcome, Success
from tests.support.processes import gone
from tests.support.scripted_pool import eventually, scripted, standing, told


async def test_scenario_01_a_worker_that_died_idle_is_never_given_a_job(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        victim = told(await stand.ask("ok"))["pid"]  # the most recently used, so the next to be taken
        os.kill(victim, signal.SIGKILL)
        while not gone(victim):  # without a checkpoint, so that the pool cannot know
            pass
        assert told(await stand.ask("ok"))["pid"] != victim
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        assert victim not in stand.pids()
        assert stand.pool.statistics().retried_tasks == 0


async def test_scenario_02_a_kill_in_a_task_affects_that_task_alone(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        results: list[Outcome | BaseException] = []
        for _ in range(2):
            stand.start("sleep/0.3", results)
        await eventually(lambda: stand.pool.statistics().active_tasks == 2)
        victim, bystander = stand.pids()
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: len(results) == 2)
        pids = {told(result)["pid"] for result in results if isinstance(result, Success)}
        assert len(pids) == 2
        assert bystander in pids
        assert victim not in pids
        assert stand.pool.statistics().retried_tasks == 1


async def test_scenario_03_an_exit_with_status_0_is_still_a_death(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        assert isinstance(await stand.ask("once"), Success)
        assert stand.pool.statistics().retried_tasks == 1
        outcome = await stand.ask("leave")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED
        assert stand.pool.statistics().retried_tasks == 2


async def test_each_run_of_a_job_begins_at_its_own_endpoint(tmp_path: Path) -> None:
    runs: list[str] = []

    class Visits(Anywhere):
        def begin(self) -> None:
            runs.append("begun")

    async with standing(tmp_path) as stand, stand.pool.acquire(Ticket("a client")) as lease:
        lease.visits = Visits()
        assert isinstance(await lease.run(scripted("once"), 5), Success)
        assert runs == ["begun", "begun"]


async def test_scenario_04_the_queue_is_served_after_the_last_worker_died(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        results: list[Outcome | BaseException] = []
        stand.start("sleep/0.2", results)
        await eventually(lambda: stand.pool.statistics().active_tasks == 1)
        for _ in range(3):
            stand.start("ok", results)
        await eventually(lambda: stand.pool.statistics().queue_length == 3)
        os.kill(stand.pids()[0], signal.SIGKILL)
        await eventually(lambda: len(results) == 4)
        assert all(isinstance(result, Success) for result in results)


async def test_scenario_05_a_partial_frame_is_a_death_and_affects_no_other_job(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        results: list[Outcome | BaseException] = []
        stand.start("sleep/0.3", results)
        await eventually(lambda: stand.pool.statistics().active_tasks == 1)
        outcome = await stand.ask("partial")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED
        await eventually(lambda: results)
        assert isinstance(results[0], Success)
        assert stand.pool.statistics().retried_tasks == 1  # only the job with the partial frame


@pytest.mark.parametrize("size", [10, 150_000])
async def test_scenario_06_a_whole_frame_counts_though_its_writer_crashed(tmp_path: Path, size: int) -> None:
    async with standing(tmp_path) as stand:
        for _ in range(5):
            answer = told(await stand.ask(f"last_words/{size}"))
            assert len(answer["filler"]) == size
            await eventually(lambda pid=answer["pid"]: pid not in stand.pids())  # type: ignore[misc]
        assert stand.pool.statistics().retried_tasks == 0


async def test_scenario_07_an_oversized_result_is_refused_by_its_header(tmp_path: Path) -> None:
    async with standing(tmp_path, ytdlp_max_buffer=8 << 20) as stand:
        before = stand.pids()
        outcome = await stand.ask("oversized")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.RESULT_TOO_LARGE
        await eventually(lambda: not set(before) & set(stand.pids()))
        assert [ended.reason for ended in stand.events(events.WorkerEnded)] == ["oversized"]
        assert stand.pool.statistics().retried_tasks == 0


async def test_scenario_08_a_worker_that_speaks_while_idle_is_replaced(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        suspect = told(await stand.ask("babble"))["pid"]
        await trio.sleep(0.3)
        assert told(await stand.ask("ok"))["pid"] != suspect
        await eventually(lambda: suspect not in stand.pids())
        assert stand.events(events.WorkerEnded)[0].reason == "suspect"


async def test_an_answer_with_something_behind_it_is_none(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        outcome = await stand.ask("too_much")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED


async def test_scenario_09_a_worker_that_ignores_term_is_killed_and_holds_its_capacity_until_then(
    tmp_path: Path,
) -> None:
    async with standing(tmp_path, max_workers=1, grace=0.5) as stand:
        results: list[Outcome | BaseException] = []
        deadline = stand.start("stubborn/60", results)
        await eventually((tmp_path / "stubborn").exists)
        stubborn = stand.pids()[0]
        deadline.cancel()
        stand.start("ok", results)
        await trio.sleep(0.2)
        statistics = stand.pool.statistics()
        assert (statistics.active_tasks, statistics.queue_length) == (1, 1)
        assert [worker.state for worker in statistics.workers] == ["ending"]
        await eventually(lambda: len(results) == 2)
        assert gone(stubborn)
        assert isinstance(results[0], trio.Cancelled)
        assert isinstance(results[1], Success)


async def test_scenario_10_children_of_a_dead_worker_delay_no_answer(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        with trio.fail_after(10):  # the grandchild would hold the socket open for a minute
            outcome = await stand.ask("grandchild")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED
        grandchild = int((tmp_path / "grandchild").read_text())
        await eventually(lambda: gone(grandchild))


async def test_scenario_11_a_cancelled_request_leaves_the_queue_and_never_runs(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        results: list[Outcome | BaseException] = []
        stand.start("sleep/0.2", results)
        await eventually(lambda: stand.pool.statistics().active_tasks == 1)
        queued = stand.start("ok", results)
        await eventually(lambda: stand.pool.statistics().queue_length == 1)
        queued.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert stand.pool.statistics().queue_length == 0
        await eventually(lambda: len(results) == 2)
        assert stand.pool.statistics().completed_tasks == 1


async def test_scenario_12_a_cancelled_job_is_killed_and_reaped_before_the_caller_goes_on(
    tmp_path: Path,
) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        with trio.move_on_after(0.2) as patience:
            async with stand.pool.acquire(Ticket("")) as lease:
                pid = lease.held.process.pid
                await lease.run(scripted("sleep/60"), 60)
        assert patience.cancelled_caught
        assert not psutil.pid_exists(pid)
        assert lease.interrupted is not None
        assert lease.interrupted.cpu < lease.interrupted.wall / 2  # it slept
        statistics = stand.pool.statistics()
        assert (statistics.active_tasks, statistics.failed_tasks) == (0, 0)
        assert isinstance(await stand.ask("ok"), Success)


async def test_the_cpu_of_children_is_part_of_the_cost(tmp_path: Path) -> None:
    enough = 0.05  # seconds of CPU; a busy machine may take a while to give them

    def computed(pid: int) -> float:
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(sum(child.cpu_times()[:2]) for child in psutil.Process(pid).children())
        return 0.0

    async with standing(tmp_path) as stand:
        async with stand.lease() as lease:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(lease.run, scripted("delegate"), 60)
                    await eventually(lambda: computed(lease.held.process.pid) >= enough)
                    scope.cancel()
        assert lease.interrupted is not None
        assert lease.interrupted.cpu >= enough


async def test_scenario_13_a_cancel_that_meets_the_result_settles_once(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        answered = interrupted = 0
        for attempt in range(60):
            with trio.move_on_after(attempt * 0.00003) as patience:
                await stand.ask("ok")
                answered += 1
            interrupted += patience.cancelled_caught
        assert answered + interrupted == 60
        statistics = stand.pool.statistics()
        assert statistics.completed_tasks >= answered  # a result may meet the cancel on its way to the caller
        assert (statistics.active_tasks, statistics.queue_length) == (0, 0)
        assert isinstance(await stand.ask("ok"), Success)


async def test_garbage_instead_of_a_frame_is_treated_as_a_crash(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        outcome = await stand.ask("garbage")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED
        assert stand.pool.statistics().retried_tasks == 1
        assert isinstance(await stand.ask("ok"), Success)


async def test_cookies_get_a_worker_that_runs_no_other_job(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        used = told(await stand.ask("ok"))["pid"]
        alone = told(await stand.ask("ok", cookies="secret"))["pid"]
        after = told(await stand.ask("ok"))["pid"]
        assert len({used, alone, after}) == 3
        assert [(ended.reason, ended.tasks) for ended in stand.events(events.WorkerEnded)] == [
            ("cookies", 1),
            ("cookies", 1),
        ]


async def test_cookies_take_an_unused_worker_where_there_is_one(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        used = told(await stand.ask("ok"))["pid"]
        unused = next(pid for pid in stand.pids() if pid != used)
        assert told(await stand.ask("ok", cookies="secret"))["pid"] == unused
        await eventually(lambda: unused not in stand.pids())
        assert used in stand.pids()


async def test_cookies_whose_unused_worker_dies_are_tried_again(tmp_path: Path) -> None:
    """The lease had a used worker first, and exchanged it for the unused one."""
    async with standing(tmp_path, min_workers=2) as stand:
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        await stand.ask("ok")
        outcome = await stand.ask("die", cookies="secret")
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.WORKER_CRASHED


async def test_cookies_run_while_other_used_workers_idle(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        async with stand.lease() as one, stand.lease() as two:
            for lease in (one, two):
                await lease.run(scripted("ok"), 5)
        for _ in range(3):
            assert isinstance(await stand.ask("ok", cookies="secret"), Success)
