"""How attempts slow down. Pure."""

from __future__ import annotations

from service.pool.backoff import LONGEST, Backoff


def test_each_failure_doubles_the_wait_up_to_a_bound() -> None:
    backoff, now, waits = Backoff(), 0.0, []
    for _ in range(9):
        waits.append(backoff.failed(now, began=now))
        now += waits[-1]
        assert backoff.wait(now) == backoff.wait(now + 5) == 0
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, LONGEST, LONGEST]


def test_attempts_that_fail_together_lengthen_the_wait_once() -> None:
    backoff = Backoff()
    assert [backoff.failed(0.1, began=0.0) for _ in range(3)] == [0.5, 0.5, 0.5]
    assert backoff.failed(0.75, began=0.6) == 1
    assert backoff.failed(1.0, began=0.75) == 2, "it began when the other had failed"


def test_a_success_forgets_all() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.failed(1, began=1)
    assert backoff.degraded(1)
    backoff.succeeded()
    assert backoff.wait(1) == 0
    assert not backoff.degraded(1)
    assert backoff.failed(2, began=2) == 0.5
    assert backoff.failed(3, began=3) == 1
    assert not backoff.degraded(3)


def test_scenario_22_three_failures_within_ten_seconds_degrade() -> None:
    backoff = Backoff()
    for now in (100, 105):
        backoff.failed(now, began=now)
        assert not backoff.degraded(now)
    backoff.failed(110, began=110)
    assert backoff.degraded(110)


def test_three_failures_over_a_longer_time_are_bad_luck() -> None:
    backoff = Backoff()
    for now in (0, 5, 10.5):
        backoff.failed(now, began=now)
    assert not backoff.degraded(10.5)


def test_scenario_22_degradation_ends_where_nothing_is_tried_any_more() -> None:
    backoff = Backoff()
    for now in (0, 1, 2):
        backoff.failed(now, began=now)
    assert backoff.degraded(14)  # 2 s of waiting after the last one, and ten
    assert not backoff.degraded(14.1)
