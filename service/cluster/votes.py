"""Votes of breakers: one opens by its own evidence, or by that of most instances which ask the same place.

One instance alone may have a bad address, and must not close a site to the others. So a breaker follows only
where at least half of the instances that asked the place lately vote for it, and at least two; one that has
only followed does not vote. A vote ends with its breaker's cooldown, also where its instance is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from . import keys
from .connection import Rejected, Unavailable
from .link import Link
from .messages import casts
from .port import Vote, Voter
from .scripts import VOTE

INTERVAL = 0.5  # seconds between two exchanges
AT_ONCE = 100  # places in one call
LATELY = 60.0  # seconds for which an instance counts among those that ask a place
LONGEST = 3600.0  # seconds of a vote
FEWEST = 2  # votes


def carried(votes: Sequence[float]) -> float:
    """Seconds for which enough instances vote; 0: too few do.

    Args:
        votes: of each instance that asks, in seconds; 0 for one that does not vote.
    """
    needed = max(FEWEST, (len(votes) + 1) // 2)
    return sorted(votes, reverse=True)[needed - 1] if len(votes) >= needed else 0.0


class SharedVotes:
    """The votes that instances behind the same ways out have in common, once there is a `voter`."""

    def __init__(self, link: Link, me: str, way: str) -> None:
        self.voter: Voter | None = None
        self._link = link
        self._me = me
        self._way = way

    async def run(self) -> None:
        """Exchange votes, for as long as the service runs."""
        while True:
            await trio.sleep(INTERVAL)
            if self.voter is not None and self._link.is_up:
                votes = self.voter.votes()
                for start in range(0, len(votes), AT_ONCE):
                    await self._exchange(self.voter, votes[start : start + AT_ONCE])

    async def _exchange(self, voter: Voter, votes: Sequence[Vote]) -> None:
        names = [keys.votes(vote.place, self._way) for vote in votes]
        words = (_milli(min(vote.seconds, LONGEST)) for vote in votes)
        try:
            reply = await self._link.run_script(
                VOTE, names, self._me, _milli(LATELY), _milli(LONGEST), *words
            )
        except (Unavailable, Rejected):
            return
        for vote, cast in zip(votes, casts(reply, len(votes)), strict=False):
            if (seconds := carried(cast) / 1000) > 0:
                voter.adopt(vote.place, seconds)


def _milli(seconds: float) -> int:
    return round(seconds * 1000)
