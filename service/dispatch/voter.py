"""This instance's breakers among those of others: what they say, and what they take over."""

from __future__ import annotations

import trio

from ..breaker.registry import Breakers
from ..cluster.port import Vote


class BreakerVoter:
    """Implements `Voter`: speaks of each place that it votes for, or has asked since the last time."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._said: dict[str, tuple[int, bool]] = {}  # by place: calls so far, and whether there was a vote

    def votes(self) -> list[Vote]:
        now, before, votes = trio.current_time(), self._said, []
        self._said = {}
        for place, breaker in self._breakers.watched():
            seconds = breaker.vote(now)
            calls = breaker.totals.requests - breaker.totals.rejected
            said = self._said[place] = (calls, seconds > 0)
            if seconds > 0 or said != before.get(place, (0, False)):
                votes.append(Vote(place, seconds))
        return votes

    def adopt(self, place: str, seconds: float) -> None:
        self._breakers.adopt(place, seconds)
