"""End-to-end: the container of deploy/ without a container engine: the image's own command as PID 1, as an
unprivileged user, on a read-only root, within a control group's memory.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.internet import REALISTIC, Internet
from tests.support import contained
from tests.support.processes import alive
from tests.support.running_service import PATIENCE, ROOT, Service, eventually

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")),
    reason="needs root, unshare and setpriv, to make namespaces and to give up being root",
)


def exec_form(instruction: str) -> list[str]:
    """The words of the Dockerfile's last `instruction … ["a", "b"]`."""
    line = [line for line in DOCKERFILE.splitlines() if line.startswith(instruction)][-1]
    words: list[str] = json.loads(line[line.index("[") :])
    return words


def in_venv(words: list[str]) -> list[str]:
    return [str(Path(sys.executable).parent / words[0]), *words[1:]]


@dataclass(frozen=True, slots=True)
class Contained:
    """A service in its container, and its process there, which is PID 1."""

    service: Service
    init: psutil.Process

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run `command` in the container, as its user."""
        enter = ("nsenter", f"--target={self.init.pid}", "--mount", "--pid")
        user = ("setpriv", f"--reuid={contained.USER}", f"--regid={contained.USER}", "--clear-groups")
        words = (*enter, *user, *command)
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, cwd="/")

    def probe(self) -> subprocess.CompletedProcess[str]:
        """The image's own health check."""
        return self.inside(*in_venv(exec_form("HEALTHCHECK")), self.service.url)


@contextmanager
def container(
    internet: Internet, group: Path | None = None, settings: Mapping[str, object] | None = None
) -> Iterator[Contained]:
    """The image's command in a container of its own, in the control group `group` where there is one."""
    kept = [ROOT, Path(sys.prefix), Path(sys.base_prefix), internet.ca_file]
    command = in_venv([*exec_form("ENTRYPOINT"), *exec_form("CMD")])
    join = f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))}; " if group else ""
    unshare = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    python = (sys.executable, "-I", contained.__file__, *(str(path.resolve()) for path in kept))
    words = shlex.join((*unshare, *python, "--", *command))
    # What Service.run appends, the command of a checkout, becomes the shell's unused arguments.
    with Service.run(internet, settings=settings, prefix=("sh", "-c", f"{join}exec {words}")) as service:
        (init,) = psutil.Process(service.process.pid).children()
        try:
            yield Contained(service, init)
        finally:
            if init.is_running():
                init.send_signal(signal.SIGTERM)
            service.process.wait(PATIENCE)


@pytest.fixture
def slow(internet: Internet) -> Iterator[None]:
    internet.set_latency("html5.example", 0.5)
    yield
    internet.set_latency("html5.example", 0)


def test_unprivileged_on_a_read_only_root_it_extracts(internet: Internet) -> None:
    with container(internet) as it:
        status = dict(line.split(":\t", 1) for line in status_of(it.init).splitlines())
        assert status["NSpid"].split()[-1] == "1"
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {contained.USER}
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"

        assert it.inside("touch", "/tmp/fine").returncode == 0
        for path in ("/no", "/etc/no", f"{ROOT}/service/no"):
            assert "Read-only file system" in as_root(it, "touch", path).stderr
        assert "Permission denied" in it.inside("sh", "-c", "cp /bin/true /tmp && /tmp/true").stderr

        assert it.probe().returncode == 0
        for url in ("https://youtu.be/challenge__", "https://html5.example/", "https://dash.example/a.mpd"):
            answer = it.service.extract(url)
            assert answer.status_code == 200, answer.text
        for worker in it.init.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                assert set(worker.uids()) == {int(contained.USER)}

        family = [it.init, *it.init.children(recursive=True)]
        it.init.send_signal(signal.SIGTERM)
        assert it.service.process.wait(PATIENCE) == 0
        assert alive(family) == []


