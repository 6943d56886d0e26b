"""Load while everything breaks: what the service answers meanwhile, and what is left afterwards.

Seeded: `--seed` chooses the requests and the faults, `--seconds` how long it lasts, after a rehearsal as
long. Workers are killed and stopped, the template is killed, sites reset, drip and send noise, clients
vanish, the disk is full, forks fail, and the wall clock jumps by hours. The exit status is 1 where
a request got no answer or a wrong one, or something is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil

from tests.internet import Internet
from tests.running import Service, eventually

WORKERS = 4
DEADLINE = 4.0  # seconds for one request
PATIENCE = 15.0  # seconds past the deadline after which a request counts as not answered
FULL = 1.5  # seconds for which the disk is full, or forks fail
LINGERING = 8.0  # seconds: idle connections are closed after five
GROWTH = 0.05  # of memory
SETTLE = (
    40.0  # seconds in which the service has to be well again: an open breaker, a stopped worker's deadline
)

# The faults, and how often each comes among them.
FAULTS = {"kill": 12, "stop": 3, "template": 1, "site": 6, "disk": 1, "fork": 1, "clock": 2}

STUB = """
import errno, os
from yt_dlp.extractor.common import InfoExtractor
class NobodyIE(InfoExtractor):
    _VALID_URL = r"https?://nobody[.]example/"
forked = os.fork
def fork():
    if os.path.exists({flag!r}):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return forked()
os.fork = fork
"""

# Every Python process of the service imports it first.
CLOCK = """
import os, time
told = time.time
def jumping():
    try:
        with open({file!r}) as file:
            return told() + float(file.read() or 0)
    except OSError:
        return told()
