"""Pure: the admission queue's bounds, order, fairness and refusals; each test passes the times."""

from __future__ import annotations

import pytest

from service.errors import QueueFull
from service.pool.admission import Ticket

from ...support.admission_queue import admission_queue, calls, enter, tickets, used_to

# Order


def test_one_client_is_served_in_the_order_of_arrival() -> None:
    queue, mine = admission_queue(), tickets(5)
    enter(queue, *mine)
    assert list(calls(queue)) == mine


def test_a_better_tier_goes_first() -> None:
    queue = admission_queue()
    low, high = Ticket("low", tier=2), Ticket("high", tier=0)
    enter(queue, low, high)
    assert list(calls(queue)) == [high, low]


def test_scenario_29_a_low_priority_request_runs_although_high_ones_come_every_second() -> None:
    queue, low = admission_queue(), Ticket("low", tier=9)
    enter(queue, low, now=0.0)
    for second in range(31):
        enter(queue, Ticket("high"), Ticket("high"), now=float(second))
        if queue.call(float(second)) is low:
            break
    assert second <= 10


def test_ageing_gives_a_low_tier_one_turn_and_not_the_whole_pool() -> None:
    queue = admission_queue()
    enter(queue, *tickets(20, "low", tier=1), *tickets(20, "high"))
    turns = [next(calls(queue, now)).client for now in map(float, range(30))]
    assert [now for now, client in enumerate(turns[:20]) if client == "low"] == [10]


def test_scenario_30_the_second_client_runs_second() -> None:
    queue, many, one = admission_queue(), tickets(8, "a"), Ticket("b")
    enter(queue, *many, one)
    assert list(calls(queue))[:3] == [many[0], one, many[1]]


def test_a_client_whose_jobs_cost_twice_as_much_gets_half_the_turns() -> None:
    queue = used_to(used_to(admission_queue(), 2.0, client="cheap"), 4.0, client="dear")
    enter(queue, *tickets(30, "dear"), *tickets(30, "cheap"), workers=40, busy=40)
    turns = [next(calls(queue)).client for _ in range(30)]
    assert turns.count("cheap") == pytest.approx(20, abs=1)


def test_cpu_counts_as_cost_beside_the_time_on_a_worker() -> None:
    queue = used_to(
        used_to(admission_queue(), 2.0, client="waits", cost=0.0), 2.0, client="computes", cost=2.0
    )
    enter(queue, *tickets(30, "computes"), *tickets(30, "waits"), workers=40, busy=40)
    turns = [next(calls(queue)).client for _ in range(30)]
    assert turns.count("waits") == pytest.approx(20, abs=1)


def test_a_double_share_gets_twice_the_turns() -> None:
    queue = admission_queue()
    enter(queue, *tickets(30, "single"), *[Ticket("double", share=2.0) for _ in range(30)])
    turns = [next(calls(queue)).client for _ in range(30)]
    assert turns.count("double") == pytest.approx(20, abs=1)


def test_idling_earns_no_credit() -> None:
    queue = admission_queue()
    enter(queue, *tickets(20, "busy"))
    for _ in range(10):
        next(calls(queue))
    enter(queue, *tickets(10, "late"))
    turns = [next(calls(queue)).client for _ in range(10)]
    assert turns.count("late") == pytest.approx(5, abs=1)


# Bounds


@pytest.mark.parametrize("places", [0, 1, 8])
def test_the_length_is_bounded_before_service_times_are_known(places: int) -> None:
    queue = admission_queue(places)
    enter(queue, *tickets(places + 4), workers=4, busy=0)  # four workers are free or booting
    with pytest.raises(QueueFull) as refusal:
        enter(queue, Ticket("a"), workers=4, busy=0)
    assert refusal.value.waiting == places + 4
    assert len(queue) == places + 4


def test_the_queue_is_bounded_in_time() -> None:
    """Four workers, 5 s, deadline 30 s: 4 · 10 s / 5 s = 8 may wait."""
    queue = used_to(admission_queue(), 5.0)
    enter(queue, *tickets(8, deadline=30.0), workers=4, busy=4)
    with pytest.raises(QueueFull) as refusal:
        enter(queue, Ticket("a", deadline=30.0), workers=4, busy=4)
    assert refusal.value.expected_wait == pytest.approx(9 * 5 / 4)


