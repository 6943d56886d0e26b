"""A warm worker: time to fork, CPU against a cold yt-dlp, memory, /health while busy.

Cold and warm extractions of the same page alternate in the same run, so that their ratio holds on a noisy
machine. The page is the small internet's YouTube, 1 MB of watch page included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlsplit

import trio

from service.config import Config
from service.events import Events
from service.pool.process import Process
from service.pool.template import Template
from service.solver.solver import Solver
from service.wire import Job, Kind, Success
from tests.internet import Internet
from tests.support.running_service import ADMIN_KEY, Service, eventually

from ._generator import Load
from ._load import running
from ._statistics import cpu_of, get, percentile, probe, pss_of

WORKERS = 10
PAGE = "https://www.youtube.com/watch?v="
PLAIN, CHALLENGES = "plain______", "challenge__"
_METRICS = get("/api/v1/metrics", X_API_Key=ADMIN_KEY)
_HEALTH = get("/health")


@dataclass(frozen=True, slots=True)
class Figures:
    """The results. Times are seconds, sizes bytes; repeated measurements are medians."""

    fork_to_ready: float
    fork_to_ready_p95: float
    cold_cpu: float
    first_cpu: float
    warm_cpu: float
    cold_wall: float
    warm_wall: float
    pss_idle: int
    pss_used: int
    health_idle_p50: float
    health_idle_p99: float
    health_busy_p50: float
    health_busy_p99: float
    slot_free: float
    slot_free_max: float
    process_gone: float
    process_gone_max: float
    plain_cpu: float
    plain_size_cpu: float
    known_cpu: float
    known_size_cpu: float
    alone_cpu: float
    new_script_cpu: float

    @property
    def ratio(self) -> float:
        """Warm extractions for the CPU of a cold one."""
        return self.cold_cpu / self.warm_cpu

    def table(self) -> str:
        rows = [
            ("fork to READY, median (p95)", _ms(self.fork_to_ready, self.fork_to_ready_p95)),
            ("CPU of a cold `yt-dlp -J`, YouTube", _ms(self.cold_cpu)),
            ("CPU of a warm extraction (a worker's first)", _ms(self.warm_cpu, self.first_cpu)),
            ("ratio of the two", f"{self.ratio:.1f}"),
            ("wall time, cold / warm", f"{_ms(self.cold_wall)} / {_ms(self.warm_wall)}"),
            (
                f"PSS of {WORKERS} workers, template and solver, new / used",
                f"{self.pss_idle / 1e6:.0f} / {self.pss_used / 1e6:.0f} MB",
            ),
            ("/health idle, p50 / p99", f"{_ms(self.health_idle_p50)} / {_ms(self.health_idle_p99)}"),
            ("/health, every worker busy", f"{_ms(self.health_busy_p50)} / {_ms(self.health_busy_p99)}"),
            ("client hangs up: slot free, median (max)", _ms(self.slot_free, self.slot_free_max)),
            ("client hangs up: process gone", _ms(self.process_gone, self.process_gone_max)),
            ("CPU of a video without challenges", _ms(self.plain_cpu)),
            ("its size alone, and the share of that", _share(self.plain_size_cpu, self.plain_cpu)),
            (
                "with challenges, known script (solved by the worker itself)",
                _ms(self.known_cpu, self.alone_cpu),
            ),
            ("its size alone, and the share of that", _share(self.known_size_cpu, self.known_cpu)),
            ("a new script, once for all workers, in addition", _ms(self.new_script_cpu)),
        ]
        return "\n".join(
            ["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)]
        )


def _ms(value: float, other: float | None = None) -> str:
    return f"{value * 1e3:.1f} ms" + ("" if other is None else f" ({other * 1e3:.1f})")


def _share(value: float, whole: float) -> str:
    return f"{_ms(value)}, {value / whole:.2f}"


@asynccontextmanager
async def template_of(internet: Internet, *, solving: bool = True) -> AsyncIterator[Template]:
    """A warm template whose workers reach the small internet, and the solver unless they do without."""
    config = Config.load(egress_proxy=internet.proxy, egress_ca_file=internet.ca_file)
    solver = Solver(Events()) if solving else None
    template = Template(config, Events(), solver=solver)
    async with trio.open_nursery() as nursery:
        if solver is not None:
            nursery.start_soon(solver.run)
            await solver.checked()
        await nursery.start(template.run)
        yield template
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def worker_of(template: Template) -> AsyncIterator[Process]:
    process = await template.spawn()
    try:
        await process.ready()
        yield process
    finally:
        with trio.CancelScope(shield=True):  # bounded by a kill
            await process.end(0)


async def extract(process: Process, video: str) -> float:
    """Extract one video; the wall seconds it took."""
    began = time.perf_counter()
    outcome = await process.run(Job(Kind.EXTRACT, PAGE + video), 30)
    if not isinstance(outcome, Success):
        raise RuntimeError(f"the extraction failed: {outcome.message}")
    return time.perf_counter() - began


def cold(internet: Internet, video: str, output: int) -> tuple[float, float]:
    """CPU and wall seconds of the command `yt-dlp -J`."""
    command = [sys.executable, "-m", "yt_dlp", "-J", "--ignore-config", "--compat-options", "no-certifi"]
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"SSL_CERT_FILE": str(internet.ca_file), "HOME": os.environ.get("HOME", "/")}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--proxy", internet.proxy, PAGE + video], env=environment, stdout=output, stderr=output
    )
    _, status, usage = os.wait4(process.pid, 0)  # with what its own children used
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"yt-dlp failed with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began


async def forks(template: Template, count: int) -> list[float]:
    """Seconds from asking for each worker to its READY."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        async with worker_of(template):
            times.append(time.perf_counter() - began)
    return times


