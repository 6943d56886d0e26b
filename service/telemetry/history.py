"""The last 15 minutes, for the dashboard: throughput, latency, failures, transitions of breakers. Pure.

Bounded by time and by number: BUCKETS of BUCKET seconds, with a sample of latencies in each.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .measurements import CANCELLED, OK

BUCKET = 10.0  # seconds
BUCKETS = 90
SAMPLES = 128  # latencies kept of each bucket, drawn evenly from all
FAILURES = 50  # recent failures to show
SITES = 200  # sites whose breakers' transitions are kept
MOVES = 20  # transitions of each


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket: jobs that succeeded and failed, and the seconds that the successful ones took."""

    ok: int
    failed: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class FailureNote:
    """A job that failed `age` seconds ago."""

    age: float
    site: str
    code: str


@dataclass(frozen=True, slots=True)
class Move:
    """A transition of a breaker to state `to`, `age` seconds ago."""

    age: float
    to: str
    reason: str


@dataclass(slots=True)
class _Bucket:
    number: int
    ok: int = 0
    latencies: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)


class History:
    """The recent history.

    Args:
        draw: a whole number from 0 up to, not including, its argument; for the sample.
    """

    def __init__(self, *, draw: Callable[[int], int] = random.randrange) -> None:
        self._draw = draw
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)
        self._failures: deque[tuple[float, str, str]] = deque(maxlen=FAILURES)
        self._moves: OrderedDict[str | None, deque[tuple[float, str, str]]] = OrderedDict()

    def job(self, now: float, site: str, outcome: str, seconds: float) -> None:
        """Record a job that has ended; a cancelled one does not count."""
        bucket = self._bucket(now)
        if outcome == OK:
            bucket.ok += 1
            if len(bucket.latencies) < SAMPLES:
                bucket.latencies.append(seconds)
            elif (place := self._draw(bucket.ok)) < SAMPLES:  # Vitter's algorithm R, 1985
                bucket.latencies[place] = seconds
        elif outcome != CANCELLED:
            bucket.codes[outcome] += 1
            self._failures.append((now, site, outcome))

    def breaker(self, now: float, site: str | None, to: str, reason: str) -> None:
        """Record a transition of the breaker of `site` to state `to`; None is the service's own."""
        moves = self._moves.setdefault(site, deque(maxlen=MOVES))
        moves.append((now, to, reason))
        self._moves.move_to_end(site)
        if len(self._moves) > SITES:
            self._moves.popitem(last=False)

    def points(self, now: float) -> tuple[Point, ...]:
        """BUCKETS points, the current one last, empty ones included."""
        last = int(now // BUCKET)
        by_number = {bucket.number: bucket for bucket in self._buckets}
        numbers = range(last - BUCKETS + 1, last + 1)
        return tuple(_point(by_number.get(number)) for number in numbers)

    def codes(self, now: float) -> tuple[tuple[str, int], ...]:
        """All failures by code, the most frequent first."""
        first = int(now // BUCKET) - BUCKETS + 1
        total: Counter[str] = Counter()
        for bucket in self._buckets:
            if bucket.number >= first:
                total.update(bucket.codes)
        return tuple(total.most_common())

    def failures(self, now: float) -> tuple[FailureNote, ...]:
        """The latest failures, the newest first."""
        return tuple(FailureNote(now - at, site, code) for at, site, code in reversed(self._failures))

    def moves(self, site: str | None, now: float) -> tuple[Move, ...]:
        """The latest transitions of the site's breaker, the oldest first."""
        return tuple(Move(now - at, to, reason) for at, to, reason in self._moves.get(site, ()))

    def _bucket(self, now: float) -> _Bucket:
        number = int(now // BUCKET)
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        return self._buckets[-1]


def _point(bucket: _Bucket | None) -> Point:
    if bucket is None:
        return Point(0, 0, None, None)
    latencies = sorted(bucket.latencies)
    return Point(bucket.ok, bucket.codes.total(), _quantile(latencies, 0.5), _quantile(latencies, 0.95))


def _quantile(ordered: list[float], share: float) -> float | None:
    """By nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
