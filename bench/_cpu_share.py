"""Instances held to a share of a core each, so that a machine with two cores shows how more of them scale.

A thread stops a family of processes (SIGSTOP) whenever it has used more than its share, and lets it go on
when that is made up for. The quota of a control group is root's alone, and stops a family for most of its
period of 100 ms.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from ._statistics import cpu_of

TICK = 0.004  # seconds between two looks; with two workers at once a stop then takes some ten milliseconds
SAVED = 0.02  # seconds of CPU that a family may use at once after it was idle


class Allowance:
    """The CPU that a family may use: `share` of a core, and a little that it has saved."""

    def __init__(self, share: float, now: float, used: float) -> None:
        self._share = share
        self._now, self._used = now, used
        self._left = SAVED

    def may_run(self, now: float, used: float) -> bool:
        """Whether there is any left, when it has used `used` seconds of CPU in all."""
        gained = self._share * (now - self._now)
        self._left = min(SAVED, self._left + gained) - (used - self._used)
        self._now, self._used = now, used
        return self._left >= 0


class _Family:
    def __init__(self, pid: int, share: float) -> None:
        self._pids = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        self._seen: dict[int, float] = {}
        self._allowance = Allowance(share, time.monotonic(), self._used())
        self._runs = True

    def look(self) -> None:
        runs = self._allowance.may_run(time.monotonic(), self._used())
        if runs != self._runs:
            self.let(runs)

    def let(self, run: bool) -> None:
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT if run else signal.SIGSTOP)
        self._runs = run

    def _used(self) -> float:
        for pid in self._pids:
            with contextlib.suppress(OSError):  # it has ended, and what it used still counts
                self._seen[pid] = cpu_of(pid)
        return sum(self._seen.values())


@contextmanager
def held(pids: Sequence[int], share: float) -> Iterator[None]:
    """Hold each process of `pids` and its descendants of now together to `share` of a core."""
    families = [_Family(pid, share) for pid in pids]
    over = threading.Event()

    def hold() -> None:
        while not over.wait(TICK):
            for family in families:
                family.look()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for family in families:
            family.let(run=True)
