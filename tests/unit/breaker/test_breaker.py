"""Pure tests of one breaker beyond the scenarios: defaults, thresholds, cooldown, ramp, modes, statistics."""

from __future__ import annotations

from typing import Any

import pytest

from service.breaker.machine import Breaker, Change
from service.breaker.settings import BreakerSettings, Mode

from ...support.breaker_story import (
    FAILURE,
    IGNORED,
    SUCCESS,
    UNDECIDED,
    admitted,
    call,
    half_open,
    story,
    tripped,
)

# The defaults, as the predecessor documents them


def test_five_failures_of_the_last_ten_calls_open_it_and_never_before_ten() -> None:
    breaker = Breaker(BreakerSettings())
    for _ in range(9):
        call(breaker, FAILURE, 0.0)
        assert breaker.label == "CLOSED"
    call(breaker, SUCCESS, 0.0)
    assert breaker.label == "OPEN"


def test_only_the_last_ten_calls_count() -> None:
    breaker = Breaker(BreakerSettings())
    for call_result in (
        FAILURE,
        FAILURE,
        FAILURE,
        FAILURE,
        *[SUCCESS] * 6,
        FAILURE,
        FAILURE,
        FAILURE,
        FAILURE,
    ):
        call(breaker, call_result, 0.0)
    assert breaker.label == "CLOSED"
    assert breaker.statistics(0.0).failures == 4
    call(breaker, FAILURE, 0.0)
    assert breaker.label == "OPEN"


def test_after_a_minute_two_successes_close_it() -> None:
    breaker = Breaker(BreakerSettings())
    for _ in range(10):
        call(breaker, FAILURE, 0.0)
    assert breaker.admit(59.9) is None
    call(breaker, SUCCESS, 60.0)
    assert breaker.label == "HALF_OPEN"
    call(breaker, SUCCESS, 60.0)
    assert breaker.label == "CLOSED"
    for _ in range(100):  # afterwards it permits every call
        call(breaker, SUCCESS, 60.0)


def test_one_failure_opens_it_again() -> None:
    breaker, _ = half_open()
    call(breaker, SUCCESS, 6.0)
    call(breaker, FAILURE, 6.0)
    assert breaker.take_changes() == [Change("HALF_OPEN", "OPEN", "a probe failed")]


# Settings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"window_calls": 0}, "window_calls"),
        ({"minimum_calls": 11}, "minimum_calls"),
        ({"streak": 0}, "streak"),
        ({"window_seconds": 0.0}, "window_seconds"),
        ({"cooldown": -1.0}, "cooldown"),
        ({"jitter": -0.1}, "jitter"),
        ({"failure_rate": 0.0}, "failure_rate"),
        ({"slow_rate": 1.1}, "slow_rate"),
        ({"cooldown_factor": 0.5}, "cooldown_factor"),
    ],
)
def test_a_setting_out_of_range_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must be"):
        BreakerSettings(**changes)


def test_a_cap_below_the_cooldown_means_no_growth() -> None:
    settings = BreakerSettings(cooldown=600.0, cooldown_cap=300.0)
    assert settings.grown(600.0) == 600.0


# Permits


def test_a_permit_is_settled_once() -> None:
    breaker = Breaker(story())
    permit = admitted(breaker, 0.0)
    breaker.settle(permit, FAILURE, 0.0)
    with pytest.raises(RuntimeError, match="settled once"):
        breaker.settle(permit, FAILURE, 0.0)
    assert breaker.totals.failures == 1


def test_a_permit_of_an_older_generation_is_settled_once_too() -> None:
    breaker, a = half_open()
    breaker.settle(a, SUCCESS, 7.0)
    with pytest.raises(RuntimeError, match="settled once"):
        breaker.settle(a, SUCCESS, 7.0)


def test_permits_of_one_moment_are_not_equal() -> None:
    breaker = Breaker(story())
    assert admitted(breaker, 0.0) != admitted(breaker, 0.0)


# Windows, streak and memory


def test_a_time_window_forgets_what_is_older() -> None:
    breaker = Breaker(story(streak=100))
    for now in (0.0, 1.0, 2.0, 10.5):  # at 10.5 the first is outside the window
        call(breaker, FAILURE, now)
    assert breaker.label == "CLOSED"
    call(breaker, FAILURE, 10.6)
    assert breaker.label == "OPEN"