time.time = jumping
time.time_ns = lambda: int(jumping() * 1e9)
"""


@dataclass
class Report:
    """What happened.

    Attributes:
        answers: by status and code; "left" are clients that went away on purpose.
        faults: by kind.
        figures: before and after.
        problems: what must not be, a sentence each.
    """

    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    figures: dict[str, tuple[float, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"requests {sum(self.answers.values())}, faults {sum(self.faults.values())}", ""]
        for title, counts in (("answer", self.answers), ("fault", self.faults)):
            lines += [f"| {title} | count |", "| --- | --- |"]
            lines += [f"| {name} | {count} |" for name, count in counts.most_common()] + [""]
        lines += ["| left afterwards | before | after |", "| --- | --- | --- |"]
        lines += [f"| {name} | {before:g} | {after:g} |" for name, (before, after) in self.figures.items()]
        return "\n".join([*lines, "", *(self.problems or ["nothing wrong"])])


def run(seconds: float, seed: int, clients: int = 12) -> Report:
    """Break things for `seconds`, and look at what is left."""
    report = Report()
    with Internet.spawn() as internet, TemporaryDirectory(prefix="chaos-") as folder:
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        flag = Path(folder) / "no-fork"
        prefix = _small_disk(scratch)
        settings = {
            "SCALING": f"fixed:{WORKERS}",
            "YTDLP_TIMEOUT": int(DEADLINE * 1000),
            "CB_COOLDOWN_MS": 2000,
            "TMPDIR": scratch,
            "PLUGIN_DIR": _stub(Path(folder), flag),
            "PYTHONPATH": jumping_clock(Path(folder)),
            "CACHE_MAX_BYTES": 1 << 20,
        }
        with Service.run(internet, settings={**settings, "LOG_LEVEL": "info"}, prefix=prefix) as service:
            crowd = _Crowd(service, report, seed)
            disk = scratch if prefix else None
            figures = []
            # First a rehearsal as long: bounded caches and histories fill, and all is loaded that ever is.
            for turn, length in enumerate((seconds, seconds)):
                report.answers.clear()
                report.faults.clear()
                with _Saboteur(service, internet, report, disk, flag, seed + turn).at_work():
                    crowd.press(length, clients)
                _settle(service, report)
                figures.append(_least(lambda: _figures(service, scratch, bool(prefix))))
            before, after = figures
            report.figures = {name: (before[name], after[name]) for name in before}
            _judge(report)
            if internet.counters().private:
                report.problems.append("the private side was reached")
            family = service.family()
        left = [process for process in family if process.is_running()]
        if left or service.process.returncode != 0:
            report.problems.append(f"the service ended with {service.process.returncode}, leaving {left}")
        if not prefix and list(scratch.iterdir()):
            report.problems.append("temporary files are left")
    return report


def _stub(folder: Path, flag: Path) -> Path:
    """A plugin that lets forks fail while `flag` exists: RLIMIT_NPROC does not bind root."""
    plugins = folder / "plugins"
    package = plugins / "package" / "yt_dlp_plugins" / "extractor"
    package.mkdir(parents=True)
    (package / "stub.py").write_text(STUB.format(flag=str(flag)))
    return plugins


def jumping_clock(folder: Path) -> Path:
    """A folder for PYTHONPATH: the wall clock is off by the seconds that are in the file `offset` there."""
    home = folder / "clock"
    home.mkdir()
    (home / "sitecustomize.py").write_text(CLOCK.format(file=str(home / "offset")))
    return home


def _small_disk(scratch: Path) -> tuple[str, ...]:
    """A command that gives the service a small file system of its own at `scratch`; none where it cannot."""
    mount = f'mount -t tmpfs -o size=4m tmpfs {scratch} && exec "$@"'
    prefix = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh")
    possible = shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if possible and possible.returncode == 0 else ()


class _Crowd:
    """Clients that ask for one thing after the other and check each answer against its URL."""

    def __init__(self, service: Service, report: Report, seed: int) -> None:
        self._address = urlsplit(service.url)
        self._report = report
        self._seed = seed
        self._lock = threading.Lock()
        self._number = 0

    def press(self, seconds: float, clients: int) -> None:
        """Ask for `seconds`; returns when the last answer is there."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=[end]) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, end: float) -> None:
        while time.monotonic() < end:
            with self._lock:
                self._number += 1
                number = self._number
            chance = random.Random(self._seed * 1_000_003 + number)
            leaves = chance.random() < 0.1
            with contextlib.closing(
                http.client.HTTPConnection(
                    str(self._address.hostname),
                    self._address.port,
                    timeout=chance.uniform(0.01, 0.5) if leaves else DEADLINE + PATIENCE,
                )
            ) as connection:
                outcome = self._ask(connection, self._url(chance, number), chance, number, leaves)
            with self._lock:
                self._report.answers[outcome] += 1
            if outcome.startswith("503"):
                time.sleep(chance.uniform(0.1, 0.5))

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        url: str,
        chance: random.Random,
        number: int,
        leaves: bool,
    ) -> str:
        asked: dict[str, object] = {"url": url}
        if chance.random() < 0.05:
            line = "\t".join((".example", "TRUE", "/", "FALSE", "2147483647", "session", f"s{number}"))
            asked["cookies"] = f"# Netscape HTTP Cookie File\n{line}\n"
        headers = {"Content-Type": "application/json", "X-Request-ID": f"chaos-{number}"}
        try:
            connection.request("POST", "/api/v1/extract", json.dumps(asked), headers)
            reply = connection.getresponse()
            body = json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            if leaves and isinstance(error, TimeoutError):
                return "left"
            return self._problem(f"request {number} for {url} got no answer: {error!r}")
        if reply.headers["X-Request-ID"] != f"chaos-{number}":
            return self._problem(f"request {number} got the answer of {reply.headers['X-Request-ID']}")
        if reply.status == 200 and body.get("original_url") != url:
            return self._problem(f"request {number} for {url} got {body.get('original_url')}")
        if body.get("code") == "INTERNAL":
            return self._problem(f"request {number} for {url} got INTERNAL")
        return f"{reply.status} {body.get('code', 'OK')}"

    def _problem(self, sentence: str) -> str:
        with self._lock:
            self._report.problems.append(sentence)
        return "wrong"

    @staticmethod
    def _url(chance: random.Random, number: int) -> str:
        if chance.random() < 0.7:
            host = chance.randrange(20)
            path = chance.choice(("html5", "video.mp4", "master.m3u8", "manifest.mpd", "json-ld", "cookies"))
            return f"https://site-{host}.example/{path}?n={number}"
        how = chance.choice(("500", "404", "reset", "garbage", "truncated", "empty", "drip", "hang", "huge"))
        return f"https://{how}.fail-{chance.randrange(40)}.example/?n={number}"


