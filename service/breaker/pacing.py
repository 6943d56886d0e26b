"""The pace of each site: a token bucket whose rate a 429 cuts and time raises again. Pure.

Additive increase, multiplicative decrease (Chiu and Jain 1989). The increase is per second, as in CUBIC (RFC
9438), not per success: many calls would otherwise raise the rate faster than a 429 can cut it. A cut starts
from what was really being sent (RFC 5681), not from what was allowed. So the service slows down before the
site blocks it, and its breaker need not open.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import exp, inf

from .sites import ACCOUNT

_ROUNDING = 1e-6  # of a turn


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Rates are calls per second, times seconds.

    Attributes:
        fastest, slowest: the bounds of the rate; a site begins at the fastest.
        burst: calls that may go at once after a pause.
        decrease: the rate is multiplied by it at a 429.
        recovery: time after a cut in which the rate grows back to what it was, and on at that speed.
        forget: time after a cut in which the site must not answer 429 again, to be as new.
        settle: time after a cut in which a 429 does not cut again, since it answers an earlier call.
        memory: time over which the real rate is averaged.
        pause_cap: bound on the site's own Retry-After.
        sites: paces kept at a time.
    """

    fastest: float = 1000.0
    slowest: float = 0.5
    burst: int = 100
    decrease: float = 0.85
    recovery: float = 60.0
    forget: float = 1200.0
    settle: float = 5.0
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
        if self.recovery <= 0 or self.memory <= 0:
            raise ValueError("recovery and memory must be above 0")
        if self.forget < 0 or self.settle < 0 or self.pause_cap < 0:
            raise ValueError("forget, settle and pause_cap must be at least 0")


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
    """One site's token bucket, and the line of those who wait for it.

    A caller takes a turn, waits until it is due, and says that it goes, or gives the turn back. A cut also
    holds up the turns that are taken already.
    """

    def __init__(self, settings: PaceSettings) -> None:
        self._settings = settings
        self._now = -inf
        self._turns = 0  # taken so far
        self._due = float(settings.burst)  # turns up to this one may go
        self._paused_until = -inf
        self._cut_at = -inf
        self._limit = inf  # the rate that the site did not take
        self._cuts = 0
        self._sent = 0.0  # calls, decaying over `memory`; divided by it: the real rate

    def wait(self, now: float, turn: int | None = None) -> float:
        """Seconds that `turn`, or else a turn taken now, would wait."""
        now = self._advance(now)
        missing = (self._turns + 1 if turn is None else turn) - self._due
        if missing < _ROUNDING:
            missing = 0.0
        return max(0.0, self._paused_until - now) + max(0.0, missing / self._rate(now))

    def take(self, now: float) -> int:
        """Take a turn. Its wait may change."""
        self._advance(now)
        self._turns += 1
        return self._turns

    def go(self, now: float) -> None:
        """A turn goes."""
        self._advance(now)
        self._sent += 1.0

    def give_back(self, now: float) -> None:
        """Give back a turn that does not go: those behind it move up."""
        self._advance(now)
        self._due = min(self._due + 1.0, self._turns + self._settings.burst)

    def slow_down(self, now: float, *, retry_after: float | None = None) -> None:
        """Cut the rate: the site has answered 429. The longest `retry_after` holds."""
        now = self._advance(now)
        settings = self._settings
        if retry_after is not None:
            self.pause(now, retry_after)
        if now < self._cut_at + settings.settle:
            return
        self._limit = max(min(self._rate(now), self._sent / settings.memory), settings.slowest)
        self._due = min(self._due, self._turns)  # no burst from what was saved
        self._cut_at = now
        self._cuts += 1

    def pause(self, now: float, seconds: float) -> None:
        """Hold all turns for so long, as the site has asked. The longest pause holds."""
        now = self._advance(now)
        self._paused_until = max(self._paused_until, now + min(seconds, self._settings.pause_cap))

    def statistics(self, now: float, site: str) -> PaceStatistics:
        wait = self.wait(now)
        return PaceStatistics(site=site, rate=self._rate(self._now), wait=wait, cuts=self._cuts)

    def forgettable(self, now: float) -> bool:
        """Whether a new pace in its place would behave the same."""
        now = self._advance(now)
        full = self._due >= self._turns + self._settings.burst
        return full and self._rate(now) >= self._settings.fastest and now >= self._paused_until

    def _rate(self, now: float) -> float:
        settings, since = self._settings, now - max(self._cut_at, self._paused_until)
        if self._limit == inf or since >= settings.forget:
            return settings.fastest
        growth = (1 - settings.decrease) * max(0.0, since) / settings.recovery
        return min(max(self._limit * (settings.decrease + growth), settings.slowest), settings.fastest)

    def _advance(self, now: float) -> float:
        """Fill the bucket up to `now`, pauses excepted; returns the time, which never runs backwards."""
        before, now = self._now, max(self._now, now)
        filling = max(0.0, now - max(before, self._paused_until))
        self._due = min(
            self._due + filling * self._rate(max(before, self._paused_until)),
            self._turns + self._settings.burst,
        )
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

    def forget(self, site: str | None = None) -> bool:
        """Begin anew with `site`, or with every site; returns whether there was anything to forget."""
        names = [name for name in self._paces if site in (None, name, name.removesuffix(ACCOUNT))]
        for name in names:
            del self._paces[name]
        return bool(names)

    def statistics(self, now: float) -> tuple[PaceStatistics, ...]:
        """One for each site, the least recently used first."""
        return tuple(pace.statistics(now, site) for site, pace in self._paces.items())

    def _evict(self, now: float) -> bool:
        for site, pace in self._paces.items():
            if pace.forgettable(now):
                del self._paces[site]
                return True
        return False
