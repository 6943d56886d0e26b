"""The servers that are compared, with their start and end: this service, the baselines, the ceilings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from tests.internet import Internet
from tests.support.running_service import ADMIN_KEY, Service

from ._generator import Load, Samples
from ._load import ROOT, running
from ._statistics import get, percentile, probe, pss_of

WORKERS = 10
PAGE = "https://www.youtube.com/watch?v="
METRICS = get("/api/v1/metrics", X_API_Key=ADMIN_KEY)
FIXED = {"MIN_WORKERS": 2, "MAX_WORKERS": WORKERS, "SCALING": f"fixed:{WORKERS}"}
OTHERS = ("spawn", "threads")
CEILINGS = ("stock", "workers")


class Salts:
    """Prefixes of four characters that no video's id has had before, so that every extraction is new."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> str:
        self._next += 1
        return f"b{self._next:03d}"


def extraction(url: str, **options: str) -> str:
    """The target that extracts `url`."""
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"/api/v1/extract?url={quote(url, safe='{}')}{more}"


@dataclass(frozen=True)
class Server:
    """A server that answers extractions at an address."""

    name: str
    host: str
    port: int
    service: Service | None = None

    def load(self, target: str, seconds: float, clients: int, **more: Any) -> Load:
        return Load(self.host, self.port, target, seconds, clients, **more)

    def drive(self, target: str, seconds: float, clients: int, **more: Any) -> Samples:
        """Load it, and return the samples."""
        with running(self.load(target, seconds, clients, **more)) as generator:
            return generator.samples()

    def metrics(self) -> dict[str, Any]:
        with probe(self.host, self.port) as connection:
            found: dict[str, Any] = json.loads(connection.ask(METRICS)[1])
            return found

    @cached_property
    def process(self) -> psutil.Process:
        assert self.service is not None
        return psutil.Process(self.service.process.pid)

    def memory(self) -> tuple[int, int]:
        """PSS of template and workers together, and RSS of the server, in bytes."""
        assert self.service is not None
        below = [child.pid for child in self.service.family()]
        return pss_of(below), int(self.process.memory_info().rss)


@contextmanager
def ours(internet: Internet, settings: Mapping[str, object] = FIXED) -> Iterator[Server]:
    """This service, with its workers ready."""
    with Service.run(internet, settings=settings) as service:
        parts = urlsplit(service.url)
        assert parts.hostname is not None
        assert parts.port is not None
        server = Server("ytdlpd", parts.hostname, parts.port, service)
        wanted = settings.get("MAX_WORKERS") if "fixed" in str(settings.get("SCALING")) else 1
        deadline = time.monotonic() + 10
        while server.metrics()["workerPool"]["activeWorkers"] < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server


@contextmanager
def other(name: str, internet: Internet | None = None, *arguments: str) -> Iterator[Server]:
    """One of bench._baselines that serves."""
    command = _other(name, internet, *arguments)
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Server(name, "127.0.0.1", int(process.stdout.readline()))
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()


def ceiling(name: str, internet: Internet, seconds: float, salt: str) -> float:
    """Extractions per second of one of CEILINGS: warm processes without any HTTP."""
    command = _other(name, internet, "--seconds", str(seconds), "--salt", salt, "--workers", str(WORKERS))
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _other(name: str, internet: Internet | None, *arguments: str) -> list[str]:
    where = ["--proxy", internet.proxy, "--ca-file", str(internet.ca_file)] if internet else []
    return [sys.executable, "-m", "bench._baselines", name, *where, *arguments]


def rate(samples: Samples) -> float:
    """Good answers per second in a closed loop: of each client, until its own last answer.

    So a client that ends before the others does not count as idle.
    """
    answers: dict[int, int] = {}
    ends: dict[int, float] = {}
    rows = zip(samples.client, samples.began, samples.took, samples.status, strict=True)
    for client, began, took, status in rows:
        answers[client] = answers.get(client, 0) + (status == 200)
        ends[client] = max(ends.get(client, 0.0), began + took)
    return sum(count / ends[client] for client, count in answers.items())


def latencies(samples: Samples, skip: float = 0.0) -> list[float]:
    """Seconds, of good answers to requests that were due after `skip` seconds."""
    rows = zip(samples.began, samples.took, samples.status, strict=True)
    return [took for began, took, status in rows if status == 200 and began >= skip]


def spread(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds; empty without values."""
    if not values:
        return {}
    return {f"p{share:g}": percentile(values, share / 100) * 1e3 for share in (50, 95, 99)}


def statuses(samples: Samples) -> dict[str, int]:
    """How often each status came; "none" for no answer."""
    found: dict[str, int] = {}
    for status in samples.status:
        name = str(status or "none")
        found[name] = found.get(name, 0) + 1
    return found


def middle(values: list[float]) -> float:
    return median(values) if values else 0.0


def here() -> dict[str, object]:
    """The machine, for the report."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": psutil.cpu_count(),
        "cpu": model[0].partition(": ")[2] if model else "",
        "memory": psutil.virtual_memory().total,
        "python": sys.version.split()[0],
        "load": psutil.getloadavg()[0],
    }