def test_a_success_ends_the_streak() -> None:
    breaker = Breaker(story(streak=3, minimum_calls=10))
    for call_result in (FAILURE, FAILURE, SUCCESS, FAILURE, FAILURE):
        call(breaker, call_result, 0.0)
    assert breaker.statistics(0.0).streak == 2
    call(breaker, FAILURE, 0.0)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "3 calls failed in a row")]


def test_a_closed_breaker_forgets_after_its_memory() -> None:
    breaker = Breaker(BreakerSettings(memory=600.0))
    for _ in range(9):
        call(breaker, FAILURE, 0.0)
    assert not breaker.forgettable(600.0)
    assert breaker.forgettable(600.1)
    call(breaker, FAILURE, 600.1)
    assert breaker.label == "CLOSED"


# Slow calls


def test_finished_slow_calls_trip() -> None:
    breaker = Breaker(story(slow_after=2.0, slow_rate=0.5))
    permits = [admitted(breaker, 0.0) for _ in range(4)]
    for permit, now in zip(permits, (0.0, 0.0, 2.0, 2.0), strict=True):
        breaker.settle(permit, SUCCESS, now)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "2 of 4 calls were slow")]


def test_a_running_slow_call_is_not_counted_again_when_it_ends() -> None:
    breaker = Breaker(story(slow_after=2.0, slow_rate=0.5))
    for _ in range(5):
        call(breaker, SUCCESS, 0.0)
    slow = admitted(breaker, 0.0)
    assert breaker.statistics(3.0).slow_calls == 1
    breaker.settle(slow, SUCCESS, 3.0)
    assert breaker.statistics(3.0).slow_calls == 1


def test_running_slow_calls_displace_the_oldest_outcomes() -> None:
    breaker = Breaker(story(slow_after=2.0, slow_rate=0.5, window_seconds=None, minimum_calls=10))
    for _ in range(10):
        breaker.settle(admitted(breaker, 0.0), SUCCESS, 0.0)
    for _ in range(5):
        admitted(breaker, 1.0)
    breaker.tick(3.0)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "5 of 10 calls were slow")]


def test_what_a_job_spent_in_former_attempts_counts() -> None:
    breaker = Breaker(story(slow_after=10.0))
    permit = breaker.admit(100.0, spent=8.0)
    assert permit is not None
    assert breaker.next_deadline() == 102.0
    assert breaker.statistics(102.0).slow_calls == 1


def test_a_call_that_asks_another_site_is_not_slow_here() -> None:
    breaker = Breaker(story(slow_after=2.0))
    permit = admitted(breaker, 0.0)
    breaker.rest(permit, 1.5)
    assert breaker.next_deadline() == float("inf")
    assert breaker.statistics(60.0).slow_calls == 0
    breaker.resume(permit, 100.0)
    assert breaker.next_deadline() == 100.5
    assert breaker.statistics(100.4).slow_calls == 0
    assert breaker.statistics(100.5).slow_calls == 1


def test_a_call_that_came_back_in_time_ends_in_time() -> None:
    breaker = Breaker(story(slow_after=2.0, slow_rate=0.1))
    for _ in range(4):
        permit = admitted(breaker, 0.0)
        breaker.rest(permit, 1.0)
        breaker.settle(permit, SUCCESS, 50.0)
    assert breaker.label == "CLOSED"


def test_a_probe_that_asks_another_site_takes_no_place_and_does_not_hang() -> None:
    breaker, _ = half_open()
    probes = [admitted(breaker, 6.0), admitted(breaker, 6.0)]
    assert not breaker.admits(7.0)
    for probe in probes:
        breaker.rest(probe, 7.0)
    assert breaker.next_deadline() == float("inf")
    assert breaker.admits(60.0)
    for probe in probes:
        breaker.resume(probe, 60.0)
    assert not breaker.admits(60.0)
    assert breaker.next_deadline() == 67.0
    breaker.tick(67.0)
    assert breaker.label == "OPEN"


def test_the_next_deadline_is_the_next_call_to_become_slow() -> None:
    breaker = Breaker(story(slow_after=2.0))
    call(breaker, SUCCESS, 0.0)
    admitted(breaker, 0.0)
    admitted(breaker, 1.0)
    assert breaker.next_deadline() == 2.0
    breaker.tick(2.0)
    assert breaker.next_deadline() == 3.0
    breaker.tick(3.0)
    assert breaker.next_deadline() == float("inf")


