"""Sliding windows over call outcomes: the last N calls, or the last T seconds. Pure; takes `now`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Counts:
    """What a window holds: all calls, those that failed, those that were slow (a call can be both)."""

    calls: int = 0
    failures: int = 0
    slow: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.calls + other.calls, self.failures + other.failures, self.slow + other.slow)

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.calls - other.calls, self.failures - other.failures, self.slow - other.slow)


class Window(Protocol):
    """Both windows keep their sum up to date, so reading it seldom walks over the calls."""

    def record(self, now: float, *, failed: bool, slow: bool) -> None: ...

    def counts(self, now: float, *, newer: int = 0) -> Counts:
        """The sum; without those that `newer` calls, which are still to be recorded, would displace."""
        ...

    def clear(self) -> None: ...


class CountWindow:
    """The last `size` calls, however old."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._calls: deque[Counts] = deque()
        self._sum = Counts()

    def record(self, now: float, *, failed: bool, slow: bool) -> None:
        call = Counts(1, failed, slow)
        self._calls.append(call)
        self._sum += call
        if len(self._calls) > self._size:
            self._sum -= self._calls.popleft()

    def counts(self, now: float, *, newer: int = 0) -> Counts:
        displaced = max(0, len(self._calls) + newer - self._size) if newer else 0
        return self._sum - sum(islice(self._calls, displaced), Counts())

    def clear(self) -> None:
        self._calls.clear()
        self._sum = Counts()


class TimeWindow:
    """The last `seconds`, in ten buckets: a call leaves after nine to ten tenths of that time.

    Memory is bounded by the buckets, not by the calls.
    """

    BUCKETS = 10

    def __init__(self, seconds: float) -> None:
        self._width = seconds / self.BUCKETS
        self._buckets: deque[tuple[int, Counts]] = deque()
        self._sum = Counts()

    def record(self, now: float, *, failed: bool, slow: bool) -> None:
        bucket = self._expire(now)
        call = Counts(1, failed, slow)
        if self._buckets and self._buckets[-1][0] == bucket:
            call_and_earlier = self._buckets.pop()[1] + call
            self._buckets.append((bucket, call_and_earlier))
        else:
            self._buckets.append((bucket, call))
        self._sum += call

    def counts(self, now: float, *, newer: int = 0) -> Counts:
        self._expire(now)
        return self._sum

    def clear(self) -> None:
        self._buckets.clear()
        self._sum = Counts()

    def _expire(self, now: float) -> int:
        """Drop the buckets that have left the window; at most ten, however long the idle time was."""
        current = int(now // self._width)
        while self._buckets and self._buckets[0][0] <= current - self.BUCKETS:
            self._sum -= self._buckets.popleft()[1]
        return current
