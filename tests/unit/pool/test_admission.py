"""Pure: the waiting room's bounds, order, fairness and refusals, with invented moments for a clock."""

from __future__ import annotations

import pytest

from service.errors import QueueFull
from service.pool.admission import Ticket

from ...support.waiting_room import a_room, calls, enter, tickets, used_to

# Order


def test_one_client_is_served_in_the_order_of_arrival() -> None:
    room, mine = a_room(), tickets(5)
    enter(room, *mine)
    assert list(calls(room)) == mine


def test_a_better_tier_goes_first() -> None:
    room = a_room()
    low, high = Ticket("low", tier=2), Ticket("high", tier=0)
    enter(room, low, high)
    assert list(calls(room)) == [high, low]


def test_scenario_29_a_low_priority_request_runs_although_high_ones_come_every_second() -> None:
    room, low = a_room(), Ticket("low", tier=9)
    enter(room, low, now=0.0)
    for second in range(31):
        enter(room, Ticket("high"), Ticket("high"), now=float(second))
        if room.call(float(second)) is low:
            break
    assert second <= 10


def test_ageing_gives_a_low_tier_one_turn_and_not_the_whole_pool() -> None:
    room = a_room()
    enter(room, *tickets(20, "low", tier=1), *tickets(20, "high"))
    turns = [next(calls(room, now)).client for now in map(float, range(30))]
    assert [now for now, client in enumerate(turns[:20]) if client == "low"] == [10]


def test_scenario_30_the_second_client_runs_second() -> None:
    room, many, one = a_room(), tickets(8, "a"), Ticket("b")
    enter(room, *many, one)
    assert list(calls(room))[:3] == [many[0], one, many[1]]


def test_a_client_whose_jobs_cost_twice_as_much_gets_half_the_turns() -> None:
    room = used_to(used_to(a_room(), 2.0, client="cheap"), 4.0, client="dear")
    enter(room, *tickets(30, "dear"), *tickets(30, "cheap"), workers=40, busy=40)
    turns = [next(calls(room)).client for _ in range(30)]
    assert turns.count("cheap") == pytest.approx(20, abs=1)


def test_cpu_counts_as_cost_beside_the_time_on_a_worker() -> None:
    room = used_to(used_to(a_room(), 2.0, client="waits", cost=0.0), 2.0, client="computes", cost=2.0)
    enter(room, *tickets(30, "computes"), *tickets(30, "waits"), workers=40, busy=40)
    turns = [next(calls(room)).client for _ in range(30)]
    assert turns.count("waits") == pytest.approx(20, abs=1)


def test_a_double_share_gets_twice_the_turns() -> None:
    room = a_room()
    enter(room, *tickets(30, "single"), *[Ticket("double", share=2.0) for _ in range(30)])
    turns = [next(calls(room)).client for _ in range(30)]
    assert turns.count("double") == pytest.approx(20, abs=1)


def test_idling_earns_no_credit() -> None:
    room = a_room()
    enter(room, *tickets(20, "busy"))
    for _ in range(10):
        next(calls(room))
    enter(room, *tickets(10, "late"))
    turns = [next(calls(room)).client for _ in range(10)]
    assert turns.count("late") == pytest.approx(5, abs=1)


# Bounds


@pytest.mark.parametrize("places", [0, 1, 8])
def test_the_length_is_bounded_before_service_times_are_known(places: int) -> None:
    room = a_room(places)
    enter(room, *tickets(places + 4), workers=4, busy=0)  # four find a worker free or on its way
    with pytest.raises(QueueFull) as refusal:
        enter(room, Ticket("a"), workers=4, busy=0)
    assert refusal.value.waiting == places + 4
    assert len(room) == places + 4


def test_the_queue_is_bounded_in_time() -> None:
    """Four workers, 5 s, deadline 30 s: 4 · 10 s / 5 s = 8 may wait."""
    room = used_to(a_room(), 5.0)
    enter(room, *tickets(8, deadline=30.0), workers=4, busy=4)
    with pytest.raises(QueueFull) as refusal:
        enter(room, Ticket("a", deadline=30.0), workers=4, busy=4)
    assert refusal.value.expected_wait == pytest.approx(9 * 5 / 4)


