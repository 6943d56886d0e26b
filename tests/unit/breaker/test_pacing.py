"""Pure tests of the polite pace: token bucket, cuts and recovery, pauses, the bounded registry."""

from __future__ import annotations

from dataclasses import replace
from math import e
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.breaker.pacing import Pace, Paces, PaceSettings, PaceStatistics

SETTINGS = PaceSettings(fastest=10.0, slowest=0.5, burst=5, increase=0.5, memory=5.0, settle=2.0, sites=3)
# Without a floor, a cut shows how many calls were counted.
DEEP = replace(SETTINGS, slowest=0.001)


def sent_at_ten_per_second(pace: Pace, seconds: int) -> float:
    for call in range(seconds * 10):
        assert pace.reserve(call / 10) == pytest.approx(0.0, abs=1e-6)
    return float(seconds)


def test_a_burst_goes_at_once_and_then_each_waits_its_turn() -> None:
    pace = Pace(SETTINGS)
    waits = [pace.reserve(0.0) for _ in range(8)]
    assert waits == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3])
    assert pace.wait(0.0) == pytest.approx(0.4)
    assert pace.wait(1.0) == 0.0


def test_looking_reserves_nothing_and_a_refund_gives_a_place_back() -> None:
    pace = Pace(SETTINGS)
    for _ in range(5):
        pace.reserve(0.0)
    assert pace.wait(0.0) == pace.wait(0.0) == pytest.approx(0.1)
    pace.refund(0.0)
    assert pace.wait(0.0) == 0.0
    assert [pace.reserve(0.0), pace.reserve(0.0)] == pytest.approx([0.0, 0.1])


def test_a_refund_fills_no_more_than_the_burst() -> None:
    pace = Pace(SETTINGS)
    pace.refund(0.0)
    assert [pace.reserve(0.0) for _ in range(6)] == pytest.approx([0, 0, 0, 0, 0, 0.1])


def test_tokens_come_back_at_the_rate_up_to_the_burst() -> None:
    pace = Pace(SETTINGS)
    for _ in range(7):
        pace.reserve(0.0)
    assert pace.wait(0.2) == pytest.approx(0.1)
    assert [pace.reserve(60.0) for _ in range(6)] == pytest.approx([0, 0, 0, 0, 0, 0.1])


def rate_after_a_cut(pace: Pace, now: float) -> float:
    pace.slow_down(now)
    return pace.statistics(now, "").rate


def test_a_cut_starts_from_the_calls_of_late_divided_by_the_memory() -> None:
    pace = Pace(DEEP)
    for _ in range(4):
        pace.reserve(0.0)
    assert rate_after_a_cut(pace, 0.0) == pytest.approx(0.5 * 4 / 5)


def test_calls_are_forgotten_over_the_memory() -> None:
    pace = Pace(DEEP)
    for _ in range(4):
        pace.reserve(10.0)
    assert rate_after_a_cut(pace, 15.0) == pytest.approx(0.5 * 4 / e / 5)


def test_a_call_that_was_not_made_does_not_count_as_sent() -> None:
    pace = Pace(DEEP)
    for _ in range(4):
        pace.reserve(0.0)
    pace.refund(5.0)
    assert rate_after_a_cut(pace, 5.0) == pytest.approx(0.5 * (4 / e - 1) / 5)


def test_refunds_beyond_the_calls_do_not_count_against_later_ones() -> None:
    pace = Pace(DEEP)
    pace.refund(0.0)
    pace.reserve(0.0)
    pace.refund(5.0)
    for _ in range(4):
        pace.reserve(5.0)
    assert rate_after_a_cut(pace, 5.0) == pytest.approx(0.5 * 4 / 5)


def test_a_burst_counts_as_no_more_than_the_rate() -> None:
    pace = Pace(replace(DEEP, memory=0.1, decrease=0.3))
    for _ in range(5):
        pace.reserve(0.0)
    assert rate_after_a_cut(pace, 0.0) == pytest.approx(0.3 * 10)


def test_calls_that_wait_already_wait_for_the_lower_rate() -> None:
    pace = Pace(SETTINGS)
    for _ in range(8):
        pace.reserve(0.0)
    pace.slow_down(0.0)
    assert pace.statistics(0.0, "").wait == pytest.approx((3 + 1) / (0.5 * 8 / 5))


def test_time_that_has_passed_fills_at_the_rate_that_it_had() -> None:
    pace = Pace(SETTINGS)
    pace.slow_down(0.0)
    pace.speed_up(3.0)  # 1.5 calls were saved up at 0.5 per second
    assert [pace.reserve(3.0), pace.reserve(3.0)] == pytest.approx([0.0, 0.5])


