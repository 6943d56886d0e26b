"""A breaker in its registry, and the right to make one call past it."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from .machine import Breaker
from .permit import Permit
from .statistics import BreakerStatistics


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A breaker in the registry; `site` is its key's name, and None for the service's own."""

    site: str | None
    egress: str
    breaker: Breaker
    queue: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    @property
    def waiting(self) -> int:
        return len(self.queue)

    def statistics(self, now: float) -> BreakerStatistics:
        site = self.site or ""
        return self.breaker.statistics(now, site=site, egress=self.egress, waiting=self.waiting)


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """The permits of both breakers for one call; settled exactly once. A visit has none of the service's."""

    entry: Entry
    permit: Permit
    service_permit: Permit | None

    @property
    def is_probe(self) -> bool:
        """Whether a half-open breaker depends on the result of the call."""
        return self.permit.is_probe or (self.service_permit is not None and self.service_permit.is_probe)
