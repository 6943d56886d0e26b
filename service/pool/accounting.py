"""CPU, run delay and memory of a process and its descendants, from /proc. A dead process uses nothing."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

RSS_AGE = 1.0  # seconds; reading /proc for ten workers takes longer than all else that /health says
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process tree has used so far.

    Attributes:
        cpu: seconds, including those of children that have ended.
        run_delay: seconds in which the main threads were ready to run but had no core.
        rss: bytes resident now; memory shared between the processes counts in each.
    """

    cpu: float = 0.0
    run_delay: float = 0.0
    rss: int = 0

    def __sub__(self, earlier: Cost) -> Cost:
        """What was added since; never negative, although what a dead child had used may be missing."""
        cpu, run_delay = self.cpu - earlier.cpu, self.run_delay - earlier.run_delay
        return Cost(max(0.0, cpu), max(0.0, run_delay), self.rss)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, self.run_delay + other.run_delay, self.rss + other.rss)


class Meter:
    """What the main thread of one process has used, without its children (see `cost_below`).

    A reading is one system call, made before and after each job.
    """

    def __init__(self, pid: int) -> None:
        try:
            self._schedstat = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # gone, or a kernel that was built without it
            self._schedstat = -1

    def read(self) -> Cost:
        """The cost so far, without `rss`."""
        try:
            cpu, run_delay, _ = os.pread(self._schedstat, 100, 0).split()
        except (OSError, ValueError):
            return Cost()
        return Cost(int(cpu) / 1e9, int(run_delay) / 1e9)

    def close(self) -> None:
        if self._schedstat >= 0:
            os.close(self._schedstat)
            self._schedstat = -1


class ResidentMemory:
    """The resident memory of one process and its living descendants, read at most once in RSS_AGE seconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._rss, self._until = 0, -math.inf

    def bytes(self, now: float) -> int:
        """As it was at most RSS_AGE seconds before `now`."""
        if now >= self._until:
            self._rss, self._until = cost_of(self._pid).rss, now + RSS_AGE
        return self._rss


def children_of(pid: int) -> list[int]:
    """The living children of `pid`."""
    return [int(child) for child in _read(Path("/proc") / str(pid) / "task" / str(pid) / "children").split()]


def cost_below(pid: int) -> Cost:
    """The cost of the living descendants of `pid`."""
    return sum(map(cost_of, children_of(pid)), Cost())


def cost_of(pid: int) -> Cost:
    """The cost of `pid` and all its living descendants."""
    process = Path("/proc") / str(pid)
    # The command may contain spaces and brackets; the numbers begin after its last bracket.
    fields = _read(process / "stat").rpartition(")")[2].split()
    if not fields:
        return Cost()
    cpu = sum(map(int, fields[11:15])) / _TICKS  # utime, stime, cutime, cstime
    delay = _read(process / "schedstat").split()
    own = Cost(cpu, int(delay[1]) / 1e9 if delay else 0.0, int(fields[21]) * _PAGE)
    return own + cost_below(pid)


def _read(path: Path) -> str:
    """The text of a file of /proc; empty where the process is gone or the kernel was built without it."""
    try:
        return path.read_text()
    except OSError:
        return ""
