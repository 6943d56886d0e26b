"""The fault injector: breaks the parts of a running service and its sites, one after the other, by a seed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import psutil

from tests.internet import Internet
from tests.support.running_service import Service

from ._fault_environment import FaultEnvironment

FULL = 1.5  # seconds for which the disk is full, or forks fail

# The faults, and how often each comes among them.
FAULTS = {"kill": 12, "stop": 3, "template": 1, "site": 6, "disk": 1, "fork": 1, "clock": 2}


class FaultInjector:
    """Injects one fault after the other, and repairs what does not recover; `done` counts them by kind."""

    def __init__(
        self, service: Service, internet: Internet, environment: FaultEnvironment, seed: int
    ) -> None:
        self.done: Counter[str] = Counter()
        self._service = service
        self._internet = internet
        self._environment = environment
        self._chance = random.Random(seed)
        self._over = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
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
            "clock": self._turn_clock,
        }
        if self._environment.bound:
            faults["fork"] = self._refuse_forks
        if self._environment.mounted:
            faults["disk"] = self._fill_disk
        due = list(faults)  # each of them once at least
        self._chance.shuffle(due)
        while not self._over.wait(self._chance.uniform(0.2, 0.8)):
            weights = [FAULTS[name] for name in faults]
            name = due.pop() if due else self._chance.choices(list(faults), weights)[0]
            # The target may just have ended.
            gone = (ProcessLookupError, psutil.NoSuchProcess, IndexError, subprocess.CalledProcessError)
            with contextlib.suppress(*gone):
                faults[name]()
                self.done[name] += 1

    def _template(self) -> psutil.Process:
        return psutil.Process(self._service.process.pid).children()[0]

    def _signal(self, number: int) -> None:
        os.kill(self._chance.choice(self._template().children()).pid, number)

    def _kill_workers(self) -> None:
        """End the workers, so that new ones boot under the present fault."""
        for process in self._template().children():
            process.kill()

    def _break_site(self) -> None:
        host = f"site-{self._chance.randrange(20)}.example"
        how = self._chance.choice(("reset", "drip", "garbage", "hang", "truncated", "500"))
        self._internet.fail(host, how, seconds=self._chance.uniform(0.5, 3))

    def _turn_clock(self) -> None:
        self._environment.turn_clock(self._chance.uniform(-86400, 86400))

    def _refuse_forks(self) -> None:
        with self._environment.no_forks(self._template().pid):
            self._kill_workers()
            self._over.wait(FULL)

    def _fill_disk(self) -> None:
        filler = self._environment.disk(self._service.process.pid) / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        try:
            self._kill_workers()
            self._over.wait(FULL)
        finally:
            filler.unlink()
