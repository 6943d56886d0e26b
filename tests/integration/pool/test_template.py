"""The template process, and the limits of a forked worker. Contract: real processes, real clock."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
import trio

from service import events
from service.config import Config
from service.pool.accounting import Cost
from service.pool.memory import pss_of
from service.pool.process import Process, WorkerDied
from service.pool.reaper import reap, reap_orphans
from service.pool.template import Template
from service.wire import Failure
from tests.support.effort import scaled
from tests.support.processes import gone
from tests.support.scripted_pool import PATIENCE, command, eventually, scripted, standing, told

CYCLES = scaled(150)
NICEST = 19  # the kernel knows no lower priority


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if not gone(pid)]}"
        time.sleep(0.01)


async def test_a_worker_inherits_nothing_but_its_socket(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        seen = told(await stand.ask("inspect"))
        assert sorted(target.partition(":")[0] for target in seen["descriptors"].values()) == [
            "/dev/null",
            "/dev/null",
            "/dev/null",
            "socket",
        ]
        assert seen["session"] == seen["pid"]
        assert seen["niceness"] == min(os.getpriority(os.PRIO_PROCESS, 0) + 5, NICEST)
        assert seen["core"] == 0
        assert not seen["trio"]


async def test_a_worker_sees_no_environment_of_ours_and_an_empty_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "HTTPS_PROXY", "SSLKEYLOGFILE", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "ours")
    async with standing(tmp_path) as stand:
        seen = told(await stand.ask("inspect"))
        assert "ours" not in seen["environment"].values()
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "DENO_DIR"):
            assert seen["environment"][name] == seen["directory"] + ("/deno" if name == "DENO_DIR" else "")
        assert seen["left"] == []


async def test_a_killed_worker_leaves_no_files(tmp_path: Path) -> None:
    async with standing(tmp_path, grace=0) as stand:
        with trio.move_on_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stand.ask, "litter")
                await eventually(lambda: (tmp_path / "litter").exists() and (tmp_path / "litter").read_text())
                nursery.cancel_scope.cancel()
        litter = Path((tmp_path / "litter").read_text())
        assert not litter.parent.exists()
        assert litter.parents[1].exists()
    assert not litter.parents[1].exists()


async def test_a_worker_cannot_use_more_memory_than_it_may(tmp_path: Path) -> None:
    async with standing(tmp_path, worker_memory_mb=256) as stand:
        assert told(await stand.ask(f"hoard/{100 << 20}"))["length"] == 100 << 20
        assert isinstance(await stand.ask(f"hoard/{400 << 20}"), Failure)


async def test_the_template_survives_ctrl_c_and_the_signals_of_a_service_manager(tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        template = stand.events(events.TemplateStarted)[0].pid
        assert os.getsid(template) == template
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(template, number)
        before = stand.pids()
        assert told(await stand.ask("ok", cookies="secret"))["pid"]
        await eventually(lambda: stand.pids() not in ([], before))  # one was forked since
        assert not stand.events(events.TemplateEnded)


async def test_scenario_24_many_lives_leak_neither_descriptors_nor_zombies(tmp_path: Path) -> None:
    template = Template(Config.load(), events.Events(), command=command(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(template.run)

        async def live() -> None:
            process = await template.spawn()
            await process.ready()
            await process.end(grace=2)

        await live()
        before = _descriptors(template)
        for _ in range(CYCLES):
            await live()
        assert _descriptors(template) == before
        (pid,) = template.pids()
        assert psutil.Process(pid).children(recursive=True) == []
        nursery.cancel_scope.cancel()


def _descriptors(template: Template) -> tuple[int, int]:
    """Of the server and of the template."""
    (pid,) = template.pids()
    return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{pid}/fd"))


async def test_scenario_25_a_foreign_childs_status_is_untouched(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as foreign:  # noqa: ASYNC220
        async with standing(tmp_path, max_tasks_per_worker=1) as stand:
            stand.nursery.start_soon(reap_orphans, stand.template.pids)
            await eventually(lambda: gone(foreign.pid))
            for url in ("ok", "die", "leave", "ok"):
                await stand.ask(url)
        assert foreign.wait() == 7


def test_scenario_25_the_reaper_takes_orphans_alone() -> None:
    orphaning = "import os, time\nif os.fork() == 0:\n os.setsid()\n print(os.getpid(), flush=True)"
    parent = subprocess.run([sys.executable, "-c", orphaning], stdout=subprocess.PIPE, check=True)
    orphan = int(parent.stdout)  # ours since its parent is gone: tests run in a child subreaper
    with (
        subprocess.Popen(["false"]) as waited_for,
        subprocess.Popen(["false"], start_new_session=True) as spared,
    ):
        wait_until_gone([orphan, waited_for.pid, spared.pid])
        assert reap({spared.pid}) == [orphan]
        assert reap({spared.pid}) == []
        assert (waited_for.wait(), spared.wait()) == (1, 1)


SERVER = """
    import sys
    from pathlib import Path
    import trio
    from tests.support.scripted_pool import eventually, standing

    async def serve(directory):
        async with standing(directory, min_workers=3, max_workers=3) as stand:
            stand.start("stubborn/60", [])
            await eventually((directory / "stubborn").exists)
            await eventually(lambda: len(stand.pids()) == 3)
            print(*stand.template.pids(), *stand.pids(), flush=True)
            await trio.sleep_forever()

    trio.run(serve, Path(sys.argv[1]))
