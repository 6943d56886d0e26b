"""What the fleet's benchmark starts: instances that can be stopped and come back, and the balancers."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlsplit

from tests.internet import Internet
from tests.support.reverse_proxies import fleet_proxy, own_address, reverse_proxy
from tests.support.running_service import PATIENCE, Service, eventually

from ._contenders import Server

HTML5 = "https://html5.example/?"
NOBODY = 29000  # a port at which no instance listens
DEFAULTS = "inter 2s fall 3 rise 2"  # of HAProxy's checks

_ports = itertools.count(29001)


class Instance:
    """A service at an address of its own, to which it comes back after a stop."""

    def __init__(self, internet: Internet, settings: Mapping[str, object]) -> None:
        self.host, self.port = own_address(), next(_ports)
        self._internet = internet
        self._settings = {"HOST": self.host, "PORT": self.port, "LOG_LEVEL": "info", **settings}
        self._running = ExitStack()

    def start(self) -> None:
        """Returns when it is ready."""
        self.service = self._running.enter_context(Service.run(self._internet, settings=self._settings))

    def send_signal(self, number: signal.Signals) -> None:
        self.service.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Returns when it has ended."""
        self.send_signal(number)
        self.service.process.wait(PATIENCE)
        self._running.close()

    @property
    def server(self) -> Server:
        return Server("ytdlpd", self.host, self.port, self.service)

    @property
    def pids(self) -> list[int]:
        """Its own, and those of its template and workers."""
        return [self.service.process.pid, *(child.pid for child in self.service.family())]

    def extractions(self) -> int:
        """How many its workers have made since its start."""
        return int(self.service.pool()["totalTasks"])

    def cluster(self) -> dict[str, Any]:
        """How it is linked to the engine, and what it has counted there."""
        found: dict[str, Any] = self.service.get("/health").json()["cluster"]
        return found


@dataclass(frozen=True, slots=True)
class Fleet:
    """Instances, and two HAProxys in front of all of them.

    Attributes:
        hashing: as deploy/haproxy.fleet.cfg says, by the hash of the URL.
        plain: as deploy/haproxy.cfg says and HAProxy's defaults for all else: round robin.
    """

    instances: list[Instance]
    hashing: str
    plain: str

    def extractions(self) -> int:
        return sum(each.extractions() for each in self.instances)


@contextmanager
def fleet(internet: Internet, settings: Mapping[str, object], count: int = 3) -> Iterator[Fleet]:
    """So many instances, ready, and in contact with the engine where there is one."""
    members = [Instance(internet, settings) for _ in range(count)]
    with ExitStack() as stack:
        stack.callback(_stop, members)
        for each in members:
            each.start()
        if "CLUSTER_URL" in settings:
            eventually(lambda: all(each.cluster()["state"] == "ok" for each in members))
        plain, hashing = stack.enter_context(TemporaryDirectory()), stack.enter_context(hashed(members))
        addresses = [f"{each.host}:{each.port}" for each in members]
        proxy = stack.enter_context(reverse_proxy("haproxy", addresses, Path(plain), options=DEFAULTS))
        yield Fleet(members, hashing, proxy.url)


@contextmanager
def hashed(members: Sequence[Instance]) -> Iterator[str]:
    """The address of HAProxy as deploy/haproxy.fleet.cfg says, in front of up to three `members`."""
    addresses = [f"{each.host}:{each.port}" for each in members]
    addresses += [f"{own_address()}:{NOBODY}"] * (3 - len(members))
    with TemporaryDirectory() as folder, fleet_proxy(addresses, Path(folder)) as proxy:
        yield proxy.url


def _stop(members: Sequence[Instance]) -> None:
    started = [each for each in members if hasattr(each, "service")]
    for _ in range(2):  # the second signal means now
        for each in started:
            each.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    for each in started:
        each.stop()


def address(base: str) -> tuple[str, int]:
    parts = urlsplit(base)
    return str(parts.hostname), parts.port or 80


def size_of(url: str) -> str:
    """The target that asks for the sizes of `url`."""
    return f"/api/v1/size?url={quote(url, safe='{}')}"
