"""The event log: a ring buffer of numbered events, and subscribers that may be slow.

A subscriber has a bounded queue. A slow one loses events and is told how many; the service never waits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import trio

from .. import events
from ..logs import fields_of, timestamp
from .sinks import level_of

KEPT = 200  # records that a new or returning subscriber can still read
BACKLOG = 256  # records queued for one subscriber; with SUBSCRIBERS, a few MB in the worst case
SUBSCRIBERS = 32


class TooManySubscribers(Exception):
    """Every place is taken."""


@dataclass(frozen=True, slots=True)
class Record:
    """One event as subscribers see it: its number, its name, its time (ISO 8601), its level."""

    number: int
    event: str
    at: str
    level: str
    fields: dict[str, Any]


class EventLog:
    """The last events, and their subscribers."""

    def __init__(self) -> None:
        self.number = 0  # of the latest record
        self._kept: deque[Record] = deque(maxlen=KEPT)
        self._subscriptions: set[Subscription] = set()

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    @property
    def full(self) -> bool:
        """Whether every place is taken."""
        return len(self._subscriptions) >= SUBSCRIBERS

    def recent(self) -> tuple[Record, ...]:
        """The records that are kept, the oldest first."""
        return tuple(self._kept)

    def on_event(self, event: events.Event) -> None:
        """A sink."""
        self.number += 1
        at = timestamp()
        record = Record(self.number, type(event).__name__, at, level_of(event), fields_of(event))
        self._kept.append(record)
        for subscription in self._subscriptions:
            subscription.offer(record)

    @contextmanager
    def subscribe(self, *, after: int | None = None) -> Iterator[Subscription]:
        """A subscription, which begins with the kept records after the number `after`; None: with none.

        Raises:
            TooManySubscribers: there are SUBSCRIBERS already.
        """
        if self.full:
            raise TooManySubscribers
        subscription = Subscription()
        if after is not None:
            # A number from before a restart is larger than the current one: then all kept records are new.
            first = after if after <= self.number else 0
            for record in self._kept:
                if record.number > first:
                    subscription.offer(record)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class Subscription:
    """What one subscriber has not read yet.

    Attributes:
        lost: records dropped since the subscriber last asked.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: deque[Record] = deque()
        self._news = trio.Event()

    def offer(self, record: Record) -> None:
        """Queue `record` for the subscriber; where there is no room the oldest is dropped."""
        if len(self._waiting) >= BACKLOG:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(record)
        self._news.set()

    def take_lost(self) -> int:
        """How many were lost since the last call."""
        lost, self.lost = self.lost, 0
        return lost

    def take(self) -> Record | None:
        """The next record, if it is there already."""
        return self._waiting.popleft() if self._waiting else None

    async def next(self, timeout: float = math.inf) -> Record | None:
        """The next record; None where there is none within `timeout` seconds."""
        with trio.move_on_after(timeout):
            while not self._waiting:
                self._news = trio.Event()
                await self._news.wait()
            return self._waiting.popleft()
        return None
