"""Pure: the admission queue's estimates of service times, and its counters."""

from __future__ import annotations

import pytest

from service.errors import QueueFull
from service.pool.admission import MAX_WAIT, AdmissionQueue, Ticket

from ...support.admission_queue import admission_queue, enter, tickets, used_to


def finish(queue: AdmissionQueue, *seconds: float) -> None:
    for each in seconds:
        queue.finished(Ticket("a"), 0.0, service_time=each, cost=0.0)


def test_five_service_times_make_an_estimate() -> None:
    queue = admission_queue()
    enter(queue, Ticket("a"))
    finish(queue, 1.0, 2.0, 3.0, 4.0)
    unknown = queue.statistics(0.0)
    assert (unknown.mean, unknown.median, unknown.places_now, unknown.expected_wait) == (None, None, 100, 0.0)
    finish(queue, 10.0)
    known = queue.statistics(0.0)
    assert (known.mean, known.median, known.places_now, known.expected_wait) == (4.0, 3.0, 3, 8.0)
    finish(queue, 10.0)
    assert queue.statistics(0.0).mean == 5.0


def test_one_free_worker_is_assumed_before_the_first_ticket() -> None:
    queue = admission_queue()
    finish(queue, *[2.0] * 5)
    assert queue.statistics(0.0).places_now == 5
    assert [queue.expected_wait(place, 0.0) for place in range(3)] == [0.0, 2.0, 4.0]


def test_the_latest_64_service_times_are_looked_at() -> None:
    queue = admission_queue()
    finish(queue, *[1.0] * 64, 65.0)
    assert queue.statistics(0.0).mean == 2.0


def test_a_service_time_of_nothing_is_taken_for_a_millisecond() -> None:
    queue = admission_queue()
    finish(queue, *[0.0] * 5)
    assert queue.statistics(0.0).mean == 0.001


def test_every_way_out_is_counted() -> None:
    queue = used_to(admission_queue(5), 1.0)
    late, patient, later = (Ticket("a", deadline=deadline) for deadline in (3.0, 30.0, 4.0))
    enter(queue, late, patient, later, *(newest := tickets(2, "a")), workers=9, busy=9)
    for _ in range(4):
        with pytest.raises(QueueFull):
            enter(queue, Ticket("a"), workers=9, busy=9)
    enter(queue, *(others := tickets(2, "b")), workers=9, busy=9)
    for _ in range(2):
        queue.leave(others[0])
    assert queue.call(2.5) is patient
    assert [gone for gone, _ in queue.shed(3.5)] == [*newest[::-1], late, later]
    seen = queue.statistics(5.0)
    assert (seen.entered - 10, seen.called - 10) == (7, 1)
    assert (seen.left, seen.refused, seen.shed, seen.displaced) == (1, 4, 2, 2)


def test_statistics_of_an_empty_queue() -> None:
    seen = admission_queue(5).statistics(7.0)
    assert (seen.waiting, seen.tiers, seen.longest_wait, seen.expected_wait) == (0, (), 0.0, 0.0)
    ways = (seen.entered, seen.called, seen.left, seen.refused, seen.shed, seen.displaced)
    assert ways == (0, 0, 0, 0, 0, 0)


def test_statistics() -> None:
    queue = used_to(admission_queue(50), 5.0)
    enter(queue, Ticket("a"), now=1.0, workers=4, busy=4)
    enter(queue, Ticket("b", tier=3), now=2.0, workers=4, busy=4)
    seen = queue.statistics(3.0)
    assert (seen.waiting, seen.tiers, seen.places) == (2, ((0, 1), (3, 1)), 50)
    assert (seen.mean, seen.median, seen.places_now) == (5.0, 5.0, 4 * MAX_WAIT / 5)
    assert (seen.longest_wait, seen.expected_wait) == (2.0, 3.75)
    assert (seen.entered, seen.called, seen.left, seen.refused, seen.shed, seen.displaced) == (
        12,
        10,
        0,
        0,
        0,
        0,
    )
