"""A waiting room, and who comes to it, in as few words as its tests need."""

from __future__ import annotations

from collections.abc import Iterator

from service.pool.admission import AdmissionQueue, Ticket


def a_room(places: int = 100, *, spread: float = 0.0) -> AdmissionQueue:
    return AdmissionQueue(places, spread=lambda: spread)


def used_to(
    room: AdmissionQueue, seconds: float, *, client: str = "before", cost: float = 0.0
) -> AdmissionQueue:
    """`room` after ten jobs of `client` that took `seconds` each."""
    for _ in range(10):
        ticket = Ticket(client)
        room.enter(ticket, 0.0, workers=1, busy=0)
        assert room.call(0.0) is ticket
        room.finished(ticket, 0.0, service_time=seconds, cost=cost)
    return room


def enter(room: AdmissionQueue, *tickets: Ticket, now: float = 0.0, workers: int = 1, busy: int = 1) -> None:
    for ticket in tickets:
        room.enter(ticket, now, workers=workers, busy=busy)


def calls(room: AdmissionQueue, now: float = 0.0) -> Iterator[Ticket]:
    while (ticket := room.call(now)) is not None:
        yield ticket


def tickets(count: int, client: str = "a", tier: int = 0, deadline: float = float("inf")) -> list[Ticket]:
    return [Ticket(client, tier, deadline) for _ in range(count)]
