"""Fair turns between the clients of one tier: a queue for each client, served by virtual time. Pure.

Each client has a tag, the cost it has been charged so far divided by its share; the client with the least
tag goes next. With equal costs that is round robin; a client whose jobs cost twice as much gets half the
turns. A client that had nothing waiting starts at the present virtual time, so idling earns no credit.
The scheme is start-time fair queueing (Goyal, Vin and Cheng, 1996). It was chosen over deficit round
robin, its approximation, because the tags give each ticket its position in the queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

REMEMBERED = 1024  # clients without tickets whose cost is remembered
_BLEND = 0.25  # weight of a client's newest job in its expected cost


@dataclass(eq=False, slots=True)
class Ticket:
    """One waiting request.

    Attributes:
        client: the name of its key, or its address.
        tier: 0 is served first.
        deadline: the latest time, on the clock of `now`, at which an answer is of use.
        site: the site of its job; for statistics only.
        share: the client's weight against others of its tier; 2.0 gets twice the turns of 1.0.
        entered: when it entered; set by the admission queue.
        queued: whether every worker was taken when it entered; set by the admission queue.
        number: its place in the order of arrival; set by the admission queue.
        charge: what its client was charged for its turn, in seconds; set by the queue, settled by `learn`.
    """

    client: str
    tier: int = 0
    deadline: float = float("inf")
    share: float = 1.0
    site: str | None = None
    entered: float = field(default=0.0, init=False)
    queued: bool = field(default=False, init=False)
    number: int = field(default=0, init=False)
    charge: float = field(default=0.0, init=False)


def anyone(ticket: Ticket) -> bool:
    """Lets every ticket have its turn."""
    return True


@dataclass(eq=False, slots=True)
class _Client:
    share: float
    cost: float  # expected seconds of its next job
    tag: float = 0.0
    tickets: deque[Ticket] = field(default_factory=deque)

    def held(self) -> float:
        """The places that its tickets take, divided by its share."""
        return len(self.tickets) / self.share

    def before(self, tag: float, number: int, among: Callable[[Ticket], bool]) -> int:
        """How many of its tickets `among` those that count go before one with `tag` and `number`."""
        step = self.cost / self.share
        return sum(
            (self.tag + granted * step, mine.number) < (tag, number)
            for granted, mine in enumerate(filter(among, self.tickets))
        )


class FairQueue:
    """The tickets of one tier. The admission queue bounds its length."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}  # in order of last arrival
        self._clock = 0.0  # the tag of the latest turn
        self._cost = 1.0  # expected cost of a client not seen before
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, ticket: Ticket) -> None:
        """Append `ticket` to its client's own queue."""
        client = self._clients.pop(ticket.client, None) or _Client(ticket.share, self._cost)
        self._clients[ticket.client] = client
        client.share = ticket.share
        if not client.tickets:
            client.tag = max(client.tag, self._clock)
        client.tickets.append(ticket)
        self._length += 1
        if len(self._clients) > REMEMBERED:
            self._forget()

    def peek(self, among: Callable[[Ticket], bool] = anyone) -> Ticket | None:
        """The ticket whose turn is next `among` those that may have one; None where none waits."""
        firsts = (next(filter(among, client.tickets), None) for client in self._waiting())
        waiting = [ticket for ticket in firsts if ticket is not None]
        return min(
            waiting, key=lambda ticket: (self._clients[ticket.client].tag, ticket.number), default=None
        )

    def take(self, ticket: Ticket) -> None:
        """Take out `ticket`, whose turn it is, and charge its client."""
        client = self._clients[ticket.client]
        self._clock = max(self._clock, client.tag)
        ticket.charge = client.cost
        client.tag += client.cost / client.share
        self.remove(ticket)

    def remove(self, ticket: Ticket) -> None:
        """Take out `ticket` without a turn. Raises ValueError where it does not wait here."""
        self._clients[ticket.client].tickets.remove(ticket)
        self._length -= 1

    def learn(self, ticket: Ticket, cost: float) -> None:
        """The job of `ticket` cost `cost` seconds: settle the charge, and update its client's cost."""
        self._cost += _BLEND * (cost - self._cost)
        client = self._clients.get(ticket.client)
        if client is not None:
            client.tag += (cost - ticket.charge) / client.share
            client.cost += _BLEND * (cost - client.cost)
        ticket.charge = cost

    def rank(self, ticket: Ticket, among: Callable[[Ticket], bool] = anyone) -> int:
        """How many `among` those that count go before `ticket`, at the costs expected now.

        Raises ValueError where it does not wait here.
        """
        mine = self._clients[ticket.client]
        granted = [each for each in mine.tickets if among(each)].index(ticket)
        tag = mine.tag + granted * mine.cost / mine.share
        others = (client for client in self._waiting() if client is not mine)
        return granted + sum(client.before(tag, ticket.number, among) for client in others)

    def count(self, among: Callable[[Ticket], bool]) -> int:
        """How many tickets wait `among` those that count."""
        return sum(among(ticket) for client in self._clients.values() for ticket in client.tickets)

    def oldest(self) -> Ticket:
        """The ticket that has waited longest. Raises ValueError where none waits."""
        return min((client.tickets[0] for client in self._waiting()), key=lambda ticket: ticket.number)

    def newest(self) -> Ticket:
        """The latest ticket. Raises ValueError where none waits."""
        return max((client.tickets[-1] for client in self._waiting()), key=lambda ticket: ticket.number)

    def victim_for(self, newcomer: Ticket) -> Ticket | None:
        """The ticket to displace for `newcomer`, which has just entered; None where that would not be fair.

        It is the newest ticket of the client that takes the most places per share, if that is more than the
        newcomer's client takes. So places end up divided by share, and a single client may have all.
        """
        own = self._clients[newcomer.client]
        greediest = max(self._waiting(), key=_Client.held)
        return greediest.tickets[-1] if greediest.held() > own.held() else None

    def _waiting(self) -> list[_Client]:
        return [client for client in self._clients.values() if client.tickets]

    def _forget(self) -> None:
        """Forget the client that has been away longest; those with waiting tickets stay."""
        idle = next((name for name, client in self._clients.items() if not client.tickets), None)
        if idle is not None:
            del self._clients[idle]