def test_nobody_is_let_in_to_wait_longer_than_a_third_of_his_deadline() -> None:
    room = used_to(a_room(), 1.0)
    enter(room, *tickets(5, deadline=25.0), now=10.0)
    with pytest.raises(QueueFull) as refusal:
        enter(room, Ticket("a", deadline=25.0), now=10.0)
    assert refusal.value.expected_wait == 6.0


def test_ten_queued_behind_ten_jobs_of_three_seconds_are_not_refused() -> None:
    room = used_to(a_room(), 3.0)
    enter(room, *tickets(10, deadline=25.0), workers=10, busy=10)
    assert len(room) == 10


def test_a_burst_of_short_jobs_fills_every_place() -> None:
    room = used_to(a_room(100), 0.1)
    enter(room, *tickets(100, deadline=25.0), workers=2, busy=2)
    assert len(room) == 100


def test_a_lower_tier_takes_no_place_in_time_from_a_better_one() -> None:
    room = used_to(a_room(), 5.0)
    enter(room, *tickets(2, "low", tier=1), workers=1, busy=1)
    enter(room, Ticket("high"), workers=1, busy=1)
    with pytest.raises(QueueFull):
        enter(room, Ticket("low", tier=1), workers=1, busy=1)


def test_a_full_room_sends_the_newest_of_the_last_tier_away_for_a_better_one() -> None:
    room = a_room(3)
    low = tickets(3, "low", tier=2)
    enter(room, *low)
    high = Ticket("high")
    enter(room, high)
    [(gone, error)] = room.shed(0.0)
    assert gone is low[2]
    assert isinstance(error, QueueFull)
    assert list(calls(room)) == [high, *low[:2]]


def test_a_full_room_sends_the_last_tier_away_first() -> None:
    room, last, low = a_room(2), Ticket("last", tier=2), Ticket("low", tier=1)
    enter(room, last, low, Ticket("high"))
    assert [gone for gone, _ in room.shed(0.0)] == [last]


def test_more_at_work_than_there_are_workers_take_no_place() -> None:
    room = a_room(2)
    enter(room, *tickets(2), workers=1, busy=3)
    with pytest.raises(QueueFull):
        enter(room, Ticket("a"), workers=1, busy=3)


def test_without_workers_there_is_one_to_come() -> None:
    room = used_to(a_room(0), 5.0)
    enter(room, Ticket("a"), workers=0, busy=0)
    assert room.expected_wait(1, 0.0) == 5.0


def test_one_client_may_fill_the_room_only_as_long_as_nobody_else_comes() -> None:
    room, mine = a_room(8), tickets(8, "greedy")
    enter(room, *mine)
    for _ in range(4):
        enter(room, Ticket("modest"))
    assert [gone for gone, _ in room.shed(0.0)] == mine[:3:-1]
    for client in ("modest", "greedy"):  # places are shared equally now
        with pytest.raises(QueueFull):
            enter(room, Ticket(client))


def test_a_better_tier_that_takes_the_free_worker_leaves_no_place_for_who_counted_on_it() -> None:
    room = a_room(0)
    low, high = Ticket("low", tier=1), Ticket("high")
    enter(room, low, high, workers=1, busy=0)
    assert [gone for gone, _ in room.shed(0.0)] == [low]
    assert list(calls(room)) == [high]


def test_retry_after_is_the_time_to_clear_the_queue() -> None:
    room = used_to(a_room(4), 8.0)
    enter(room, *tickets(2), workers=2, busy=2)
    with pytest.raises(QueueFull) as refusal:
        enter(room, *tickets(2), workers=2, busy=2)
    assert refusal.value.retry_after == 16  # (3 waiting + 2 / 2) · 8 s / 2, nothing spread


def test_a_job_of_a_second_is_supposed_before_service_times_are_known() -> None:
    room = a_room(3)
    enter(room, *tickets(3), workers=1, busy=2)
    with pytest.raises(QueueFull) as refusal:
        enter(room, Ticket("a"), workers=1, busy=2)
    assert refusal.value.retry_after == 4  # 3 waiting + 2 / 2
    assert refusal.value.expected_wait == 0.0