async def compare(internet: Internet, template: Template, rounds: int) -> dict[str, float]:
    """Cold and warm extractions in turn; medians."""
    colds, warms, firsts, cold_walls, warm_walls = [], [], [], [], []
    with open(os.devnull, "wb") as sink:  # noqa: ASYNC230  # it never waits
        async with worker_of(template) as seasoned:
            for number in range(rounds + 2):  # two to warm up
                cpu, wall = cold(internet, f"cold{number:07d}", sink.fileno())
                async with worker_of(template) as fresh:
                    before = cpu_of(fresh.pid)
                    await extract(fresh, f"first{number:06d}")
                    first = cpu_of(fresh.pid) - before
                costs, walls = [], []
                for turn in range(4):
                    before = cpu_of(seasoned.pid)
                    walls.append(await extract(seasoned, f"warm{number:06d}{turn}"))
                    costs.append(cpu_of(seasoned.pid) - before)
                if number >= 2:
                    colds.append(cpu)
                    firsts.append(first)
                    cold_walls.append(wall)
                    warms += costs
                    warm_walls += walls
    return {
        "cold_cpu": median(colds),
        "first_cpu": median(firsts),
        "warm_cpu": median(warms),
        "cold_wall": median(cold_walls),
        "warm_wall": median(warm_walls),
    }


async def challenges(internet: Internet, rounds: int) -> dict[str, float]:
    """CPU of videos with challenges and without, in turn; medians. And what a new script costs the solver."""
    costs: dict[str, list[float]] = {}
    async with (
        template_of(internet) as template,
        template_of(internet, solving=False) as lone,
        worker_of(template) as worker,
        worker_of(lone) as hermit,
    ):
        assert template.solver is not None
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        await extract(worker, CHALLENGES)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # of what took the script apart, and has ended
        new = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        new += sum(cpu_of(pid) for pid in template.solver.pids())
        turns = (
            ("plain_cpu", worker, Kind.EXTRACT, PLAIN),
            ("plain_size_cpu", worker, Kind.SIZE, PLAIN),
            ("known_cpu", worker, Kind.EXTRACT, CHALLENGES),
            ("known_size_cpu", worker, Kind.SIZE, CHALLENGES),
            ("alone_cpu", hermit, Kind.EXTRACT, CHALLENGES),
        )
        for number, (name, process, kind, video) in product(range(rounds + 2), turns):
            outcome = await process.run(Job(kind, PAGE + video), 60)
            assert isinstance(outcome, Success)
            if number >= 2:  # two to warm up
                costs.setdefault(name, []).append(outcome.usage.cpu)
    return {**{name: median(found) for name, found in costs.items()}, "new_script_cpu": new}


