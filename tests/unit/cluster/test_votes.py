"""Pure: when the votes of breakers carry, and a simulation of instances behind good and bad addresses."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.breaker.machine import Breaker
from service.breaker.settings import BreakerSettings
from service.cluster.votes import LATELY, carried
from service.codes import CallResult

BALLOTS = st.lists(st.just(0.0) | st.floats(0.1, 900.0), max_size=12)


@pytest.mark.parametrize(
    ("votes", "seconds"),
    [
        ([], 0.0),
        ([60.0], 0.0),
        ([60.0, 0.0], 0.0),
        ([60.0, 50.0], 50.0),
        ([60.0, 50.0, 0.0], 50.0),
        ([60.0, 50.0, 0.0, 0.0], 50.0),
        ([60.0, 50.0, 0.0, 0.0, 0.0], 0.0),
        ([60.0, 50.0, 40.0, 0.0, 0.0], 40.0),
    ],
)
def test_half_of_those_who_ask_and_at_least_two(votes: list[float], seconds: float) -> None:
    assert carried(votes) == seconds


@given(BALLOTS)
def test_all_that_time_enough_vote_and_no_longer(votes: list[float]) -> None:
    seconds = carried(votes)

    def still(moment: float) -> bool:
        holding = sum(vote > moment for vote in votes)
        return holding >= 2 and 2 * holding >= len(votes)

    assert not still(seconds)
    if seconds:
        assert still(seconds * 0.999)


@given(BALLOTS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter_and_who_does_not_vote_opens_nothing(
    votes: list[float], chance: random.Random
) -> None:
    seconds = carried(votes)
    assert carried([*votes, 0.0]) <= seconds
    chance.shuffle(votes)
    assert carried(votes) == seconds


class Simulated:
    """So many instances, some blocked by a site. The first has a call a second, each other one fewer."""

    def __init__(self, instances: int) -> None:
        self._chance = random.Random(7)
        self._breakers = [Breaker(BreakerSettings(jitter=0.2), self._chance.random) for _ in range(instances)]
        self._asked = [-LATELY] * instances
        self.refused = [0] * instances
        self.reached = 0
        self.calls = 0

    def run(self, seconds: float, blocked: frozenset[int], *, shared: bool = True) -> None:
        for step in range(int(seconds * 2)):
            now = step / 2
            for number, breaker in enumerate(self._breakers):
                if self._chance.random() < 0.5 / (number + 1):
                    self._call(number, breaker, now, failing=number in blocked)
            if shared:
                self._exchange(now)

    def _call(self, number: int, breaker: Breaker, now: float, *, failing: bool) -> None:
        self.calls += 1
        permit = breaker.admit(now)
        if permit is None:
            self.refused[number] += 1
            return
        self.reached += 1
        self._asked[number] = now
        breaker.settle(permit, CallResult.FAILURE if failing else CallResult.SUCCESS, now)

    def _exchange(self, now: float) -> None:
        votes = [
            breaker.vote(now)
            for breaker, asked in zip(self._breakers, self._asked, strict=True)
            if breaker.vote(now) or asked + LATELY > now
        ]
        if seconds := carried(votes):
            for breaker in self._breakers:
                breaker.adopt(now + seconds, now)


@pytest.mark.parametrize("bad", [1, 3])
def test_bad_instances_of_ten_poison_nobody(bad: int) -> None:
    fleet = Simulated(10)
    fleet.run(600, frozenset(range(bad)))
    assert fleet.refused[bad:] == [0] * (10 - bad)
    assert min(fleet.refused[:bad]) > 100


def test_a_site_that_is_down_is_asked_less_where_votes_are_shared() -> None:
    alone, together = Simulated(10), Simulated(10)
    alone.run(200, frozenset(range(10)), shared=False)
    together.run(200, frozenset(range(10)))
    assert together.reached < 0.85 * alone.reached