def test_a_ticket_that_would_wait_longer_than_a_third_of_its_deadline_is_refused() -> None:
    queue = used_to(admission_queue(), 1.0)
    enter(queue, *tickets(5, deadline=25.0), now=10.0)
    with pytest.raises(QueueFull) as refusal:
        enter(queue, Ticket("a", deadline=25.0), now=10.0)
    assert refusal.value.expected_wait == 6.0


def test_ten_queued_behind_ten_jobs_of_three_seconds_are_not_refused() -> None:
    queue = used_to(admission_queue(), 3.0)
    enter(queue, *tickets(10, deadline=25.0), workers=10, busy=10)
    assert len(queue) == 10


def test_a_burst_of_short_jobs_fills_every_place() -> None:
    queue = used_to(admission_queue(100), 0.1)
    enter(queue, *tickets(100, deadline=25.0), workers=2, busy=2)
    assert len(queue) == 100


def test_a_lower_tier_takes_no_place_in_time_from_a_better_one() -> None:
    queue = used_to(admission_queue(), 5.0)
    enter(queue, *tickets(2, "low", tier=1), workers=1, busy=1)
    enter(queue, Ticket("high"), workers=1, busy=1)
    with pytest.raises(QueueFull):
        enter(queue, Ticket("low", tier=1), workers=1, busy=1)


def test_a_full_queue_sheds_the_newest_of_the_last_tier_for_a_better_one() -> None:
    queue = admission_queue(3)
    low = tickets(3, "low", tier=2)
    enter(queue, *low)
    high = Ticket("high")
    enter(queue, high)
    [(gone, error)] = queue.shed(0.0)
    assert gone is low[2]
    assert isinstance(error, QueueFull)
    assert list(calls(queue)) == [high, *low[:2]]


def test_a_full_queue_sheds_the_last_tier_first() -> None:
    queue, last, low = admission_queue(2), Ticket("last", tier=2), Ticket("low", tier=1)
    enter(queue, last, low, Ticket("high"))
    assert [gone for gone, _ in queue.shed(0.0)] == [last]


def test_more_at_work_than_there_are_workers_take_no_place() -> None:
    queue = admission_queue(2)
    enter(queue, *tickets(2), workers=1, busy=3)
    with pytest.raises(QueueFull):
        enter(queue, Ticket("a"), workers=1, busy=3)


def test_without_workers_there_is_one_to_come() -> None:
    queue = used_to(admission_queue(0), 5.0)
    enter(queue, Ticket("a"), workers=0, busy=0)
    assert queue.expected_wait(1, 0.0) == 5.0


def test_one_client_may_fill_the_queue_only_until_another_comes() -> None:
    queue, mine = admission_queue(8), tickets(8, "greedy")
    enter(queue, *mine)
    for _ in range(4):
        enter(queue, Ticket("modest"))
    assert [gone for gone, _ in queue.shed(0.0)] == mine[:3:-1]
    for client in ("modest", "greedy"):  # places are shared equally now
        with pytest.raises(QueueFull):
            enter(queue, Ticket(client))


def test_a_ticket_whose_free_worker_goes_to_a_better_tier_is_shed() -> None:
    queue = admission_queue(0)
    low, high = Ticket("low", tier=1), Ticket("high")
    enter(queue, low, high, workers=1, busy=0)
    assert [gone for gone, _ in queue.shed(0.0)] == [low]
    assert list(calls(queue)) == [high]


def test_retry_after_is_the_time_to_clear_the_queue() -> None:
    queue = used_to(admission_queue(4), 8.0)
    enter(queue, *tickets(2), workers=2, busy=2)
    with pytest.raises(QueueFull) as refusal:
        enter(queue, *tickets(2), workers=2, busy=2)
    assert refusal.value.retry_after == 16  # (3 waiting + 2 / 2) · 8 s / 2, nothing spread


def test_a_job_of_a_second_is_supposed_before_service_times_are_known() -> None:
    queue = admission_queue(3)
    enter(queue, *tickets(3), workers=1, busy=2)
    with pytest.raises(QueueFull) as refusal:
        enter(queue, Ticket("a"), workers=1, busy=2)
    assert refusal.value.retry_after == 4  # 3 waiting + 2 / 2
    assert refusal.value.expected_wait == 0.0


@pytest.mark.parametrize(
    ("places", "seconds", "spread", "expected"), [(1, 0.1, 0.0, 1), (100, 50.0, 1.0, 75)]
)
def test_retry_after_is_between_a_second_and_a_minute_and_spread(
    places: int, seconds: float, spread: float, expected: float
) -> None:
    queue = used_to(admission_queue(places, spread=spread), seconds)
    with pytest.raises(QueueFull) as refusal:
        enter(queue, *tickets(3), workers=1, busy=4)
    assert refusal.value.retry_after == expected