def test_a_429_halves_the_rate_really_sent_and_success_raises_it_again() -> None:
    pace = Pace(SETTINGS)
    now = sent_at_ten_per_second(pace, 60)
    pace.slow_down(now)
    cut = pace.statistics(now, "site.test")
    assert cut.cuts == 1
    assert cut.rate == pytest.approx(5.0, rel=0.1)
    assert cut.wait == pytest.approx(0.2, rel=0.1)  # no burst from what was saved up
    for _ in range(4):
        pace.speed_up(now)
    assert pace.statistics(now, "site.test").rate == pytest.approx(cut.rate + 2.0)
    for _ in range(100):
        pace.speed_up(now)
    assert pace.statistics(now, "site.test").rate == 10.0


def test_the_429s_of_one_burst_are_one_cut_and_the_rate_has_a_floor() -> None:
    pace = Pace(SETTINGS)
    now = sent_at_ten_per_second(pace, 60)
    for _ in range(10):
        pace.slow_down(now)
    pace.slow_down(now + 1.9)
    assert pace.statistics(now, "").cuts == 1
    for later in range(1, 10):
        pace.slow_down(now + 2 * later)
    assert pace.statistics(now + 20, "site.test") == PaceStatistics("site.test", rate=0.5, wait=0.0, cuts=10)


def test_the_sites_own_retry_after_stops_all_calls_and_no_burst_follows() -> None:
    pace = Pace(SETTINGS)
    pace.slow_down(0.0, retry_after=60.0)
    pace.slow_down(1.0, retry_after=5.0)  # the longest Retry-After wins
    assert pace.wait(30.0) == pytest.approx(30 + 2.0)
    assert [pace.reserve(60.0), pace.reserve(60.0)] == pytest.approx([2.0, 4.0])
    pace.slow_down(100.0, retry_after=1e9)
    assert pace.wait(100.0) == pytest.approx(900.0 + 2.0)


def test_a_clock_that_goes_back_fills_nothing() -> None:
    pace = Pace(SETTINGS)
    for _ in range(6):
        pace.reserve(10.0)
    assert pace.wait(0.0) == pace.wait(10.0) == pytest.approx(0.2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80))
def test_no_second_sees_more_calls_than_the_burst_and_the_fastest_rate(
    steps: list[tuple[float, bool]],
) -> None:
    pace, now, moments = Pace(SETTINGS), 0.0, list[float]()
    for pause, answered in steps:
        now += pause
        moments.append(now + pace.reserve(now))
        if answered:
            pace.speed_up(now)
    assert moments == sorted(moments)
    for start in moments:
        assert sum(start <= moment < start + 1 for moment in moments) <= SETTINGS.burst + SETTINGS.fastest + 1


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
    assert paces.pace("new.test", 0.0).reserve(0.0) == 0.0
    assert "new.test" not in {each.site for each in paces.statistics(0.0)}
    assert paces.pace("slow0.test", 0.0) is paces.pace("slow0.test", 0.0)


def test_the_least_recently_used_site_is_evicted() -> None:
    paces = Paces(SETTINGS)
    for site in ("a", "b", "c", "a", "d"):
        paces.pace(site, 0.0)
    assert [each.site for each in paces.statistics(0.0)] == ["c", "a", "d"]


def test_a_pace_carries_state_until_its_tokens_are_back() -> None:
    pace = Pace(SETTINGS)
    assert pace.forgettable(0.0)
    pace.reserve(0.0)
    assert not pace.forgettable(0.05)
    assert pace.forgettable(0.1)


def test_a_pace_carries_state_until_its_rate_is_back() -> None:
    pace = Pace(SETTINGS)
    pace.slow_down(0.0)
    for _ in range(19):
        assert not pace.forgettable(100.0)
        pace.speed_up(100.0)
    assert pace.forgettable(100.0)


def test_a_pace_carries_state_until_its_pause_is_over() -> None:
    pace = Pace(replace(SETTINGS, slowest=10.0))  # there is nothing to raise
    pace.slow_down(0.0)
    assert pace.forgettable(1.0)
    pace.slow_down(1.0, retry_after=60.0)
    assert not pace.forgettable(60.9)
    assert pace.forgettable(61.0)


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
        ({"increase": 0.0}, "increase"),
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
        {"increase": 0.01},
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
        increase=0.5,
        decrease=0.5,
        settle=2.0,
        memory=5.0,
        pause_cap=900.0,
        sites=512,
    )
    paces = Paces()
    for number in range(600):
        paces.pace(f"{number}.test", 0.0)
    assert len(paces.statistics(0.0)) == 512
