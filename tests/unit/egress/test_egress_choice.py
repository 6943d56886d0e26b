"""Pure tests of the choice of an egress."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from service.egress.choice import Candidate, choose, sound
from service.egress.egress import Egress

DRAW = random.Random(14)


def candidates(count: int) -> list[Candidate]:
    return [Candidate(Egress(f"e{number}", identity=f"e{number}")) for number in range(count)]


def counted(among: list[Candidate], times: int = 2000) -> Counter[str]:
    found = (choose(among, DRAW) for _ in range(times))
    return Counter(each.egress.name for each in found if each is not None)


states = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=10)


@given(states, st.randoms(use_true_random=False))
def test_it_is_one_that_works_as_long_as_there_is_one(
    given_states: list[tuple[bool, bool, bool]], draw: random.Random
) -> None:
    among = [
        replace(each, alive=alive, usable=usable, wants_probe=probe and usable)
        for each, (alive, usable, probe) in zip(candidates(len(given_states)), given_states, strict=True)
    ]
    found = choose(among, draw)
    assert found is not None
    living = [each for each in among if each.alive] or among
    usable = [each for each in living if each.usable]
    assert found in living
    if 3 * len(usable) >= len(living) and usable:
        assert found in usable
        assert not sound(among)[1]
    else:
        assert sound(among)[1]


@given(states, st.sets(st.integers(0, 9)), st.randoms(use_true_random=False))
def test_it_is_never_one_that_was_tried(
    given_states: list[tuple[bool, bool, bool]], numbers: set[int], draw: random.Random
) -> None:
    among = candidates(len(given_states))
    tried = {f"e{number}" for number in numbers}
    found = choose(among, draw, tried=tried)
    assert (found is None) == all(each.egress.identity in tried for each in among)
    assert found is None or found.egress.identity not in tried


def test_jobs_are_spread_by_weight() -> None:
    among = candidates(3)
    among[0] = replace(among[0], egress=replace(among[0].egress, weight=4.0))
    found = counted(among)
    assert found["e0"] > found["e1"] + found["e2"]
    assert min(found["e1"], found["e2"]) > 100


def test_the_busier_and_the_failing_one_come_second() -> None:
    busy, idle = candidates(2)
    assert counted([replace(busy, in_flight=9), idle])["e1"] == 2000
    assert counted([replace(busy, failing=0.5), idle])["e1"] == 2000


def test_one_whose_quarantine_is_over_gets_the_next_job_but_no_second_try() -> None:
    among = [replace(each, wants_probe=number == 0) for number, each in enumerate(candidates(4))]
    assert counted(among) == {"e0": 2000}
    second = [choose(among, DRAW, tried={"e3"}) for _ in range(200)]
    assert {each.egress.name for each in second if each is not None} == {"e1", "e2"}


def test_one_whose_rate_is_used_up_is_passed_over() -> None:
    among = [replace(each, wait=wait) for each, wait in zip(candidates(3), (2.0, 0.0, 1.0), strict=True)]
    assert counted(among) == {"e1": 2000}
    assert counted([among[0], among[2]]) == {"e2": 2000}


def test_a_dead_egress_does_not_count_in_panic() -> None:
    """Seven of ten do not work at all: that says nothing about the site, so the others serve."""
    among = [replace(each, alive=number > 6) for number, each in enumerate(candidates(10))]
    assert counted(among).keys() == {"e7", "e8", "e9"}
    assert not sound(among)[1]