# Deadlines


def test_a_request_that_cannot_finish_in_time_is_refused_with_the_wait_it_would_have() -> None:
    queue = used_to(admission_queue(), 5.0)
    with pytest.raises(QueueFull) as refusal:
        enter(queue, Ticket("a", deadline=8.0), workers=1, busy=1)
    assert refusal.value.expected_wait == 5.0
    assert refusal.value.retry_after == 3  # (0 waiting + 1 / 2) · 5 s, rounded up
    assert len(queue) == 0


def test_with_a_free_worker_no_ticket_is_refused_or_shed() -> None:
    """Otherwise one slow hour could block the service permanently: without jobs there is no new estimate."""
    queue, hasty, late = (
        used_to(admission_queue(0), 60.0),
        Ticket("a", deadline=10.0),
        Ticket("a", deadline=-90.0),
    )
    enter(queue, hasty, late, workers=3, busy=1)
    assert queue.shed(1.0) == []
    assert [*calls(queue, 1.0)] == [hasty, late]


def test_a_ticket_that_waited_too_long_is_shed_instead_of_run() -> None:
    queue, late, patient = (
        used_to(admission_queue(), 5.0),
        Ticket("a", deadline=12.0),
        Ticket("a", deadline=40.0),
    )
    with pytest.raises(QueueFull):
        enter(queue, Ticket("a", deadline=9.0))
    enter(queue, late, patient, workers=5, busy=5)
    assert queue.shed(7.0) == []
    assert queue.call(7.1) is patient
    [(gone, error)] = queue.shed(7.1)
    assert gone is late
    assert error.retry_after is not None


def test_a_ticket_that_is_just_in_time_is_served() -> None:
    queue, hasty = used_to(admission_queue(), 5.0), Ticket("a", deadline=12.0)
    enter(queue, hasty, workers=5, busy=5)
    assert queue.call(7.0) is hasty


def test_shed_finds_the_hopeless_without_a_call() -> None:
    queue, late = used_to(admission_queue(), 5.0), Ticket("a", deadline=12.0)
    enter(queue, late, workers=5, busy=5)
    assert [gone for gone, _ in queue.shed(7.1)] == [late]
    assert queue.shed(7.1) == []
    assert len(queue) == 0


# Leaving, positions


def test_a_ticket_that_leaves_is_never_called_and_may_leave_twice() -> None:
    queue, (first, second) = admission_queue(), tickets(2)
    enter(queue, first, second)
    assert first in queue
    queue.leave(first)
    assert first not in queue
    queue.leave(first)
    assert list(calls(queue)) == [second]
    queue.leave(second)


def test_a_ticket_that_leaves_after_it_is_shed_is_not_answered_twice() -> None:
    queue, low = admission_queue(1), Ticket("low", tier=1)
    enter(queue, low, Ticket("high"))
    queue.leave(low)
    assert queue.shed(0.0) == []


def test_positions_and_expected_waits() -> None:
    queue = used_to(admission_queue(), 4.0)
    low, first, second = Ticket("low", tier=1), Ticket("a"), Ticket("b")
    enter(queue, low, first, second, workers=4, busy=4)
    assert [queue.position(ticket) for ticket in (first, second, low)] == [0, 1, 2]
    assert [queue.expected_wait(ticket, 0.0) for ticket in (first, second, low)] == [1.0, 2.0, 3.0]
    assert queue.expected_wait(7, 0.0) == 8.0
    assert next(calls(queue)) is first
    with pytest.raises(ValueError, match="does not wait"):
        queue.position(first)


def test_with_a_free_worker_the_expected_wait_is_zero() -> None:
    queue = used_to(admission_queue(), 5.0)
    enter(queue, Ticket("a"), workers=4, busy=2)
    assert [queue.expected_wait(place, 0.0) for place in range(4)] == [0.0, 0.0, 1.25, 2.5]


def test_a_ticket_may_get_the_better_place_of_another() -> None:
    queue, mine, high = admission_queue(), Ticket("low", tier=9, deadline=2.0), Ticket("high", deadline=30.0)
    enter(queue, *tickets(3, "others", tier=1), mine)
    queue.improve(mine, high)
    assert queue.position(mine) == 0
    assert (mine.client, mine.tier, mine.deadline) == ("high", 0, 30.0)
    assert next(calls(queue)) is mine
