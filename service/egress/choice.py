"""The choice of one egress among several: quarantine first, then the better one of two at random. Pure.

Two random candidates and the better of them (Mitzenmacher 2001) spread the jobs nearly as well as a look at
all of them, and do not send every job to the one that looks best for a moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .egress import Egress

PANIC = 3  # where fewer than one in so many is usable, it is the site that refuses, and all are used
_COST_OF_FAILING = 10.0  # that of an idle egress which fails every job, against one that fails none


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the choice knows of an egress.

    Attributes:
        alive: it works at all.
        usable: it does so for the site.
        wants_probe: it was left out, and a job must show whether it works again.
        failing: the part of the latest jobs that failed.
        in_flight: the jobs that leave through it now.
        wait: seconds until its rate allows one more.
    """

    egress: Egress
    alive: bool = True
    usable: bool = True
    wants_probe: bool = False
    failing: float = 0.0
    in_flight: int = 0
    wait: float = 0.0

    @property
    def cost(self) -> float:
        return (1 + self.in_flight / self.egress.weight) * (1 + _COST_OF_FAILING * self.failing)


def sound(candidates: Sequence[Candidate]) -> tuple[Sequence[Candidate], bool]:
    """Those that may be used, and whether that is in panic.

    A dead egress helps nobody, so panic counts only the living; where none lives, all are tried.
    """
    living = [each for each in candidates if each.alive] or candidates
    usable = [each for each in living if each.usable]
    panic = PANIC * len(usable) < len(living) or not usable
    return (living if panic else usable), panic


def choose(
    candidates: Sequence[Candidate],
    draw: random.Random,
    *,
    tried: Collection[str] = (),
    liked: Callable[[Egress], bool] | None = None,
) -> Candidate | None:
    """The one for a job; None where there is none that it has not tried.

    Args:
        tried: identities that the job has failed on.
        liked: those that come first, if they may be used at all.
    """
    left = [each for each in sound(candidates)[0] if each.egress.identity not in tried]
    if liked is not None:
        left = [each for each in left if liked(each.egress)] or left
    if not left:
        return None
    if any(each.wait > 0 for each in left):
        free = [each for each in left if each.wait <= 0]
        left = free or [min(left, key=lambda each: each.wait)]
    # A client that was failed once is spared the risk; at the first try a failed probe costs one more try.
    if not tried and (probe := next((each for each in left if each.wants_probe), None)) is not None:
        return probe
    left = [each for each in left if not each.wants_probe] or left
    first = _drawn(left, draw)
    if len(left) == 1:
        return first
    second = _drawn([each for each in left if each is not first], draw)
    return min(first, second, key=lambda each: each.cost)


def _drawn(candidates: Sequence[Candidate], draw: random.Random) -> Candidate:
    return draw.choices(candidates, [each.egress.weight for each in candidates])[0]