class _Saboteur:
    """Breaks one thing after the other, and mends what does not mend itself."""

    def __init__(
        self,
        service: Service,
        internet: Internet,
        report: Report,
        disk: Path | None,
        flag: Path,
        seed: int,
    ) -> None:
        self._service = service
        self._internet = internet
        self._report = report
        self._disk = disk
        self._flag = flag
        self._chance = random.Random(seed)
        self._over = threading.Event()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _work(self) -> None:
        faults: dict[str, Callable[[], None]] = {
            "kill": lambda: self._signal(signal.SIGKILL),
            "stop": lambda: self._signal(signal.SIGSTOP),
            "template": lambda: os.kill(self._template().pid, signal.SIGKILL),
            "site": self._break_site,
            "fork": self._refuse_forks,
            "clock": self._turn_clock,
        }
        if self._disk is not None:
            faults["disk"] = self._fill_disk
        due = list(faults)  # each of them once at least
        self._chance.shuffle(due)
        while not self._over.wait(self._chance.uniform(0.2, 0.8)):
            weights = [FAULTS[name] for name in faults]
            name = due.pop() if due else self._chance.choices(list(faults), weights)[0]
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess, IndexError):
                faults[name]()
                self._report.faults[name] += 1

    def _template(self) -> psutil.Process:
        return psutil.Process(self._service.process.pid).children()[0]

    def _signal(self, number: int) -> None:
        os.kill(self._chance.choice(self._template().children()).pid, number)

    def _break_site(self) -> None:
        host = f"site-{self._chance.randrange(20)}.example"
        how = self._chance.choice(("reset", "drip", "garbage", "hang", "truncated", "500"))
        self._internet.fail(host, how, seconds=self._chance.uniform(0.5, 3))

    def _turn_clock(self) -> None:
        (self._flag.parent / "clock" / "offset").write_text(str(self._chance.uniform(-86400, 86400)))

    def _refuse_forks(self) -> None:
        self._flag.touch()
        try:
            for process in self._template().children():
                process.kill()
            self._over.wait(FULL)
        finally:
            self._flag.unlink()

    def _fill_disk(self) -> None:
        # The service's own file system, seen through its process.
        filler = Path(f"/proc/{self._service.process.pid}/root{self._disk}/filler")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        try:
            for process in self._template().children():
                process.kill()  # the next ones have to make do without files
            self._over.wait(FULL)
        finally:
            filler.unlink()


def _settle(service: Service, report: Report) -> None:
    """Wait until the service is well again, by itself."""

    def well() -> bool:
        pool = service.pool()
        return (pool["idleWorkers"], pool["activeTasks"], pool["queueLength"]) == (WORKERS, 0, 0)

    def serves() -> bool:
        asked = [
            service.extract(f"https://well-{n}.example/html5?{time.monotonic()}") for n in range(WORKERS)
        ]
        return all(answer.status_code == 200 for answer in asked)

    try:
        eventually(serves, SETTLE)
        eventually(well, SETTLE)
        eventually(lambda: service.get("/health").status_code == 200, SETTLE)
    except AssertionError:
        report.problems.append(f"the service is not well: {service.get('/health').json().get('reason')}")


def _least(figures: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The least of each within LINGERING: what a connection or a dead worker still holds is no leak."""
    found = figures()
    end = time.monotonic() + LINGERING
    while time.monotonic() < end:
        time.sleep(0.5)
        found = {name: min(value, found[name]) for name, value in figures().items()}
    return found


def _figures(service: Service, scratch: Path, mounted: bool) -> dict[str, float]:
    process = psutil.Process(service.process.pid)
    folder = Path(f"/proc/{process.pid}/root{scratch}") if mounted else scratch
    family = process.children(recursive=True)
    return {
        "processes": len(family),
        "zombies": sum(child.status() == psutil.STATUS_ZOMBIE for child in family),
        "the server's descriptors": process.num_fds(),
        "the server's memory, MB": round(process.memory_full_info().uss / 2**20, 1),
        "temporary folders and files": sum(1 for _ in folder.rglob("*")),
    }


def _judge(report: Report) -> None:
    for name, (before, after) in report.figures.items():
        allowed = before * (1 + GROWTH) if "memory" in name else before
        if after > allowed:
            report.problems.append(f"{name}: {before:g} before, {after:g} after")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=12)
    given = parser.parse_args(arguments)
    report = run(given.seconds, given.seed, given.clients)
    print(report)
    return 1 if report.problems else 0