def test_a_drain_as_pid_1_under_load_leaves_no_request_unanswered(internet: Internet, slow: None) -> None:
    signalled = threading.Event()
    answers: list[int] = []

    def client(number: int) -> None:
        for turn in range(1000):
            if signalled.is_set():
                return
            url = f"https://html5.example/?{number}-{turn}"
            answers.append(it.service.extract(url).status_code)
            if answers[-1] != 200:  # a balancer would use another instance, too
                return

    settings = {"SCALING": "fixed:4", "SHUTDOWN_GRACE_MS": 20_000, "DRAIN_DELAY_MS": 0}
    internet.set_latency("dash.example", 4.0)  # this request keeps the drain going while others come
    before = internet.counters().of("dash.example")
    with container(internet, settings=settings) as it, ThreadPoolExecutor(32) as threads:
        try:
            clients = [threads.submit(client, number) for number in range(16)]
            eventually(lambda: len(answers) > 20)
            long = threads.submit(it.service.extract, "https://dash.example/a.mpd")
            eventually(lambda: internet.counters().of("dash.example") > before)
            it.init.send_signal(signal.SIGTERM)
            eventually(lambda: it.service.events("DrainBegan"))
        finally:
            signalled.set()
        late = [threads.submit(it.service.extract, f"https://html5.example/?late-{n}") for n in range(8)]
        probed = it.probe()
        for each in clients:
            each.result()  # raises what the client met other than an answer
        assert {each.result().status_code for each in late} == {503}
        assert long.result().status_code == 200
        assert it.service.process.wait(PATIENCE) == 0
        assert it.service.events("DrainBegan")[0]["running"] == 4
        assert it.service.events("DrainEnded")[0]["interrupted"] == 0
    internet.set_latency("dash.example", 0)
    assert set(answers) == {200, 503}
    assert (probed.returncode, "503" in probed.stderr) == (1, True)


def test_it_keeps_within_its_memory(internet: Internet, slow: None) -> None:
    settings = {"MIN_WORKERS": 1, "MAX_WORKERS": 10, "QUEUE_MAX": 200}
    with memory_group(640 << 20) as group, container(internet, group, settings) as it:
        assert str(it.init.pid) in (group / "cgroup.procs").read_text().split()
        with ThreadPoolExecutor(8) as threads:
            urls = [f"https://html5.example/?memory={number}" for number in range(48)]
            statuses = [answer.status_code for answer in threads.map(it.service.extract, urls)]
        pool = it.service.pool()
        assert set(statuses) == {200}
        # Of ten; each is expected to take 64 MB, beside the 512 MB for all.
        assert 1 <= pool["peakWorkers"] <= 2
        assert killed(group) == 0


def test_new_player_scripts_of_real_size_keep_within_its_memory() -> None:
    """Ten clients and three scripts at once, each of which takes 300 MB while it is taken apart."""
    settings = {"MIN_WORKERS": 1, "MAX_WORKERS": 10, "YTDLP_TIMEOUT": 1000 * PATIENCE}
    with (
        Internet.spawn(settings=REALISTIC) as field,
        memory_group(640 << 20) as group,
        container(field, group, settings) as it,
    ):
        with ThreadPoolExecutor(10) as threads:
            urls = [f"https://www.youtube.com/watch?v=memory{number:05}" for number in range(20)]
            answers = list(threads.map(it.service.extract, urls))
        # On a busy machine a client may be told that its turn would come too late.
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert all("formats" in answer.json() for answer in answers if answer.status_code == 200)
        assert not any("partial" in answer.json() for answer in answers)
        assert it.service.get("/health").json()["solver"]["prepared"] == REALISTIC.rotation
        assert killed(group) == 0


def test_slow_readers_do_not_take_its_memory(internet: Internet) -> None:
    """Four addresses with eighteen connections each, which read a large answer slowly or not at all."""
    settings = {"MIN_WORKERS": 1, "MAX_WORKERS": 2}
    url = "https://cdn.example/huge-1.m3u8"
    with memory_group(640 << 20) as group, container(internet, group, settings) as it, ExitStack() as readers:
        answer = it.service.extract(url)
        assert (answer.status_code, len(answer.content) > 5 << 20) == (200, True)
        door = urlsplit(it.service.url)
        for number in range(4 * 18):
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.bind((f"127.0.0.{2 + number % 4}", 0))
            reader.connect((door.hostname, door.port))
            reader.sendall(f"GET /api/v1/extract?url={url} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
        assert it.service.extract("https://html5.example/?meanwhile").status_code == 200
        assert killed(group) == 0


def status_of(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/status").read_text()


def as_root(it: Contained, *command: str) -> subprocess.CompletedProcess[str]:
    """As root in the container, so that no permission stops it."""
    words = ("nsenter", f"--target={it.init.pid}", "--mount", *command)
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, cwd="/")


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """A control group with `limit` bytes of memory, of whichever version this machine has."""
    root = Path("/sys/fs/cgroup")
    own = {line.split(":")[1]: line.split(":")[2] for line in Path("/proc/self/cgroup").read_text().split()}
    first = "memory" in own
    parent = root / "memory" / own["memory"].lstrip("/") if first else root / own[""].lstrip("/")
    group = parent / f"ytdlpd-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(limit))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be given a memory limit here: {error}")
    try:
        yield group
    finally:
        deadline = time.monotonic() + PATIENCE
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        group.rmdir()


def killed(group: Path) -> int:
    """The number of processes that the OOM killer has ended there."""
    for name in ("memory.events", "memory.oom_control"):
        if (group / name).exists():
            found = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(found["oom_kill"])
    raise AssertionError("neither version keeps count")
