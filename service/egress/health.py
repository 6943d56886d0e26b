"""The health of the egresses: which of them a site blocks, and which are dead. Pure; takes `now`.

There is a circuit breaker for each site and egress, and one for each egress as a whole. One that is open is a
quarantine: the pool leaves that egress out, and tries it with a single job once the cooldown is over.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from ..breaker.key import BreakerKey
from ..breaker.machine import Breaker, State
from ..breaker.permit import Permit
from ..breaker.settings import BreakerSettings
from ..codes import CallResult

QUARANTINE = BreakerSettings(
    streak=2, cooldown=30.0, cooldown_cap=600.0, probes=1, success_threshold=1, probe_wait=0.0
)
WHOLE = ""  # the site of the breaker of an egress as a whole
CAPACITY = 4096  # breakers kept at a time
_SMOOTHING = 0.3  # weight of the latest result
_MEMORY = 60.0  # seconds in which a failure is forgotten for the most part
_NEGLIGIBLE = 0.05  # else the choice between two would never fall on the one that failed longer ago
_SITES = 2  # different sites that must be out of reach before the egress is at fault


@dataclass(frozen=True, slots=True)
class HealthChange:
    """An egress that is left out for a site (or for every site, ""), or is in use again.

    Attributes:
        seconds: for how long it is left out; None where it is in use again.
    """

    egress: str
    site: str
    reason: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Permits:
    """What one job through an egress holds of the breakers of its site and of the egress as a whole.

    In panic a breaker may grant no permit.
    """

    key: BreakerKey
    site: tuple[Breaker, Permit | None]
    whole: tuple[Breaker, Permit | None]


class Health:
    """The breakers of sites and egresses; an `egress` here is the identity that a site sees."""

    def __init__(self, settings: BreakerSettings = QUARANTINE, capacity: int = CAPACITY) -> None:
        self._settings = settings
        self._capacity = capacity
        self._breakers: OrderedDict[BreakerKey, Breaker] = OrderedDict()
        self._failing: dict[BreakerKey, tuple[float, float]] = {}  # as of when
        self._out_of_reach: defaultdict[str, set[str]] = defaultdict(set)  # sites, by egress
        self._changes: list[HealthChange] = []

    def usable(self, site: str, egress: str, now: float) -> bool:
        """Whether a job may go to `site` through it; to WHOLE: whether it works at all."""
        return self._admits(BreakerKey(site, egress), now)

    def wants_probe(self, site: str, egress: str, now: float) -> bool:
        """Whether its quarantine is over, and a job must show that it works."""
        breakers = (self._breakers.get(BreakerKey(each, egress)) for each in (site, WHOLE))
        return any(breaker.admits(now) and breaker.free_probes > 0 for breaker in breakers if breaker)

    def failing(self, site: str, egress: str, now: float) -> float:
        """The part of the latest jobs that it failed, smoothed."""
        return self._failing_of(BreakerKey(site, egress), now)

    def begin(self, site: str, egress: str, now: float) -> Permits:
        """Permits for a job, to be given to `end` once."""
        key = BreakerKey(site, egress)
        here, whole = self._breaker(key, now), self._breaker(BreakerKey(WHOLE, egress), now)
        return Permits(key, (here, here.admit(now)), (whole, whole.admit(now)))

    def end(
        self,
        permits: Permits,
        now: float,
        *,
        site: CallResult,
        whole: CallResult,
        retry_after: float | None = None,
    ) -> None:
        """Settle the permits of a job with what it says of the egress at this site, and as a whole.

        A success without a permit, in panic, ends the quarantine at once: nothing shows better that it works.
        """
        egress = permits.key.egress
        if whole is CallResult.SUCCESS:
            self._out_of_reach.pop(egress, None)
        for key, (breaker, permit), result in (
            (permits.key, permits.site, site),
            (BreakerKey(WHOLE, egress), permits.whole, whole),
        ):
            if permit is not None:
                breaker.settle(permit, result, now, retry_after=retry_after)
            elif result is CallResult.SUCCESS:
                breaker.reset(now)
            self._learn(key, result, now)
            self._note(key, breaker, now)

    def blame(self, site: str, egress: str, now: float) -> None:
        """Count a failure of `site` that another egress did not have with the same job."""
        key = BreakerKey(site, egress)
        breaker = self._breaker(key, now)
        if (permit := breaker.admit(now)) is not None:
            breaker.settle(permit, CallResult.FAILURE, now)
        self._learn(key, CallResult.FAILURE, now)
        self._note(key, breaker, now)

    def unreached(self, site: str, egress: str, now: float) -> None:
        """`blame` for a site that it does not reach: where there are several, the egress is at fault."""
        self.blame(site, egress, now)
        self._out_of_reach[egress].add(site)
        if len(self._out_of_reach[egress]) >= _SITES:
            self.blame(WHOLE, egress, now)

    def reset(self, site: str | None, now: float) -> bool:
        """End the quarantines of `site`, or all; returns whether there was any to end."""
        found = [(key, it) for key, it in self._breakers.items() if site is None or key.site == site]
        for key, breaker in found:
            breaker.reset(now)
            self._note(key, breaker, now)
        if site is None:
            self._out_of_reach.clear()
        return bool(found)

    def take_changes(self) -> list[HealthChange]:
        """What has changed since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def quarantined(self, egress: str, now: float) -> Iterator[tuple[str, float]]:
        """The sites that it is left out for, with the seconds that are left of it."""
        for key, breaker in self._breakers.items():
            if key.egress == egress and not breaker.admits(now):
                yield key.site, breaker.retry_after(now) or 0.0

    def _admits(self, key: BreakerKey, now: float) -> bool:
        breaker = self._breakers.get(key)
        return breaker is None or breaker.admits(now)

    def _breaker(self, key: BreakerKey, now: float) -> Breaker:
        breaker = self._breakers.get(key)
        if breaker is None:
            breaker = Breaker(self._settings)
            if len(self._breakers) >= self._capacity and not self._evict(now):
                return breaker  # unprotected, until others have nothing to remember
            self._breakers[key] = breaker
        self._breakers.move_to_end(key)
        return breaker

    def _evict(self, now: float) -> bool:
        for key, breaker in self._breakers.items():
            if breaker.forgettable(now):
                del self._breakers[key]
                self._failing.pop(key, None)
                return True
        return False

    def _failing_of(self, key: BreakerKey, now: float) -> float:
        value, since = self._failing.get(key, (0.0, now))
        value *= exp((since - now) / _MEMORY)
        return value if value >= _NEGLIGIBLE else 0.0

    def _learn(self, key: BreakerKey, result: CallResult, now: float) -> None:
        if key not in self._breakers:
            return
        if result is CallResult.FAILURE or (result is CallResult.SUCCESS and key in self._failing):
            known, failed = self._failing_of(key, now), float(result is CallResult.FAILURE)
            self._failing[key] = known + _SMOOTHING * (failed - known), now

    def _note(self, key: BreakerKey, breaker: Breaker, now: float) -> None:
        for change in breaker.take_changes():
            if change.current == State.OPEN:
                seconds = breaker.retry_after(now)
                self._changes.append(HealthChange(key.egress, key.site, change.reason, seconds))
            elif change.current == State.CLOSED:
                self._failing.pop(key, None)
                self._changes.append(HealthChange(key.egress, key.site, change.reason, None))