@pytest.mark.parametrize(
    ("places", "seconds", "spread", "expected"), [(1, 0.1, 0.0, 1), (100, 50.0, 1.0, 75)]
)
def test_retry_after_is_between_a_second_and_a_minute_and_spread(
    places: int, seconds: float, spread: float, expected: float
) -> None:
    room = used_to(a_room(places, spread=spread), seconds)
    with pytest.raises(QueueFull) as refusal:
        enter(room, *tickets(3), workers=1, busy=4)
    assert refusal.value.retry_after == expected


# Deadlines


def test_a_request_that_cannot_finish_in_time_is_refused_with_the_wait_it_would_have() -> None:
    room = used_to(a_room(), 5.0)
    with pytest.raises(QueueFull) as refusal:
        enter(room, Ticket("a", deadline=8.0), workers=1, busy=1)
    assert refusal.value.expected_wait == 5.0
    assert refusal.value.retry_after == 3  # (0 waiting + 1 / 2) · 5 s, rounded up
    assert len(room) == 0


def test_where_a_worker_is_free_nobody_is_refused_or_sent_away() -> None:
    """Else one slow hour could close the door for good: no work, no new estimate."""
    room, hasty, late = used_to(a_room(0), 60.0), Ticket("a", deadline=10.0), Ticket("a", deadline=-90.0)
    enter(room, hasty, late, workers=3, busy=1)
    assert room.shed(1.0) == []
    assert [*calls(room, 1.0)] == [hasty, late]


def test_who_waited_too_long_is_sent_away_instead_of_run() -> None:
    room, late, patient = used_to(a_room(), 5.0), Ticket("a", deadline=12.0), Ticket("a", deadline=40.0)
    with pytest.raises(QueueFull):
        enter(room, Ticket("a", deadline=9.0))
    enter(room, late, patient, workers=5, busy=5)
    assert room.shed(7.0) == []
    assert room.call(7.1) is patient
    [(gone, error)] = room.shed(7.1)
    assert gone is late
    assert error.retry_after is not None


def test_who_can_just_be_served_in_time_is() -> None:
    room, hasty = used_to(a_room(), 5.0), Ticket("a", deadline=12.0)
    enter(room, hasty, workers=5, busy=5)
    assert room.call(7.0) is hasty


def test_shed_finds_the_hopeless_without_a_call() -> None:
    room, late = used_to(a_room(), 5.0), Ticket("a", deadline=12.0)
    enter(room, late, workers=5, busy=5)
    assert [gone for gone, _ in room.shed(7.1)] == [late]
    assert room.shed(7.1) == []
    assert len(room) == 0


# Leaving, looking


def test_who_leaves_is_never_called_and_may_leave_twice() -> None:
    room, (first, second) = a_room(), tickets(2)
    enter(room, first, second)
    assert first in room
    room.leave(first)
    assert first not in room
    room.leave(first)
    assert list(calls(room)) == [second]
    room.leave(second)


def test_who_leaves_after_being_sent_away_is_not_answered_twice() -> None:
    room, low = a_room(1), Ticket("low", tier=1)
    enter(room, low, Ticket("high"))
    room.leave(low)
    assert room.shed(0.0) == []


def test_positions_and_expected_waits() -> None:
    room = used_to(a_room(), 4.0)
    low, first, second = Ticket("low", tier=1), Ticket("a"), Ticket("b")
    enter(room, low, first, second, workers=4, busy=4)
    assert [room.position(ticket) for ticket in (first, second, low)] == [0, 1, 2]
    assert [room.expected_wait(ticket, 0.0) for ticket in (first, second, low)] == [1.0, 2.0, 3.0]
    assert room.expected_wait(7, 0.0) == 8.0
    assert next(calls(room)) is first
    with pytest.raises(ValueError, match="does not wait"):
        room.position(first)


def test_where_a_worker_is_free_nobody_waits_for_one() -> None:
    room = used_to(a_room(), 5.0)
    enter(room, Ticket("a"), workers=4, busy=2)
    assert [room.expected_wait(place, 0.0) for place in range(4)] == [0.0, 0.0, 1.25, 2.5]
