"""The counters of breakers and their frozen snapshots. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Totals:
    """Counters since the start; they never decrease."""

    requests: int = 0
    failures: int = 0
    successes: int = 0
    rejected: int = 0
    ignored: int = 0
    opened: int = 0

    def add(self, other: Totals) -> None:
        for counter in fields(self):
            setattr(self, counter.name, getattr(self, counter.name) + getattr(other, counter.name))


@dataclass(frozen=True, slots=True)
class BreakerStatistics:
    """A snapshot of one breaker.

    Attributes:
        site: its site; "" for the service's own.
        state: CLOSED, OPEN or HALF_OPEN.
        mode: who decides, by name: AUTOMATIC, or the operator's choice.
        failures, successes, slow_calls: in the current window; while half-open, of the probes.
        total_requests: rejected + failures + successes + ignored + in_flight.
        ignored_requests: calls whose result did not count.
        in_flight: calls that hold a permit; `probes` of them are probes.
        waiting: callers that wait for the result of a probe.
        streak: failures in a row.
        cooldown_remaining: seconds until half-open; None where it is not open, or forced open.
        retry_after: seconds until a call may be admitted; None where that is now, or not known.
        ramp_share: share of calls admitted after a closing; 1 when the ramp is over.
    """

    site: str
    egress: str
    state: str
    mode: str
    failures: int
    successes: int
    slow_calls: int
    total_requests: int
    total_failures: int
    total_successes: int
    rejected_requests: int
    ignored_requests: int
    opened_count: int
    in_flight: int
    probes: int
    waiting: int
    streak: int
    cooldown_remaining: float | None
    retry_after: float | None
    ramp_share: float


@dataclass(frozen=True, slots=True)
class BreakersStatistics:
    """All breakers together: the worst state, the sums of the sites' counters, and each breaker.

    The totals include what evicted breakers had counted, so they never decrease. The service's own breaker
    sees the same calls again, so only its state is part of the summary, not its counters.

    Attributes:
        config: the settings of a site without settings of its own.
        sites: one for each breaker in the registry, the least recently used first.
        service: the service's own.
    """

    state: str
    failures: int
    successes: int
    total_requests: int
    total_failures: int
    total_successes: int
    rejected_requests: int
    ignored_requests: int
    opened_count: int
    config: Mapping[str, Any]
    sites: tuple[BreakerStatistics, ...]
    service: BreakerStatistics
