"""The pace of each site: a token bucket whose rate a 429 cuts and each success raises. Pure.

Additive increase, multiplicative decrease (Chiu and Jain 1989); as in TCP (RFC 5681) a cut starts from what
was really being sent, not from what was allowed. So the service slows down before the site
blocks it, and its breaker need not open.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import exp, inf


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Rates are calls per second, times seconds.

    Attributes:
        fastest, slowest: the bounds of the rate; a site begins at the fastest.
        burst: calls that may go at once after a pause.
        increase: added to the rate by each success.
        decrease: the rate is multiplied by it at a 429.
        settle: time after a cut in which a 429 does not cut again, since it answers an earlier call.
        memory: time over which the real rate is averaged.
        pause_cap: bound on the site's own Retry-After.
        sites: paces kept at a time.
    """

    fastest: float = 1000.0
    slowest: float = 0.5
    burst: int = 100
    increase: float = 0.5
    decrease: float = 0.5
    settle: float = 2.0
    memory: float = 5.0
    pause_cap: float = 900.0
    sites: int = 512

    def __post_init__(self) -> None:
        if not 0 < self.slowest <= self.fastest < inf:
            raise ValueError("slowest must be above 0 and at most fastest, which must be finite")
        if not 0 < self.decrease < 1:
            raise ValueError("decrease must be above 0 and below 1")
        if self.burst < 1 or self.sites < 1:
            raise ValueError("burst and sites must be at least 1")
        if self.increase <= 0 or self.memory <= 0:
            raise ValueError("increase and memory must be above 0")
        if self.settle < 0 or self.pause_cap < 0:
            raise ValueError("settle and pause_cap must be at least 0")


@dataclass(frozen=True, slots=True)
class PaceStatistics:
    """A snapshot of one site's pace.

    Attributes:
        rate: calls per second that it allows.
        wait: seconds that a call made now would wait.
        cuts: how often a 429 has slowed it down.
    """

    site: str
    rate: float
    wait: float
    cuts: int


class Pace:
    """One site's token bucket."""

    def __init__(self, settings: PaceSettings) -> None:
        self._settings = settings
        self._now = -inf
        self._rate = settings.fastest
        self._tokens = float(settings.burst)  # below zero: calls that are waiting
        self._paused_until = -inf
        self._cut_at = -inf
        self._cuts = 0
        self._sent = 0.0  # calls, decaying over `memory`; divided by it: the real rate

    def wait(self, now: float) -> float:
        """Seconds that a call made now would wait. Reserves nothing."""
        now = self._advance(now)
        pause = max(0.0, self._paused_until - now)
        return pause + max(0.0, (1.0 - self._tokens) / self._rate)

    def reserve(self, now: float) -> float:
        """Take a token; returns the seconds to wait before the call."""
        seconds = self.wait(now)
        self._tokens -= 1.0
        self._sent += 1.0
        return seconds

    def refund(self, now: float) -> None:
        """Give back the token of a call that was not made."""
        self._advance(now)
        self._tokens = min(self._tokens + 1.0, float(self._settings.burst))
        self._sent = max(0.0, self._sent - 1.0)

    def speed_up(self, now: float) -> None:
        """Raise the rate: the site has answered."""
        self._advance(now)
        self._rate = min(self._rate + self._settings.increase, self._settings.fastest)

    def slow_down(self, now: float, *, retry_after: float | None = None) -> None:
        """Cut the rate: the site has answered 429. The longest `retry_after` holds."""
        now = self._advance(now)
        settings = self._settings
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + min(retry_after, settings.pause_cap))
        if now < self._cut_at + settings.settle:
            return
        sent = min(self._rate, self._sent / settings.memory)
        self._rate = max(sent * settings.decrease, settings.slowest)
        self._tokens = min(self._tokens, 0.0)  # no burst from saved tokens
        self._cut_at = now
        self._cuts += 1

    def statistics(self, now: float, site: str) -> PaceStatistics:
        wait = self.wait(now)
        return PaceStatistics(site=site, rate=self._rate, wait=wait, cuts=self._cuts)

    def forgettable(self, now: float) -> bool:
        """Whether a new pace in its place would behave the same."""
        now = self._advance(now)
        full = self._tokens >= self._settings.burst
        return full and self._rate >= self._settings.fastest and now >= self._paused_until

    def _advance(self, now: float) -> float:
        """Fill the bucket up to `now`, pauses excepted; returns the time, which never runs backwards."""
        before, now = self._now, max(self._now, now)
        filling = max(0.0, now - max(before, self._paused_until))
        self._tokens = min(self._tokens + filling * self._rate, float(self._settings.burst))
        self._sent *= exp((before - now) / self._settings.memory)
        self._now = now
        return self._now


class Paces:
    """The sites' paces, at most `settings.sites` of them.

    Only paces without state make room for new ones. Where all have state, a new site runs unpaced, like any
    site before its first 429. So junk hosts can neither flush a slowed site nor slow down others.
    """

    def __init__(self, settings: PaceSettings | None = None) -> None:
        self._settings = settings or PaceSettings()
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def pace(self, site: str, now: float) -> Pace:
        """The pace of `site`."""
        pace = self._paces.get(site)
        if pace is None:
            pace = Pace(self._settings)
            if len(self._paces) >= self._settings.sites and not self._evict(now):
                return pace
            self._paces[site] = pace
        self._paces.move_to_end(site)
        return pace

    def statistics(self, now: float) -> tuple[PaceStatistics, ...]:
        """One for each site, the least recently used first."""
        return tuple(pace.statistics(now, site) for site, pace in self._paces.items())

    def _evict(self, now: float) -> bool:
        for site, pace in self._paces.items():
            if pace.forgettable(now):
                del self._paces[site]
                return True
        return False