def test_a_slow_probe_opens_the_breaker_again() -> None:
    breaker, _ = half_open(slow_after=2.0)
    breaker.settle(admitted(breaker, 6.0), SUCCESS, 8.0)
    assert breaker.take_changes() == [Change("HALF_OPEN", "OPEN", "a probe was slow")]


# Half-open


def test_successes_of_one_half_open_time_do_not_count_in_the_next() -> None:
    breaker, _ = half_open()
    call(breaker, SUCCESS, 6.0)
    call(breaker, FAILURE, 6.0)
    call(breaker, SUCCESS, 16.0)
    assert breaker.label == "HALF_OPEN"
    call(breaker, SUCCESS, 16.0)
    assert breaker.label == "CLOSED"


def test_a_half_open_breaker_without_calls_stays_half_open() -> None:
    breaker, _ = half_open()
    breaker.tick(500.0)
    assert breaker.label == "HALF_OPEN"
    assert breaker.next_deadline() == float("inf")


def test_an_undecided_probes_permit_comes_back_by_the_timer() -> None:
    breaker, _ = half_open()
    call(breaker, UNDECIDED, 6.0)
    call(breaker, UNDECIDED, 7.0)
    assert breaker.crowded(7.0)
    assert breaker.next_deadline() == 11.0
    assert breaker.admits(11.0)
    assert not breaker.crowded(11.0)


def test_an_undecided_probe_that_took_longer_than_a_cooldown_frees_its_permit_at_once() -> None:
    breaker, _ = half_open()
    breaker.settle(admitted(breaker, 6.0), UNDECIDED, 12.0)
    assert breaker.free_probes == 2


def test_an_abandoned_half_open_breaker_is_forgettable_after_its_memory() -> None:
    breaker, a = half_open()
    assert not breaker.forgettable(700.0)  # call A has not ended
    breaker.settle(a, IGNORED, 700.0)
    assert breaker.forgettable(700.0)


# Cooldown


def test_jitter_spreads_the_cooldown() -> None:
    breaker = Breaker(story(jitter=0.2), randomness=lambda: 0.5)
    for _ in range(4):
        call(breaker, FAILURE, 0.0)
    assert breaker.next_deadline() == pytest.approx(5.5)


def test_retry_after_is_capped() -> None:
    breaker = Breaker(story(retry_after_cap=30.0))
    for _ in range(4):
        call(breaker, FAILURE, 0.0, retry_after=1e9)
    assert breaker.next_deadline() == 30.0


def test_a_late_retry_after_prolongs_an_open_breaker_and_never_shortens_it() -> None:
    breaker, a = tripped()
    breaker.settle(a, FAILURE, 2.0, retry_after=20.0)
    assert breaker.next_deadline() == 22.0
    another, a = tripped()
    another.settle(a, FAILURE, 2.0, retry_after=1.0)
    assert another.next_deadline() == 6.0


def test_only_a_failure_asks_for_rest() -> None:
    breaker = Breaker(story())
    call(breaker, SUCCESS, 0.0, retry_after=20.0)
    for _ in range(3):
        call(breaker, FAILURE, 0.0)
    assert breaker.next_deadline() == 5.0


def test_a_site_that_recovered_is_not_held_to_its_earlier_wish() -> None:
    breaker, a = half_open()
    breaker.settle(a, FAILURE, 6.0, retry_after=100.0)
    for call_result in (SUCCESS, SUCCESS, FAILURE, FAILURE, FAILURE, FAILURE):
        call(breaker, call_result, 7.0)
    assert breaker.next_deadline() == 12.0


# The ramp


def test_after_closing_a_growing_share_is_let_through() -> None:
    breaker, _ = half_open(ramp=10.0, ramp_from=0.2)
    call(breaker, SUCCESS, 6.0)
    call(breaker, SUCCESS, 6.0)
    for start, passed in ((6.0, 20), (11.0, 60), (16.0, 100)):
        assert breaker.ramp_share(start) == pytest.approx(passed / 100)
        permits = [permit for _ in range(100) if (permit := breaker.admit(start))]
        assert abs(len(permits) - passed) <= 1
        for permit in permits:
            breaker.settle(permit, SUCCESS, start)