"""


def test_scenario_26_nothing_survives_the_server(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), str(tmp_path)], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        assert len(pids) == 4
        assert not any(gone(pid) for pid in pids)
        server.kill()
        wait_until_gone(pids)


def test_a_template_that_is_still_warming_up_goes_with_the_server(tmp_path: Path) -> None:
    (tmp_path / "slow-template").touch()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), str(tmp_path)], stdout=subprocess.PIPE
    ) as server:
        warming = tmp_path / "warming"
        while not warming.exists() or not warming.read_text():
            time.sleep(0.01)
        server.kill()
        wait_until_gone([int(warming.read_text())])


async def test_a_template_that_hangs_is_killed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.pool.template.ANSWER", 0.3)
    async with standing(tmp_path) as stand:
        os.kill(stand.events(events.TemplateStarted)[0].pid, signal.SIGSTOP)
        assert told(await stand.ask("ok", cookies="secret"))["pid"]  # on the existing worker
        assert told(await stand.ask("ok"))["pid"]  # the fork of its replacement fails
        assert len(stand.events(events.TemplateStarted)) == 2


async def test_a_worker_that_is_being_forked_when_all_is_cancelled_is_not_left_behind(tmp_path: Path) -> None:
    async with standing(tmp_path, max_workers=1) as stand:
        template = stand.events(events.TemplateStarted)[0].pid
        os.kill(template, signal.SIGSTOP)
        os.kill(stand.pids()[0], signal.SIGKILL)
        await trio.sleep(0.2)
        awakening = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -CONT {template}"])  # noqa: ASYNC220
    assert awakening.wait() == 0
    # Every test is checked for processes that it leaves behind.


async def test_a_job_for_a_dead_worker_is_refused(tmp_path: Path) -> None:
    template = Template(Config.load(), events.Events(), command=command(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(template.run)
        process: Process = await template.spawn()
        await process.ready()
        assert process.healthy()
        assert process.cost().cpu > 0
        assert pss_of(process.pid) > 0
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        assert not process.healthy()
        with pytest.raises(WorkerDied):
            await process.run(scripted("ok"), 1)
        assert await process.end(grace=0) == -signal.SIGKILL
        assert process.cost(below=True) == Cost()
        nursery.cancel_scope.cancel()


async def test_a_scratch_folder_that_a_cleaner_removed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    async with standing(tmp_path, max_workers=1) as stand:
        (folder,) = (tmp_path / "tmp").iterdir()
        shutil.rmtree(folder)
        assert told(await stand.ask("ok", cookies="secret"))["pid"]
        seen = told(await stand.ask("inspect"))  # the one with cookies was this worker's last job
        assert Path(seen["directory"]).parent == folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not stand.events(events.WorkerBootFailed)


async def test_a_scratch_folder_that_became_somebody_else_s_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    async with standing(tmp_path, max_workers=1) as stand:
        (folder,) = (tmp_path / "tmp").iterdir()
        shutil.rmtree(folder)
        folder.symlink_to(tmp_path)
        await stand.ask("ok", cookies="secret")
        await eventually(lambda: stand.events(events.WorkerBootFailed))
        assert "not ours" in stand.events(events.WorkerBootFailed)[0].problem
        folder.unlink()
        assert told(await stand.ask("ok"))["pid"]


async def test_a_template_that_cannot_be_made_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the first one, where a full disk ends no service either."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    log = list[events.Event]()
    bus = events.Events()
    bus.subscribe(log.append)
    template = Template(Config.load(), bus, command=command(tmp_path))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(template.run)
        await eventually(lambda: log)
        assert isinstance(log[0], events.WorkerBootFailed)
        assert "No such file or directory" in log[0].problem
        (tmp_path / "tmp").mkdir()
        await eventually(lambda: isinstance(log[-1], events.EgressLayers))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("left", range(1, 5))
async def test_a_template_that_finds_too_few_descriptors_leaks_none(tmp_path: Path, left: int) -> None:
    """Whichever step meets the limit, what the steps before it made is undone."""
    log = list[events.Event]()
    bus = events.Events()
    bus.subscribe(log.append)
    template = Template(Config.load(), bus, command=command(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = [os.dup(0)]
    while taken[-1] < highest + left:
        taken.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1, hard))
    try:
        for _ in range(left):
            os.close(taken.pop())
        before = os.listdir("/proc/self/fd")
        with trio.move_on_after(0.1):
            await template.run()
        assert os.listdir("/proc/self/fd") == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)
    assert template.pids() == frozenset()
    assert isinstance(log[0], events.WorkerBootFailed)
    assert "Too many open files" in log[0].problem
