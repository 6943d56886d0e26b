"""The small internet as a test uses it: a process of its own, driven through the control API."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import ProxyHandler, Request, build_opener

from .settings import REALISTIC, Settings

_ROOT = Path(__file__).resolve().parents[2]
_direct = build_opener(ProxyHandler({}))  # whatever proxy the environment names


@dataclass(frozen=True, slots=True)
class Counters:
    """What was asked for since the start or the last reset.

    Attributes:
        requests: requests to sites, without the control API and the private side.
        tunnels: CONNECTs per host.
        hosts: per host `total` and each kind of reply (watch, player, page, manifest, media, failure …).
        egresses: requests per host of each egress: the user of the proxy, or the address of the client.
        private: what reached the private side, as "METHOD url"; must stay empty.
        private_ever: how many did, also before any reset.
        hanging: requests that hang on purpose right now, part of `open_requests`.
    """

    connections: int
    open_connections: int
    open_requests: int
    peak_open_requests: int
    hanging: int
    bytes_sent: int
    requests: int
    tunnels: dict[str, int]
    hosts: dict[str, dict[str, int]]
    egresses: dict[str, dict[str, int]]
    private: list[str]
    private_ever: int

    @property
    def private_hits(self) -> int:
        return len(self.private)

    def through(self, egress: str, host: str) -> int:
        """Requests of that egress for `host`."""
        return self.egresses.get(egress, {}).get(host, 0)

    def of(self, host: str, kind: str = "total") -> int:
        """Requests for `host`, all or of one kind."""
        return self.hosts.get(host, {}).get(kind, 0)


@dataclass(frozen=True, slots=True)
class Internet:
    """A running small internet: its address, its CA, and its switches.

    Every method raises urllib.error.URLError when the process is gone, and HTTPError (400) for nonsense.
    """

    port: int
    ca_file: Path

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def proxy_of(self, egress: str) -> str:
        """The proxy, as the egress of that name uses it."""
        return f"http://{egress}:secret@127.0.0.1:{self.port}"

    @classmethod
    @contextmanager
    def spawn(cls, port: int = 0, settings: Settings = REALISTIC) -> Iterator[Self]:
        """Start `python -m tests.internet`, end it at exit; it also ends when this process does."""
        with tempfile.TemporaryDirectory(prefix="internet-") as folder:
            ca_file = Path(folder) / "ca.pem"
            command = [sys.executable, "-m", "tests.internet", "--port", str(port), "--ca-file", str(ca_file)]
            command += ["--settings", json.dumps(asdict(settings))]
            with subprocess.Popen(
                [*command, "--until-eof"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                try:
                    line = process.stdout.readline()
                    if not line:
                        raise RuntimeError(f"the small internet ended at once, status {process.wait()}")
                    yield cls(json.loads(line)["port"], ca_file)
                finally:
                    process.kill()

    def counters(self) -> Counters:
        return Counters(**self._control("counters"))

    def set_latency(self, host: str, seconds: float) -> None:
        """Let `host` and its subdomains (or all, `*`) answer this much later."""
        self._control("latency", host=host, seconds=seconds)

    def fail(
        self,
        host: str,
        how: str,
        *,
        seconds: float | None = None,
        times: int | None = None,
        egress: str | None = None,
        per_minute: int | None = None,
    ) -> None:
        """Let `host` and its subdomains (or all, `*`) fail for a time, for some requests, or until healed.

        Args:
            egress: only for this one: the user of the proxy, or the address of the client.
            per_minute: only beyond so many requests of one egress in a minute.
        """
        limits = {"seconds": seconds, "times": times, "egress": egress, "per_minute": per_minute}
        self._control("fail", host=host, how=how, **limits)

    def heal(self, host: str) -> None:
        self._control("heal", host=host)

    def set(self, **settings: object) -> None:
        """Change how the sites play; `settings.Settings` names what there is."""
        self._control("set", **settings)

    def reset(self) -> None:
        """Forget counters, latencies and switches; the settings are again those at the start."""
        self._control("reset")

    def _control(self, action: str, **given: object) -> dict[str, Any]:
        request = Request(f"{self.proxy}/_control/{action}", json.dumps(given).encode())
        with _direct.open(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