def test_the_first_caller_after_closing_passes_and_a_refused_one_is_told_to_wait_a_second() -> None:
    breaker, _ = half_open(ramp=10.0)
    call(breaker, SUCCESS, 6.0)
    call(breaker, SUCCESS, 6.0)
    call(breaker, SUCCESS, 6.0)
    assert breaker.admit(6.0) is None
    assert breaker.retry_after(6.0) == 1.0
    assert not breaker.forgettable(6.0)


def test_a_reset_needs_no_ramp() -> None:
    breaker, _ = tripped(ramp=10.0)
    breaker.reset(2.0)
    assert breaker.ramp_share(2.0) == 1.0


# Modes and the operator


def test_disabled_lets_everything_through_and_judges_nothing() -> None:
    breaker, _ = tripped(ramp=10.0)
    breaker.set_mode(Mode.DISABLED, 2.0)
    for _ in range(20):
        call(breaker, FAILURE, 2.0)
    statistics = breaker.statistics(2.0)
    assert (statistics.state, statistics.mode, statistics.failures) == ("CLOSED", "DISABLED", 0)
    assert statistics.total_failures == 24
    assert [change.current for change in breaker.take_changes()] == ["DISABLED"]


def test_metrics_only_counts_and_never_trips() -> None:
    breaker = Breaker(story(mode=Mode.METRICS_ONLY, slow_after=1.0))
    running = admitted(breaker, 0.0)
    for _ in range(20):
        call(breaker, FAILURE, 0.0)
    breaker.tick(5.0)
    breaker.settle(running, FAILURE, 5.0)
    statistics = breaker.statistics(5.0)
    assert (statistics.state, statistics.failures, statistics.slow_calls) == ("CLOSED", 21, 1)
    assert breaker.next_deadline() == float("inf")
    assert breaker.take_changes() == []


def test_close_hands_a_forced_breaker_back_to_itself() -> None:
    breaker = Breaker(story())
    breaker.set_mode(Mode.FORCED_OPEN, 0.0)
    breaker.set_mode(Mode.FORCED_OPEN, 0.0)
    assert breaker.statistics(0.0).state == "OPEN"
    assert breaker.admit(0.0) is None
    breaker.close(1.0)
    assert breaker.take_changes() == [
        Change("CLOSED", "FORCED_OPEN", "an operator chose FORCED_OPEN"),
        Change("FORCED_OPEN", "CLOSED", "an operator closed it"),
    ]
    call(breaker, SUCCESS, 1.0)


def test_a_reset_returns_to_the_configured_mode_and_forgets_the_growth() -> None:
    breaker = Breaker(story(mode=Mode.METRICS_ONLY))
    breaker.set_mode(Mode.DISABLED, 0.0)
    assert not breaker.forgettable(0.0)
    breaker.reset(1.0)
    assert breaker.mode is Mode.METRICS_ONLY
    grown, _ = half_open()
    call(grown, FAILURE, 6.0)
    grown.reset(7.0)
    for _ in range(4):
        call(grown, FAILURE, 7.0)
    assert grown.next_deadline() == 12.0


def test_a_reset_of_a_closed_breaker_forgets_its_failures_and_is_no_transition() -> None:
    breaker = Breaker(story())
    call(breaker, FAILURE, 0.0)
    breaker.reset(0.0)
    assert breaker.statistics(0.0).failures == 0
    assert breaker.take_changes() == []


# Statistics


def test_statistics_add_up() -> None:
    breaker, _ = half_open()
    probe = admitted(breaker, 6.0)
    call(breaker, SUCCESS, 6.0)
    admitted(breaker, 6.0)
    assert breaker.admit(6.0) is None
    statistics = breaker.statistics(7.0, site="site.test", waiting=3)
    assert statistics.total_requests == 9
    assert statistics.rejected_requests == 1
    assert (statistics.total_failures, statistics.total_successes, statistics.ignored_requests) == (4, 1, 0)
    assert (statistics.in_flight, statistics.probes, statistics.waiting) == (3, 2, 3)
    assert (statistics.successes, statistics.failures, statistics.opened_count) == (1, 0, 1)
    assert statistics.retry_after == 1.0
    breaker.settle(probe, FAILURE, 7.0)
    opened = breaker.statistics(8.0)
    assert (opened.cooldown_remaining, opened.retry_after) == (9.0, 9.0)
    assert opened.probes == 0
