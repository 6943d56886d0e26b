"""The pool's numbered scenarios, second half: recycling, shutdown, failing starts. Contract.

Real template, real workers, real clock.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import trio

from service import events
from service.errors import ShuttingDown
from service.pool.admission import Ticket
from service.pool.template import StartError
from service.wire import Failure, Outcome, Success
from tests.support.scripted_pool import eventually, scripted, standing, told


async def test_scenario_15_the_replacement_comes_before_the_recycled_worker_goes(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1, max_tasks_per_worker=2) as stand:
        results: list[Outcome | BaseException] = []
        for _ in range(8):
            stand.start("ok", results)
        await eventually(lambda: len(results) == 8)
        assert all(isinstance(result, Success) for result in results)
        await eventually(lambda: len(stand.events(events.WorkerEnded)) == 4)
        ended = stand.events(events.WorkerEnded)
        assert {(event.reason, event.tasks) for event in ended} == {("recycled", 2)}
        life = [event for event in stand.log if isinstance(event, events.WorkerStarted | events.WorkerEnded)]
        assert [type(event) for event in life[:3]] == [
            events.WorkerStarted,
            events.WorkerStarted,
            events.WorkerEnded,
        ]


async def test_scenario_15_without_a_replacement_the_old_worker_serves_on(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1, max_tasks_per_worker=1) as stand:
        (tmp_path / "no-fork").touch()
        assert told(await stand.ask("ok"))["pid"] == told(await stand.ask("ok"))["pid"]
        assert stand.events(events.WorkerBootFailed)


async def test_scenario_17_without_a_limit_a_worker_is_never_recycled(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1, max_tasks_per_worker=0) as stand:
        assert len({told(await stand.ask("ok"))["pid"] for _ in range(30)}) == 1


async def test_scenario_18_shutdown_answers_every_job_and_leaves_no_process(tmp_path: Path) -> None:
    results: list[Outcome | BaseException] = []
    async with standing(tmp_path, grace=0.3) as stand:
        stand.start("stubborn/60", results)
        stand.start("sleep/60", results)
        await eventually((tmp_path / "stubborn").exists)
        for _ in range(5):
            stand.start("ok", results)
        await eventually(lambda: stand.pool.statistics().queue_length == 5)
        stand.pool.close()
        await trio.testing.wait_all_tasks_blocked()
        assert [type(result) for result in results] == [ShuttingDown] * 5
        with pytest.raises(ShuttingDown):
            await stand.ask("ok")
        assert stand.pool.statistics().active_tasks == 2  # these may go on until they are stopped
        pids = stand.pids()
    assert [type(result) for result in results[5:]] == [trio.Cancelled] * 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_scenario_19_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    with trio.fail_after(20):
        results: list[Outcome | BaseException] = []
        async with standing(tmp_path, grace=600) as stand:
            client = stand.start("stubborn/60", results)
            await eventually((tmp_path / "stubborn").exists)
            client.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert not results
            stand.pool.skip_grace()
            await eventually(lambda: results)
            (tmp_path / "stubborn").unlink()
            stand.start("stubborn/60", results)
            await eventually((tmp_path / "stubborn").exists)


async def test_scenario_20_a_worker_that_dies_during_shutdown_is_not_replaced(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        results: list[Outcome | BaseException] = []
        stand.start("sleep/60", results)
        await eventually(lambda: stand.pool.statistics().active_tasks == 1)
        stand.pool.close()
        for pid in stand.pids():
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not stand.pids())
        await trio.sleep(0.2)
        assert len(stand.events(events.WorkerStarted)) == 2
        assert isinstance(results[0], Failure)


async def test_scenario_21_where_fork_fails_the_others_serve_on_and_it_is_tried_again(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        (tmp_path / "no-fork").touch()
        results: list[Outcome | BaseException] = []
        for _ in range(3):
            stand.start("sleep/0.7", results)
        await eventually(lambda: len(results) == 3)
        failures = stand.events(events.WorkerBootFailed)
        assert [failure.retry_in for failure in failures][:2] == [0.5, 1.0]
        assert "temporarily unavailable" in failures[0].problem
        assert all(isinstance(result, Success) for result in results)


async def test_scenario_21_without_any_worker_requests_wait_until_their_deadline(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        (tmp_path / "no-fork").touch()
        os.kill(stand.pids()[0], signal.SIGKILL)
        with trio.move_on_after(0.3) as deadline:
            await stand.ask("ok")
        assert deadline.cancelled_caught
        (tmp_path / "no-fork").unlink()
        assert isinstance(await stand.ask("ok"), Success)


async def test_scenario_22_deaths_at_boot_degrade_the_pool_but_never_for_good(tmp_path: Path) -> None:
    (tmp_path / "stillborn").touch()
    async with standing(tmp_path, ready=False, min_workers=3, max_workers=3) as stand:
        await eventually(lambda: stand.pool.statistics().degraded)
        statistics = stand.pool.statistics()
        assert statistics.boot_failures >= 3
        assert statistics.active_workers == 0
        (tmp_path / "stillborn").unlink()
        await stand.pool.warm_floor()
        assert not stand.pool.statistics().degraded


async def test_scenario_23_a_worker_that_is_not_ready_in_time_is_killed_and_counted(tmp_path: Path) -> None:
    (tmp_path / "mute").touch()
    async with standing(tmp_path, ready=False, boot=0.3) as stand:
        await eventually(stand.pids)
        assert [worker.state for worker in stand.pool.statistics().workers] == ["booting"]
        mute = stand.pids()[0]
        await eventually(lambda: stand.pool.statistics().boot_failures)
        assert not psutil.pid_exists(mute)
        assert "not ready within 0.3 s" in stand.events(events.WorkerBootFailed)[0].problem
        (tmp_path / "mute").unlink()
        assert isinstance(await stand.ask("ok"), Success)


async def test_a_template_that_dies_is_started_again_and_its_jobs_are_run_again(tmp_path: Path) -> None:
    async with standing(tmp_path, min_workers=2) as stand:
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        results: list[Outcome | BaseException] = []
        stand.start("sleep/0.3", results)
        await eventually(lambda: stand.pool.statistics().active_tasks == 1)
        before = stand.pids()
        os.kill(stand.events(events.TemplateStarted)[0].pid, signal.SIGKILL)
        await eventually(lambda: results)
        assert isinstance(results[0], Success)
        assert stand.events(events.TemplateEnded)[0].status == -signal.SIGKILL
        assert len(stand.events(events.TemplateStarted)) == 2
        await eventually(lambda: stand.pool.statistics().idle_workers == 2)
        assert not set(before) & set(stand.pids())


async def test_a_template_that_dies_takes_no_blame_to_the_url(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand, stand.pool.acquire(Ticket("")) as lease:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lease.run, scripted("sleep/0.3"), 10)
            await trio.sleep(0.1)
            os.kill(stand.events(events.TemplateStarted)[0].pid, signal.SIGKILL)
        assert lease.deaths == []


async def test_a_template_that_does_not_come_back_is_tried_ever_more_slowly(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        (tmp_path / "no-template").touch()
        os.kill(stand.events(events.TemplateStarted)[0].pid, signal.SIGKILL)
        await eventually(lambda: stand.events(events.WorkerBootFailed))
        assert "No module named 'yt_dlp'" in stand.events(events.WorkerBootFailed)[0].problem
        (tmp_path / "no-template").unlink()
        assert isinstance(await stand.ask("ok"), Success)


async def test_a_template_that_never_starts_says_why(tmp_path: Path) -> None:
    (tmp_path / "no-template").touch()
    with pytest.RaisesGroup(pytest.RaisesExc(StartError, match="No module named 'yt_dlp'")):
        async with standing(tmp_path):
            pass


async def test_a_large_result_passes_unharmed(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        outcome = await stand.ask(f"big/{8 << 20}")
        assert isinstance(outcome, Success)
        assert outcome.body == b"x" * (8 << 20)


async def test_ten_times_more_requests_than_workers_are_all_answered(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=4, max_tasks_per_worker=3) as stand:
        results: list[Outcome | BaseException] = []
        for number in range(40):
            stand.start(("ok", "fail", "sleep/0.01", "leave")[number % 4], results)
        await eventually(lambda: len(results) == 40)
        assert not [result for result in results if isinstance(result, BaseException)]
        statistics = stand.pool.statistics()
        assert (statistics.total_tasks, statistics.completed_tasks, statistics.failed_tasks) == (40, 20, 20)
        assert statistics.peak_workers <= 4
        assert (statistics.active_tasks, statistics.queue_length) == (0, 0)
