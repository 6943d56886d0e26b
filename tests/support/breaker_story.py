"""Shared by tests of circuit breakers: the story of the scenarios, and steps at one moment.

The story: window 10 s, at least 4 calls, trips at 50 %, cooldown 5 s, 2 probes, a probe takes at most 8 s.
A is admitted at t0, the trip is at t1, half-open from t6.
"""

from __future__ import annotations

from typing import Any

from service.breaker.key import BreakerKey
from service.breaker.machine import Breaker, Change
from service.breaker.permit import Permit
from service.breaker.registry import Breakers
from service.breaker.settings import BreakerSettings
from service.codes import CallResult
from service.events import Event, Events

SUCCESS = CallResult.SUCCESS
FAILURE = CallResult.FAILURE
IGNORED = CallResult.IGNORED
UNDECIDED = CallResult.UNDECIDED
A_SITE = BreakerKey("site.test")


def story(**changes: Any) -> BreakerSettings:
    values: dict[str, Any] = {
        "window_seconds": 10.0,
        "minimum_calls": 4,
        "failure_rate": 0.5,
        "cooldown": 5.0,
        "cooldown_cap": 40.0,
        "probes": 2,
        "success_threshold": 2,
        "half_open_max": 8.0,
        "probe_wait": 0.0,
    }
    return BreakerSettings(**{**values, **changes})


def admitted(breaker: Breaker, now: float) -> Permit:
    permit = breaker.admit(now)
    assert permit is not None
    return permit


def call(breaker: Breaker, call_result: CallResult, now: float, **more: Any) -> None:
    """A call that takes no time."""
    breaker.settle(admitted(breaker, now), call_result, now, **more)


def tripped(**changes: Any) -> tuple[Breaker, Permit]:
    """The breaker after its trip at t1, and A's permit."""
    breaker = Breaker(story(**changes))
    a = admitted(breaker, 0.0)
    for _ in range(breaker.settings.minimum_calls):
        call(breaker, FAILURE, 1.0)
    assert breaker.label == "OPEN"
    assert len(breaker.take_changes()) == 1
    return breaker, a


def half_open(**changes: Any) -> tuple[Breaker, Permit]:
    breaker, a = tripped(**changes)
    breaker.tick(6.0)
    assert breaker.take_changes() == [Change("OPEN", "HALF_OPEN", "the cooldown is over")]
    return breaker, a


def watched(settings: BreakerSettings) -> tuple[Breakers, list[Event]]:
    events, heard = Events(), list[Event]()
    events.subscribe(heard.append)
    return Breakers(settings, events), heard


async def failed(breakers: Breakers, key: BreakerKey, times: int = 4) -> None:
    for _ in range(times):
        breakers.settle(await breakers.admit(key), FAILURE)