async def memory(template: Template, jobs: int) -> tuple[int, int]:
    """PSS of WORKERS workers, template and solver: when they are new, and after `jobs` extractions each."""
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker_of(template)) for _ in range(WORKERS)]
        assert template.solver is not None
        pids = [*template.pids(), *(worker.pid for worker in workers)]
        new = pss_of(pids)
        for number in range(jobs):
            for index, worker in enumerate(workers):
                await extract(worker, f"pss{index:02d}{number:06d}")
        return new, pss_of([*pids, *template.solver.pids()])


@contextmanager
def service(internet: Internet) -> Iterator[tuple[Service, str, int]]:
    settings = {"MIN_WORKERS": WORKERS, "MAX_WORKERS": WORKERS, "SCALING": f"fixed:{WORKERS}"}
    with Service.run(internet, settings=settings) as started:
        parts = urlsplit(started.url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield started, parts.hostname, parts.port


def health(host: str, port: int, seconds: float) -> list[float]:
    """Latencies of /health, asked 50 times a second."""
    found = []
    with probe(host, port) as connection:
        began = time.perf_counter()
        for number in range(int(seconds * 50)):
            due = began + number / 50
            time.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            status, _ = connection.ask(_HEALTH)
            assert status == 200
            found.append(time.perf_counter() - sent)
    return found


def hang_up(host: str, port: int) -> tuple[float, float]:
    """Seconds from a disconnect until the slot is free, and until the worker's process is gone."""
    with probe(host, port) as watcher:

        def pool() -> dict[str, object]:
            found: dict[str, object] = json.loads(watcher.ask(_METRICS)[1])["workerPool"]
            return found

        def busy() -> list[int]:
            workers = pool()["workers"]
            assert isinstance(workers, list)
            return [worker["pid"] for worker in workers if worker["state"] == "busy"]

        eventually(lambda: not busy())
        target = quote("https://hang.fail-1.example/", safe="")
        with probe(host, port) as client:
            client.socket.sendall(get(f"/api/v1/extract?url={target}"))
            eventually(busy)
            (pid,) = busy()
            time.sleep(0.2)
        left = time.perf_counter()
        free = gone = 0.0
        while not (free and gone):
            if not gone and not _lives(pid):
                gone = time.perf_counter() - left
            if not free and pool()["activeTasks"] == 0:
                free = time.perf_counter() - left
            assert time.perf_counter() - left < 30
        return free, gone


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def measure(*, quick: bool) -> Figures:
    """All of it; about two minutes, `quick` a third."""
    scale = 1 if quick else 3
    with Internet.spawn() as internet:
        log("forks, cold and warm extractions, memory …")

        async def processes() -> tuple[list[float], dict[str, float], tuple[int, int]]:
            async with template_of(internet) as template:
                await forks(template, 10)
                times = await forks(template, 70 * scale)
                return times, await compare(internet, template, 6 * scale), await memory(template, 5 * scale)

        times, compared, (pss_idle, pss_used) = trio.run(processes)
        log("videos with challenges …")
        compared |= trio.run(challenges, internet, 10 * scale)
        log("/health, idle and busy …")
        with service(internet) as (_, host, port):
            health(host, port, 1)
            idle = health(host, port, 5 * scale)
            target = f"/api/v1/extract?url={quote(PAGE, safe='')}bus{{n}}x"
            with running(Load(host, port, target, 5 * scale + 3, clients=2 * WORKERS)) as load:
                time.sleep(2)
                busy = health(host, port, 5 * scale)
                statuses = load.samples().status
            if statuses.count(200) < 0.9 * len(statuses):
                raise RuntimeError("the extractions that kept the workers busy failed")
            log("clients that hang up …")
            left = [hang_up(host, port) for _ in range(5 * scale)]
    return Figures(
        fork_to_ready=median(times),
        fork_to_ready_p95=percentile(times, 0.95),
        **compared,
        pss_idle=pss_idle,
        pss_used=pss_used,
        health_idle_p50=median(idle),
        health_idle_p99=percentile(idle, 0.99),
        health_busy_p50=median(busy),
        health_busy_p99=percentile(busy, 0.99),
        slot_free=median(free for free, _ in left),
        slot_free_max=max(free for free, _ in left),
        process_gone=median(gone for _, gone in left),
        process_gone_max=max(gone for _, gone in left),
    )


def log(text: str) -> None:
    print(text, file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench worker", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args(arguments)
    figures = measure(quick=given.quick)
    print(json.dumps(asdict(figures), indent=1) if given.json else figures.table())
    return 0
