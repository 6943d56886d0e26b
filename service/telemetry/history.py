"""The recent past, for the dashboard: throughput, latency, failures, transitions of breakers. Pure.

Bounded by time and by number: for each of RANGES, BUCKETS buckets with a sample of latencies in each.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..codes import Group
from .measurements import CANCELLED, OK, group

RANGES = {"15 min": 10.0, "1 h": 40.0, "24 h": 960.0}  # seconds of a bucket
BUCKETS = 90
SAMPLES = 128  # latencies kept of each bucket, drawn evenly from all
FAILURES = 50  # recent failures to show
SITES = 200  # sites whose breakers' transitions are kept
MOVES = 20  # transitions of each


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket: jobs by group, and the seconds that the answered ones took."""

    answered: int
    declined: int
    failed: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class FailureNote:
    """A job that failed `age` seconds ago, for the request `request_id`."""

    age: float
    site: str
    code: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """A transition of a breaker to state `to`, `age` seconds ago."""

    age: float
    to: str
    reason: str


@dataclass(slots=True)
class _Bucket:
    number: int
    answered: int = 0
    latencies: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    made: Point | None = None  # the point of a bucket that has not changed since

    def count(self, outcome: str, seconds: float, draw: Callable[[int], int]) -> None:
        self.made = None
        if outcome != OK:
            self.codes[outcome] += 1
            return
        self.answered += 1
        if len(self.latencies) < SAMPLES:
            self.latencies.append(seconds)
        elif (place := draw(self.answered)) < SAMPLES:  # Vitter's algorithm R, 1985
            self.latencies[place] = seconds

    def point(self) -> Point:
        if self.made is None:
            self.made = self._make()
        return self.made

    def _make(self) -> Point:
        latencies = sorted(self.latencies)
        failed = sum(count for code, count in self.codes.items() if group(code) == Group.FAILED)
        return Point(
            self.answered,
            self.codes.total() - failed,
            failed,
            _quantile(latencies, 0.5),
            _quantile(latencies, 0.95),
        )


class Series:
    """BUCKETS buckets of so many seconds each; at most about 130 KB."""

    def __init__(self, bucket: float, draw: Callable[[int], int]) -> None:
        self.bucket = bucket
        self._draw = draw
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)

    def job(self, now: float, outcome: str, seconds: float) -> None:
        """Record a job."""
        number = int(now // self.bucket)
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        self._buckets[-1].count(outcome, seconds, self._draw)

    def points(self, now: float) -> tuple[Point, ...]:
        """BUCKETS points, the current one last, empty ones included."""
        last = int(now // self.bucket)
        points = {bucket.number: bucket.point() for bucket in self._buckets}
        return tuple(points.get(number, _NOTHING) for number in range(last - BUCKETS + 1, last + 1))

    def codes(self, now: float, buckets: int = BUCKETS) -> tuple[tuple[str, int], ...]:
        """All codes of jobs without an answer in the latest buckets, the most frequent first."""
        first = int(now // self.bucket) - buckets + 1
        total: Counter[str] = Counter()
        for bucket in self._buckets:
            if bucket.number >= first:
                total.update(bucket.codes)
        return tuple(total.most_common())


_NOTHING = Point(0, 0, 0, None, None)


class History:
    """The recent history.

    Attributes:
        ranges: the jobs in each of RANGES, by its name.

    Args:
        draw: a whole number from 0 up to, not including, its argument; for the sample.
    """

    def __init__(self, *, draw: Callable[[int], int] = random.randrange) -> None:
        self.ranges = {name: Series(bucket, draw) for name, bucket in RANGES.items()}
        self._failures: deque[tuple[float, str, str, str]] = deque(maxlen=FAILURES)
        self._moves: OrderedDict[str | None, deque[tuple[float, str, str]]] = OrderedDict()

    def job(self, now: float, site: str, outcome: str, seconds: float, request_id: str = "") -> None:
        """Record a job that has ended; a cancelled one does not count."""
        if outcome == CANCELLED:
            return
        for series in self.ranges.values():
            series.job(now, outcome, seconds)
        if group(outcome) == Group.FAILED:
            self._failures.append((now, site, outcome, request_id))

    def breaker(self, now: float, site: str | None, to: str, reason: str) -> None:
        """Record a transition of the breaker of `site` to state `to`; None is the service's own."""
        moves = self._moves.setdefault(site, deque(maxlen=MOVES))
        moves.append((now, to, reason))
        self._moves.move_to_end(site)
        if len(self._moves) > SITES:
            self._moves.popitem(last=False)

    def failures(self, now: float) -> tuple[FailureNote, ...]:
        """The latest failures of sites and service, the newest first."""
        return tuple(FailureNote(now - at, *rest) for at, *rest in reversed(self._failures))

    def moves(self, site: str | None, now: float) -> tuple[Move, ...]:
        """The latest transitions of the site's breaker, the oldest first."""
        return tuple(Move(now - at, to, reason) for at, to, reason in self._moves.get(site, ()))


def _quantile(ordered: list[float], share: float) -> float | None:
    """By nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
