"""The memory of processes that share pages, as PSS: a page that n processes share counts 1/n in each.

So a sum over workers is what they take from the machine; a sum of resident memory would count the template's
pages once for each. The kernel walks all pages of a process for it, which takes milliseconds in which the
event loop stands still. So readings are kept and renewed in turn, the oldest first, at RATE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from .accounting import children_of, cost_of

RATE = 1.0  # readings per second
BURST = 10  # readings at once, after a while without
AGE = 5.0  # seconds for which a reading is good


def pss_of(pid: int) -> int:
    """Bytes of the process and its living descendants; 0 where it is gone."""
    try:
        lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # gone, or a kernel that does not tell
        return cost_of(pid).rss
    own = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return own + sum(pss_of(child) for child in children_of(pid))


class Memory:
    """The latest reading of each process.

    Args:
        read: the bytes that a process takes.
    """

    def __init__(self, read: Callable[[int], int] = pss_of) -> None:
        self._read = read
        self._known: dict[int, tuple[float, int]] = {}  # when it was read, and what
        self._budget_from = -math.inf

    def of(self, pids: Iterable[int], now: float) -> dict[int, int]:
        """The bytes of each of these processes, the only ones there are; 0 for one that is not read yet."""
        wanted = set(pids)
        for gone in self._known.keys() - wanted:
            del self._known[gone]
        self._budget_from = max(self._budget_from, now - BURST / RATE)
        ages = {pid: now - self._known.get(pid, (-math.inf, 0))[0] for pid in wanted}
        old = sorted((pid for pid in wanted if ages[pid] >= AGE), key=lambda pid: -ages[pid])
        for pid in old[: int((now - self._budget_from) * RATE)]:
            self._known[pid] = now, self._read(pid)
            self._budget_from += 1 / RATE
        return {pid: self._known.get(pid, (now, 0))[1] for pid in wanted}
