"""The waiting room: who may wait for a worker, and who is called next. Pure; takes `now`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from .errors import QueueFull


@dataclass(eq=False, slots=True)
class Ticket:
    """One waiting request.

    Attributes:
        client: who asks: a key's name or an address.
        tier: 0 is served first.
        deadline: the latest moment, on the room's clock, at which an answer is of use.
        entered: when it entered; set by the room.
    """

    client: str
    tier: int = 0
    deadline: float = float("inf")
    entered: float = field(default=0.0, init=False)


class WaitingRoom:
    """A bounded room, first come, first served."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting: OrderedDict[int, Ticket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, ticket: Ticket, now: float, *, workers: int, busy: int) -> None:
        """Let `ticket` wait.

        Raises:
            QueueFull: every place is taken.
        """
        if len(self._waiting) >= self._places:
            raise QueueFull(len(self._waiting), retry_after=1.0)
        ticket.entered = now
        self._waiting[id(ticket)] = ticket

    def leave(self, ticket: Ticket) -> None:
        """Withdraw `ticket`; nothing happens where it does not wait any more."""
        self._waiting.pop(id(ticket), None)

    def call(self, now: float) -> Ticket | None:
        """The next to be served, taken out of the room; None where nobody waits."""
        return self._waiting.popitem(last=False)[1] if self._waiting else None

    def finished(self, ticket: Ticket, now: float, *, service_time: float, cost: float) -> None:
        """`ticket`'s work took `service_time` seconds on a worker and `cost` seconds of CPU."""
