"""Pure tests of the polite pace: token bucket, cuts and recovery, pauses, the bounded registry."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace
from math import e
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.breaker.pacing import Pace, Paces, PaceSettings

SETTINGS = PaceSettings(
    fastest=10.0,
    slowest=0.5,
    burst=5,
    decrease=0.5,
    recovery=10.0,
    forget=100.0,
    memory=5.0,
    settle=2.0,
    sites=3,
)
# Without a floor, a cut shows how many calls were counted.
DEEP = replace(SETTINGS, slowest=0.001)


def go(pace: Pace, now: float, calls: int = 1) -> None:
    """So many calls go at once."""
    for _ in range(calls):
        pace.take(now)
        pace.go(now)


def sent_at_ten_per_second(pace: Pace, seconds: int) -> float:
    for call in range(seconds * 10):
        assert pace.wait(call / 10) == pytest.approx(0.0, abs=1e-6)
        go(pace, call / 10)
    return float(seconds)


def waits(pace: Pace, now: float, calls: int) -> list[float]:
    return [pace.wait(now, pace.take(now)) for _ in range(calls)]


def rate(pace: Pace, now: float) -> float:
    return pace.statistics(now, "").rate


def rate_after_a_cut(pace: Pace, now: float) -> float:
    pace.slow_down(now)
    return rate(pace, now)


def test_a_burst_goes_at_once_and_then_each_waits_its_turn() -> None:
    pace = Pace(SETTINGS)
    assert waits(pace, 0.0, 8) == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3])
    assert pace.wait(0.0) == pytest.approx(0.4)
    assert pace.wait(1.0) == 0.0


def test_looking_takes_nothing_and_a_turn_given_back_lets_the_next_move_up() -> None:
    pace = Pace(SETTINGS)
    waits(pace, 0.0, 5)
    assert pace.wait(0.0) == pace.wait(0.0) == pytest.approx(0.1)
    sixth, seventh = pace.take(0.0), pace.take(0.0)
    assert pace.wait(0.0, seventh) == pytest.approx(0.2)
    pace.give_back(0.0)
    assert pace.wait(0.0, sixth) == 0.0
    assert pace.wait(0.0, seventh) == pytest.approx(0.1)


def test_turns_given_back_fill_no_more_than_the_burst() -> None:
    pace = Pace(SETTINGS)
    pace.give_back(0.0)
    assert waits(pace, 0.0, 6) == pytest.approx([0, 0, 0, 0, 0, 0.1])


def test_tokens_come_back_at_the_rate_up_to_the_burst() -> None:
    pace = Pace(SETTINGS)
    waits(pace, 0.0, 7)
    assert pace.wait(0.2) == pytest.approx(0.1)
    assert waits(pace, 60.0, 6) == pytest.approx([0, 0, 0, 0, 0, 0.1])


def test_a_pause_holds_turns_and_cuts_nothing() -> None:
    pace = Pace(replace(SETTINGS, pause_cap=30.0))
    pace.pause(0.0, 4.0)
    pace.pause(0.0, 2.0)
    assert pace.wait(1.0) == pytest.approx(3.0)
    assert not pace.forgettable(1.0)
    assert pace.statistics(4.0, "").cuts == 0
    assert waits(pace, 4.0, 6) == pytest.approx([0, 0, 0, 0, 0, 0.1])
    pace.pause(5.0, 1e9)
    assert pace.wait(5.0) == pytest.approx(30.0)


def test_a_cut_starts_from_the_calls_of_late_divided_by_the_memory() -> None:
    pace = Pace(DEEP)
    go(pace, 0.0, calls=4)
    assert rate_after_a_cut(pace, 0.0) == pytest.approx(0.5 * 4 / 5)


def test_calls_are_forgotten_over_the_memory() -> None:
    pace = Pace(DEEP)
    go(pace, 10.0, calls=4)
    assert rate_after_a_cut(pace, 15.0) == pytest.approx(0.5 * 4 / e / 5)


def test_a_turn_that_does_not_go_does_not_count_as_sent() -> None:
    pace = Pace(DEEP)
    go(pace, 0.0, calls=4)
    pace.take(0.0)
    pace.give_back(0.0)
    pace.take(0.0)
    assert rate_after_a_cut(pace, 0.0) == pytest.approx(0.5 * 4 / 5)


def test_a_burst_counts_as_no_more_than_the_rate() -> None:
    pace = Pace(replace(DEEP, memory=0.1, decrease=0.3))
    go(pace, 0.0, calls=5)
    assert rate_after_a_cut(pace, 0.0) == pytest.approx(0.3 * 10)


def test_turns_that_wait_already_wait_for_the_lower_rate() -> None:
    pace = Pace(SETTINGS)
    go(pace, 0.0, calls=5)
    waiting = pace.take(0.0)
    assert pace.wait(0.0, waiting) == pytest.approx(0.1)
    pace.slow_down(0.0)
    assert pace.wait(0.0, waiting) == pytest.approx(1 / (0.5 * 5 / 5))


def test_a_429_halves_the_rate_really_sent_and_time_raises_it_again() -> None:
    pace = Pace(SETTINGS)
    now = sent_at_ten_per_second(pace, 60)
    pace.slow_down(now)
    cut = pace.statistics(now, "site.test")
    assert cut.cuts == 1
    assert cut.rate == pytest.approx(5.0, rel=0.1)
    assert cut.wait == pytest.approx(0.2, rel=0.1)  # no burst from what was saved up
    assert rate(pace, now + 5) == pytest.approx(1.5 * cut.rate)
    assert rate(pace, now + 10) == pytest.approx(2.0 * cut.rate)
    assert rate(pace, now + 99) == 10.0  # never above the fastest


def test_however_many_calls_succeed_the_rate_grows_by_the_second() -> None:
    busy, idle = Pace(DEEP), Pace(DEEP)
    for pace in (busy, idle):
        go(pace, 0.0, calls=2)
        pace.slow_down(0.0)
    for call in range(50):
        go(busy, call / 50)
    assert rate(busy, 1.0) == rate(idle, 1.0)


def test_a_site_that_was_quiet_for_long_is_as_new() -> None:
    pace = Pace(SETTINGS)
    pace.slow_down(0.0)
    assert rate(pace, 99.9) < 10
    assert rate(pace, 100.0) == 10


def test_the_429s_of_one_burst_are_one_cut_and_the_rate_has_a_floor() -> None:
    pace = Pace(SETTINGS)
    now = sent_at_ten_per_second(pace, 60)
    for _ in range(10):
        pace.slow_down(now)
    pace.slow_down(now + 1.9)
    assert pace.statistics(now, "").cuts == 1
    for later in range(1, 10):
        pace.slow_down(now + 2 * later)
    assert pace.statistics(now + 18, "site.test").rate == 0.5
    assert pace.statistics(now + 18, "site.test").cuts == 10


def test_the_sites_own_retry_after_stops_all_calls_and_no_burst_follows() -> None:
    pace = Pace(SETTINGS)
    pace.slow_down(0.0, retry_after=60.0)
    pace.slow_down(1.0, retry_after=5.0)  # the longest Retry-After wins
    assert pace.wait(30.0) == pytest.approx(30 + 2.0)
    assert waits(pace, 60.0, 2) == pytest.approx([2.0, 4.0])
    pace.slow_down(100.0, retry_after=1e9)
    assert pace.wait(100.0) > 900.0


def test_a_clock_that_goes_back_fills_nothing() -> None:
    pace = Pace(SETTINGS)
    waits(pace, 10.0, 6)
    assert pace.wait(0.0) == pace.wait(10.0) == pytest.approx(0.2)


@given(st.lists(st.floats(0, 1), max_size=80))
def test_no_second_sees_more_calls_than_the_burst_and_the_fastest_rate(pauses: list[float]) -> None:
    pace, now, moments = Pace(SETTINGS), 0.0, list[float]()
    for pause in pauses:
        now += pause
        moments.append(now + pace.wait(now, pace.take(now)))
    assert moments == pytest.approx(sorted(moments))
    for start in moments:
        assert sum(start <= moment < start + 1 for moment in moments) <= SETTINGS.burst + SETTINGS.fastest + 1


@dataclass
class LimitedSite:
    """Allows so many calls per second, and saves up ten seconds of them; else it answers 429."""

    allowed: float
    saved: float = 0.0
    asked_at: float = 0.0

    def answers(self, now: float) -> bool:
        saved = min(self.saved + (now - self.asked_at) * self.allowed, 10 * self.allowed)
        self.asked_at = now
        self.saved = saved - 1 if saved >= 1 else saved
        return saved >= 1


@pytest.mark.parametrize("allowed", [1.0, 5.0])
def test_under_twice_the_allowed_demand_few_calls_are_429s(allowed: float) -> None:
    """Ten minutes of callers who come at random, wait 24 s for their turn at most, and are answered later."""
    chance, pace, site = random.Random(1), Pace(PaceSettings()), LimitedSite(allowed, 10 * allowed)
    counts = dict.fromkeys(("answered", "limited"), 0)
    agenda, moment, number = list[tuple[float, int, str, int, float]](), 0.0, 0
    while moment < 600:
        moment += chance.expovariate(2 * allowed)
        agenda.append((moment, number := number + 1, "comes", 0, moment + 24))
    while agenda:
        now, _, what, turn, patience = heapq.heappop(agenda)
        if what == "limited":
            pace.slow_down(now)
        if what == "comes":
            turn = pace.take(now)
        if what in ("comes", "looks"):
            if (wait := pace.wait(now, turn)) > patience - now:
                pace.give_back(now)
            elif wait > 0:
                heapq.heappush(agenda, (now + min(wait, 1.0), number := number + 1, "looks", turn, patience))
            else:
                pace.go(now)
                what = "answered" if site.answers(now) else "limited"
                counts[what] += 1
                heapq.heappush(
                    agenda, (now + chance.uniform(0.2, 0.8), number := number + 1, what, 0, patience)
                )
    assert counts["limited"] < 0.1 * sum(counts.values())
    assert counts["answered"] > 0.95 * allowed * 600


def test_junk_hosts_neither_flush_a_slowed_site_nor_grow_the_registry() -> None:
    paces = Paces(SETTINGS)
    paces.pace("slow.test", 0.0).slow_down(0.0)
    for number in range(100):
        paces.pace(f"junk{number}.test", 0.0)
        assert paces.pace(f"junk{number}.test", 0.0) is paces.pace(f"junk{number}.test", 0.0)
    sites = {each.site: each.cuts for each in paces.statistics(0.0)}
    assert len(sites) == 3
    assert sites["slow.test"] == 1


def test_where_every_pace_carries_state_a_new_site_runs_unpaced() -> None:
    paces = Paces(SETTINGS)
    for number in range(3):
        paces.pace(f"slow{number}.test", 0.0).slow_down(0.0)
    assert paces.pace("new.test", 0.0).wait(0.0) == 0.0
    assert "new.test" not in {each.site for each in paces.statistics(0.0)}
    assert paces.pace("slow0.test", 0.0) is paces.pace("slow0.test", 0.0)


def test_the_least_recently_used_site_is_evicted() -> None:
    paces = Paces(SETTINGS)
    for site in ("a", "b", "c", "a", "d"):
        paces.pace(site, 0.0)
    assert [each.site for each in paces.statistics(0.0)] == ["c", "a", "d"]


def test_an_operator_makes_one_site_or_all_as_new() -> None:
    paces = Paces(SETTINGS)
    for site in ("a", "b", "c"):
        paces.pace(site, 0.0).slow_down(0.0, retry_after=900)
    assert paces.forget("a")
    assert paces.pace("a", 0.0).wait(0.0) == 0.0
    assert paces.pace("b", 0.0).wait(0.0) > 0.0
    assert paces.forget()
    assert paces.statistics(0.0) == ()
    assert not paces.forget("a")


def test_a_pace_carries_state_until_its_tokens_are_back() -> None:
    pace = Pace(SETTINGS)
    assert pace.forgettable(0.0)
    pace.take(0.0)
    assert not pace.forgettable(0.05)
    assert pace.forgettable(0.1)


def test_a_pace_carries_state_until_its_rate_is_back() -> None:
    pace = Pace(SETTINGS)
    pace.slow_down(0.0)
    assert not pace.forgettable(99.9)
    assert pace.forgettable(100.0)


def test_a_pace_carries_state_until_its_pause_is_over() -> None:
    pace = Pace(replace(SETTINGS, slowest=10.0))  # there is nothing to raise
    pace.slow_down(0.0)
    assert pace.forgettable(1.0)
    pace.slow_down(2.0, retry_after=60.0)
    assert not pace.forgettable(61.9)
    assert pace.forgettable(62.5)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"slowest": 0.0}, "slowest"),
        ({"slowest": 11.0, "fastest": 10.0}, "slowest"),
        ({"fastest": float("inf")}, "slowest"),
        ({"decrease": 0.0}, "decrease"),
        ({"decrease": 1.0}, "decrease"),
        ({"burst": 0}, "burst"),
        ({"sites": 0}, "sites"),
        ({"recovery": 0.0}, "recovery"),
        ({"forget": -0.1}, "forget"),
        ({"memory": 0.0}, "memory"),
        ({"settle": -0.1}, "settle"),
        ({"pause_cap": -0.1}, "pause_cap"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"{named}.* must be"):
        PaceSettings(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"slowest": 10.0, "fastest": 10.0},
        {"burst": 1},
        {"sites": 1},
        {"recovery": 0.01},
        {"forget": 0.0},
        {"memory": 0.01},
        {"settle": 0.0},
        {"pause_cap": 0.0},
    ],
)
def test_settings_at_the_end_of_their_range_are_taken(changes: dict[str, Any]) -> None:
    assert Pace(PaceSettings(**changes)).wait(0.0) == 0.0


def test_the_defaults() -> None:
    assert PaceSettings() == PaceSettings(
        fastest=1000.0,
        slowest=0.5,
        burst=100,
        decrease=0.85,
        recovery=60.0,
        forget=1200.0,
        settle=5.0,
        memory=5.0,
        pause_cap=900.0,
        sites=512,
    )
    paces = Paces()
    for number in range(600):
        paces.pace(f"{number}.test", 0.0)
    assert len(paces.statistics(0.0)) == 512
