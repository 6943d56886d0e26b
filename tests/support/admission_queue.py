"""Builders for tests of the admission queue: the queue, its history, and tickets."""

from __future__ import annotations

from collections.abc import Iterator

from service.pool.admission import AdmissionQueue, Ticket


def admission_queue(places: int = 100, *, spread: float = 0.0) -> AdmissionQueue:
    return AdmissionQueue(places, spread=lambda: spread)


def used_to(
    queue: AdmissionQueue, seconds: float, *, client: str = "before", cost: float = 0.0
) -> AdmissionQueue:
    """`queue` after ten jobs of `client` that took `seconds` each."""
    for _ in range(10):
        ticket = Ticket(client)
        queue.enter(ticket, 0.0, workers=1, busy=0)
        assert queue.call(0.0) is ticket
        queue.finished(ticket, 0.0, service_time=seconds, cost=cost)
        queue.done(ticket)
    return queue


def enter(queue: AdmissionQueue, *tickets: Ticket, now: float = 0.0, workers: int = 1, busy: int = 1) -> None:
    for ticket in tickets:
        queue.enter(ticket, now, workers=workers, busy=busy)


def calls(queue: AdmissionQueue, now: float = 0.0) -> Iterator[Ticket]:
    while (ticket := queue.call(now)) is not None:
        yield ticket


def tickets(count: int, client: str = "a", tier: int = 0, deadline: float = float("inf")) -> list[Ticket]:
    return [Ticket(client, tier, deadline) for _ in range(count)]
