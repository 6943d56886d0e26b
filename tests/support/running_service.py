"""A running `ytdlpd serve` in its own process, with its log and its answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

import httpx
import psutil

from service.logs import timestamp
from service.web.http.snapshots import MAX_AGE
from tests.internet import Internet

ROOT = Path(__file__).resolve().parents[2]
ADMIN_KEY = "an admin key for tests"
ADMIN = {"X-API-Key": ADMIN_KEY}
NO_TLS = False  # for httpx's `verify`: to read all authorities takes 30 ms of CPU for each request
PATIENCE = 30.0  # seconds; generous, for machines that are busy with something else


def eventually(condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until `condition` holds; fails the test where it never does."""
    deadline = time.monotonic() + within
    pause = 0.01
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {condition}"
        time.sleep(pause)
        pause = min(1.5 * pause, 0.1)  # to ask takes the CPU that it waits for


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is ready."""

    process: subprocess.Popen[bytes]
    url: str
    _log: IO[bytes]

    @classmethod
    @contextmanager
    def run(
        cls,
        internet: Internet | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> Iterator[Self]:
        """Start the service on a free port, with `settings` as environment, and end it at exit.

        Args:
            prefix: a command to run it under, for example unshare.
        """
        environment = {"PATH": os.environ["PATH"], "PORT": "0", "LOG_FORMAT": "json", "LOG_LEVEL": "debug"}
        environment |= {"RATE_LIMIT_MAX_REQUESTS": "0", "ADMIN_KEY": ADMIN_KEY}
        if internet is not None:
            environment |= {"EGRESS_PROXY": internet.proxy, "EGRESS_CA_FILE": str(internet.ca_file)}
        environment |= {name: str(value) for name, value in (settings or {}).items()}
        command = (*prefix, sys.executable, "-m", "service", "serve")
        with (
            TemporaryFile() as log,
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=log
            ) as process,
        ):
            try:
                yield cls(process, _ready(process, log), log)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE)
                finally:
                    process.kill()

    @property
    def log(self) -> str:
        """Its log so far."""
        return _read(self._log)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's records of that name."""
        whole, _, _ = self.log.rpartition("\n")  # a line may be on its way
        records = (json.loads(line) for line in whole.splitlines() if line.startswith("{"))
        return [record for record in records if record.get("event") == name]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE, verify=NO_TLS, headers=ADMIN, **options)

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        return httpx.post(
            self.url + path, json=body, timeout=PATIENCE, verify=NO_TLS, headers=ADMIN, **options
        )

    def extract(self, url: str, **options: Any) -> httpx.Response:
        return self.post("/api/v1/extract", {"url": url, **options})

    def size(self, url: str, **options: Any) -> httpx.Response:
        return self.post("/api/v1/size", {"url": url, **options})

    def pool(self) -> dict[str, Any]:
        """The pool's statistics as they are now: with many sites, readers share a snapshot for a while."""
        asked, until = timestamp(), time.monotonic() + MAX_AGE
        found = self.get("/api/v1/metrics").json()
        while found["timestamp"] < asked and time.monotonic() < until:
            time.sleep(0.02)
            found = self.get("/api/v1/metrics").json()
        pool: dict[str, Any] = found["workerPool"]
        return pool

    def family(self) -> list[psutil.Process]:
        """Every process below the service: template, workers, runtimes."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def works(prefix: tuple[str, ...]) -> bool:
    """Whether commands run under `prefix` on this machine, and can read the interpreter."""
    try:
        command = [*prefix, sys.executable, "-S", "-c", ""]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _read(log: IO[bytes]) -> str:
    return os.pread(log.fileno(), 1 << 24, 0).decode()


def _ready(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        for line in _read(log).splitlines():
            if '"ServiceReady"' in line:
                return str(json.loads(line)["urls"][0])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the service did not get ready (exit code {process.poll()}):\n{_read(log)}")
