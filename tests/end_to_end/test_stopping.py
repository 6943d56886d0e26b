"""End-to-end: start, drain and stop of the service, under signals, as PID 1, and when a part crashes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.internet import Internet
from tests.support.processes import alive, zombies
from tests.support.running_service import PATIENCE, ROOT, Service, eventually


@contextmanager
def loaded(
    service: Service, running: int, queued: int, url: str = "https://html5.example/?{}"
) -> Iterator[list[Future[httpx.Response]]]:
    """The futures of `running` + `queued` requests, once they run and wait."""
    with ThreadPoolExecutor(running + queued) as threads:
        answers = [threads.submit(service.extract, url.format(n)) for n in range(running + queued)]
        eventually(lambda: in_place(service, running, queued))
        yield answers


def in_place(service: Service, running: int, queued: int) -> bool:
    pool = service.pool()
    return (pool["activeTasks"], pool["queueLength"]) == (running, queued)


@pytest.fixture
def slow(internet: Internet) -> Iterator[None]:
    """Sites that answer slowly."""
    internet.set_latency("html5.example", 2.0)
    yield
    internet.set_latency("html5.example", 0)


def statuses(answers: list[Future[httpx.Response]]) -> list[int]:
    return sorted(answer.result().status_code for answer in answers)


def test_sigterm_answers_everyone_and_leaves_nothing(internet: Internet, slow: None) -> None:
    settings = {"MIN_WORKERS": 10, "MAX_WORKERS": 10, "SCALING": "fixed:10"}
    with Service.run(internet, settings=settings) as service, loaded(service, 10, 10) as answers:
        family = service.family()
        assert len(alive(family)) == 11  # the template and its workers
        idle = httpx.Client(base_url=service.url)
        with idle:
            assert idle.get("/health/ready").status_code == 200
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: service.events("DrainBegan"))
            ready = idle.get("/health/ready")
            assert (ready.status_code, ready.headers["Connection"]) == (503, "close")
        assert service.get("/health/live").status_code == 200
        late = service.extract("https://direct.example/video.mp4")
        assert (late.status_code, late.json()["code"]) == (503, "SHUTTING_DOWN")
        assert late.headers["Retry-After"]
        assert statuses(answers) == [200] * 10 + [503] * 10
        assert service.process.wait(PATIENCE) == 0
        assert alive(family) == []


def test_work_beyond_the_grace_is_stopped_and_answered(internet: Internet) -> None:
    settings = {"SHUTDOWN_GRACE_MS": 300}
    with (
        Service.run(internet, settings=settings) as service,
        loaded(service, 2, 0, "https://hang.fail-{}.example/") as answers,
    ):
        family = service.family()
        service.process.send_signal(signal.SIGTERM)
        assert [answer.result().json()["code"] for answer in answers] == ["SHUTTING_DOWN"] * 2
        assert service.process.wait(PATIENCE) == 0
        assert service.events("DrainEnded")[0]["interrupted"] == 2
        assert alive(family) == []


def test_a_second_signal_means_now(internet: Internet) -> None:
    settings = {"SHUTDOWN_GRACE_MS": 600_000}
    with (
        Service.run(internet, settings=settings) as service,
        loaded(service, 2, 0, "https://hang.fail-{}.example/") as answers,
    ):
        service.process.send_signal(signal.SIGINT)
        eventually(lambda: service.events("DrainBegan"))
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGINT)
        assert statuses(answers) == [503, 503]
        assert service.process.wait(PATIENCE) == 0


def test_scenario_26_sigkill_takes_every_process_along(internet: Internet) -> None:
    with (
        Service.run(internet) as service,
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(service.extract, "https://hang.fail-1.example/")
        eventually(lambda: in_place(service, 1, 0))
        family = service.family()
        assert len(alive(family)) >= 3
        service.process.kill()
        eventually(lambda: not alive(family), within=5)
        assert answer.exception() is not None


def test_a_template_killed_under_load_loses_no_answer(internet: Internet, slow: None) -> None:
    with Service.run(internet) as service, loaded(service, 2, 0) as answers:
        template = psutil.Process(service.process.pid).children()[0]
        template.kill()
        assert statuses(answers) == [200, 200]
        assert service.events("TemplateEnded")


def caught(pid: int) -> bool:
    """Whether the process `pid` has a handler for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(re.findall(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[0], 16)
    return bool(mask >> signal.SIGTERM - 1 & 1)


@contextmanager
def starting(prefix: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """A service that has just begun to start, under `prefix`."""
    command = (*prefix, sys.executable, "-m", "service", "serve")
    environment = {"PATH": os.environ["PATH"], "PORT": "0"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_its_modules_load_ends_it(number: signal.Signals) -> None:
    with starting() as process:
        eventually(lambda: caught(process.pid))
        process.send_signal(number)
        assert (process.wait(PATIENCE), process.communicate()[1]) == (0, "")


def test_as_pid_1_no_signal_is_lost_while_its_modules_load() -> None:
    with starting(pid_1()) as process:
        eventually(lambda: psutil.Process(process.pid).children())
        (init,) = psutil.Process(process.pid).children()
        eventually(lambda: caught(init.pid))
        init.send_signal(signal.SIGTERM)
        assert (process.wait(PATIENCE), process.communicate()[1]) == (0, "")


def test_a_signal_while_the_template_warms_up_leaves_no_traceback() -> None:
    with starting() as process:
        eventually(lambda: psutil.Process(process.pid).children())
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0
        assert "Traceback" not in log


def test_a_hail_of_signals_changes_neither_the_answers_nor_the_exit_code(
    internet: Internet, slow: None
) -> None:
    with Service.run(internet) as service, loaded(service, 2, 0) as answers:
        while service.process.poll() is None:
            service.process.send_signal(signal.SIGHUP)
            time.sleep(0.005)
        assert {answer.result().status_code for answer in answers} <= {200, 503}
        assert service.process.returncode == 0


def test_a_log_that_nobody_reads_stops_neither_requests_nor_the_drain() -> None:
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    environment = {"PATH": os.environ["PATH"], "PORT": "0", "RATE_LIMIT_MAX_REQUESTS": "0"}
    command = (sys.executable, "-m", "service", "serve")
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=theirs) as process:
        try:
            os.close(theirs)
            log = b""
            while b"ServiceReady" not in log:
                log += os.read(ours, 4096)
            url = next(json.loads(line)["urls"][0] for line in log.splitlines() if b"ServiceReady" in line)
            with httpx.Client(base_url=url, timeout=PATIENCE) as client:
                lost = "ytdlpd_log_lines_dropped_total 0.0"
                long = "/" + "x" * 8000
                while lost in client.get("/metrics").text:
                    for _ in range(40):
                        assert client.get(long).status_code == 404
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            os.close(ours)
            process.kill()


def pid_1() -> tuple[str, ...]:
    """A command that runs another one as process 1 of a namespace of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("needs unshare and the right to use it")
    return (unshare, "--pid", "--fork", "--kill-child", "--mount-proc")


def test_as_pid_1_it_reaps_orphans_and_ends_on_sigterm(internet: Internet) -> None:
    with Service.run(internet, prefix=pid_1()) as service:
        (init,) = psutil.Process(service.process.pid).children()
        assert service.extract("https://html5.example/").status_code == 200
        # An orphan: its parent, inside the same namespace, ends before it does.
        script = "import os, time; os.fork() or (os.setsid(), time.sleep(0.3))"
        enter = ["nsenter", "--target", str(init.pid), "--pid", "--mount", sys.executable, "-c", script]
        subprocess.run(enter, check=True, timeout=PATIENCE)
        eventually(lambda: not zombies(init))
        template = init.children()[0]
        template.children()[0].kill()
        eventually(lambda: not zombies(init))
        family = service.family()
        init.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert alive(family) == []


def serve(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A service that is expected to end by itself."""
    environment = {"PATH": os.environ["PATH"], "PORT": "0", **settings}
    return subprocess.run(
        [sys.executable, *(command or ("-m", "service", "serve"))],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )


def test_a_port_that_is_taken_ends_it_with_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = serve(PORT=str(port))
    assert ended.returncode == 1
    assert f"Error: port {port} of 127.0.0.1 is taken by another program" in ended.stderr
    assert "--port 0" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("host", "sentence"), [("ytdlpd.invalid", "cannot be resolved"), ("192.0.2.1", "no address")]
)
def test_a_host_that_is_not_of_this_machine_is_named(host: str, sentence: str) -> None:
    ended = serve(HOST=host)
    assert ended.returncode == 1
    assert f"Error: HOST {host} " in ended.stderr
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("content", [None, "#!/bin/false"])
def test_without_deno_it_ends_with_the_sentence_alone(tmp_path: Path, content: str | None) -> None:
    """A module `deno` goes before the installed one, and finds nothing, or nothing that runs."""
    binary = tmp_path / "deno"
    if content is not None:
        binary.write_text(content)
    finds = f"return {str(binary)!r}" if content is not None else "raise FileNotFoundError"
    (tmp_path / "deno.py").write_text(f"def find_deno_bin():\n    {finds}\n")
    ended = serve(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "Error: the template process cannot start: " in ended.stderr
    assert "pip install" in ended.stderr.splitlines()[-1]


def test_a_wrong_setting_ends_it_with_one_clear_line() -> None:
    ended = serve(MIN_WORKERS="many")
    assert ended.returncode == 1
    assert "MIN_WORKERS" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_template_that_cannot_start_ends_it_with_one_clear_line(tmp_path: Path) -> None:
    broken = tmp_path / "yt_dlp"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('this yt-dlp is broken')")
    ended = serve(PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert "yt-dlp" in ended.stderr.splitlines()[-1]


BROKEN_PART = """
import sys, trio, service.main
from service.__main__ import cli

async def cooldowns(breakers, *, task_status):
    task_status.started()
    await trio.sleep(0.5)
    raise RuntimeError("the breaker task broke")

service.main.cooldowns = cooldowns
sys.argv[1:] = ["serve"]
cli()
"""


def test_a_part_that_crashes_ends_the_service_with_one_clear_line() -> None:
    ended = serve("-c", BROKEN_PART)
    assert ended.returncode == 1
    (line,) = (line for line in ended.stderr.splitlines() if '"critical"' in line)
    assert "the breaker task broke" in json.loads(line)["error"]


def test_the_drain_ends_with_the_last_request(internet: Internet) -> None:
    with Service.run(internet, settings={"SHUTDOWN_GRACE_MS": 600_000}) as service:
        started = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert time.monotonic() - started < PATIENCE
