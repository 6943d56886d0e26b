"""The settings of a circuit breaker and their checks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .windows import CountWindow, TimeWindow, Window

EVERY_SITE = "*"  # stands for all sites; no host is called so


class Mode(StrEnum):
    """Who decides: the breaker itself, or the operator."""

    AUTOMATIC = "AUTOMATIC"
    DISABLED = "DISABLED"  # every call passes, none is counted
    FORCED_OPEN = "FORCED_OPEN"  # no call passes until the operator says so
    METRICS_ONLY = "METRICS_ONLY"  # every call passes and is counted, nothing trips


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Settings of one breaker; times are seconds, rates are shares above 0 and up to 1.

    The defaults are the predecessor's: five failures among the last ten calls open it, never before ten;
    half-open after a minute; two successes close it, one failure opens it again.

    Attributes:
        window_calls: calls in a window by count.
        window_seconds: length of a window by time; None: the window is by count.
        minimum_calls: calls in the window before its rates mean anything.
        failure_rate: share of failed calls that trips.
        slow_after: a call that takes this long is slow, also while it still runs; None: none is.
        slow_rate: share of slow calls that trips.
        streak: failures in a row that trip, however long they took; None: as many as `minimum_calls`.
        memory: time without an outcome after which a closed breaker forgets its window and streak, so that
            the registry can drop it.
        probes: calls admitted at a time while half-open.
        success_threshold: successful probes that close it.
        half_open_max: time one probe may take before the breaker opens again.
        probe_wait: time a caller may wait for the result of a probe before it is refused; 0: none.
        probe_waiters: callers that may wait at a time.
        cooldown: time from the trip to half-open.
        cooldown_factor: growth of the cooldown with each further trip without a closing.
        cooldown_cap: bound of the growth; below `cooldown` there is none.
        jitter: up to this share of the cooldown is added at random, so that many instances spread out.
        retry_after_cap: bound on the site's own Retry-After.
        ramp: time after closing in which only a growing share of calls is admitted; 0: none.
        ramp_from: that share at the start.
        mode: what a reset returns to.

    Raises:
        ValueError: a setting is out of its range; the text names it.
    """

    window_calls: int = 10
    window_seconds: float | None = None
    minimum_calls: int = 10
    failure_rate: float = 0.5
    slow_after: float | None = None
    slow_rate: float = 1.0
    streak: int | None = None
    memory: float = 600.0
    probes: int = 2
    success_threshold: int = 2
    half_open_max: float = 60.0
    probe_wait: float = 5.0
    probe_waiters: int = 16
    cooldown: float = 60.0
    cooldown_factor: float = 2.0
    cooldown_cap: float = 300.0
    jitter: float = 0.0
    retry_after_cap: float = 900.0
    ramp: float = 0.0
    ramp_from: float = 0.2
    mode: Mode = Mode.AUTOMATIC

    def __post_init__(self) -> None:
        for name in ("window_calls", "minimum_calls", "probes", "success_threshold", "streak"):
            value = getattr(self, name)
            _check(value is None or value >= 1, name, "at least 1")
        for name in ("window_seconds", "slow_after", "memory", "half_open_max", "cooldown"):
            value = getattr(self, name)
            _check(value is None or value > 0, name, "above 0")
        for name in ("probe_wait", "probe_waiters", "jitter", "retry_after_cap", "ramp"):
            _check(getattr(self, name) >= 0, name, "at least 0")
        for name in ("failure_rate", "slow_rate", "ramp_from"):
            _check(0 < getattr(self, name) <= 1, name, "above 0 and at most 1")
        _check(self.cooldown_factor >= 1, "cooldown_factor", "at least 1")
        reachable = self.window_seconds is not None or self.minimum_calls <= self.window_calls
        _check(reachable, "minimum_calls", "at most window_calls: the breaker could never open")

    @property
    def streak_limit(self) -> int:
        return self.minimum_calls if self.streak is None else self.streak

    def new_window(self) -> Window:
        if self.window_seconds is None:
            return CountWindow(self.window_calls)
        return TimeWindow(self.window_seconds)

    def grown(self, cooldown: float) -> float:
        """The cooldown after `cooldown`, for a further trip without a closing."""
        return min(cooldown * self.cooldown_factor, max(self.cooldown, self.cooldown_cap))


def _check(valid: bool, name: str, rule: str) -> None:
    if not valid:
        raise ValueError(f"{name} must be {rule}")
