"""Shares of the workers: what one client, and one site, may hold while others wait. Pure; takes `now`.

A client's share is its part of the workers among the clients that are present, by their weights: max-min
fairness of places, where `fairness.py` shares turns by cost. A site's share is half of the workers. Each is
at least one. No share is kept for those who do not come: whoever is alone may hold all workers.

That has a price. A client that had all of them to itself, or a site that begins to hang, may hold them for as
long as a deadline. So a job beyond its share is stopped for one that has waited too long (`excess`), and its
client or site is then bound: for a while it keeps to its share even while nobody waits, and leaves room for
one more client.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

from .fairness import Ticket

BOUND = 30.0  # seconds

_Holder = tuple[str, str | None]  # a client, or a site; the first part tells them apart


def _client(ticket: Ticket) -> _Holder:
    return "client", ticket.client


def _site(ticket: Ticket) -> _Holder:
    return "site", ticket.site


class Shares:
    """Who is present, who holds workers, and who is bound. As large as the queue and the pool together.

    Attributes:
        workers: how many there can be.
    """

    def __init__(self) -> None:
        self.workers = 1
        self._present: Counter[str] = Counter()  # tickets by client, waiting or holding a worker
        self._weights: dict[str, float] = {}  # of the present clients
        self._weight = 0.0  # of all of them
        self._held: Counter[_Holder] = Counter()
        self._since: dict[Ticket, float] = {}  # when each ticket got its worker, the longest ago first
        self._bound: dict[_Holder, float] = {}  # until when

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._since

    def arrive(self, ticket: Ticket) -> None:
        """The client of `ticket` is present, from now on until `depart`."""
        self._present[ticket.client] += 1
        self._weigh(ticket.client, ticket.share)

    def depart(self, ticket: Ticket) -> None:
        """`ticket` neither waits nor holds a worker any more."""
        if self._since.pop(ticket, None) is not None:
            self._held -= Counter((_client(ticket), _site(ticket)))  # forgets those that hold none
        self._present[ticket.client] -= 1
        if not self._present[ticket.client]:
            del self._present[ticket.client]
            self._weigh(ticket.client, None)

    def take(self, ticket: Ticket, now: float) -> None:
        """`ticket` gets a worker."""
        self._since[ticket] = now
        self._held.update((_client(ticket), _site(ticket)))

    def full(self, ticket: Ticket) -> bool:
        """Whether the client or the site of `ticket` holds its share already."""
        client, site = _client(ticket), _site(ticket)
        return self._held[client] >= self._client_share(ticket) or self._held[site] >= self._site_share(
            ticket
        )

    def bound(self, ticket: Ticket, now: float) -> bool:
        """Whether `ticket` must wait although a worker is free and nobody else waits."""
        client, site = _client(ticket), _site(ticket)
        room = self._client_share(ticket, others=1.0)
        return (self._bound.get(client, now) > now and self._held[client] >= room) or (
            self._bound.get(site, now) > now and self._held[site] >= self._site_share(ticket)
        )

    def excess(
        self, now: float, *, older: float, tier: int, waits: Callable[[Ticket], bool]
    ) -> Ticket | None:
        """The ticket that has held a worker longest, of those beyond their share whose job only waits.

        Args:
            older: seconds that it must have held it.
            tier: of the ticket that needs the worker; a better one is not stopped for it.
            waits: whether the job of a ticket waits for its site.
        """
        for ticket, since in self._since.items():
            if now - since < older:
                return None
            if ticket.tier >= tier and any(self._over(ticket)) and waits(ticket):
                return ticket
        return None

    def bind(self, ticket: Ticket, now: float) -> None:
        """Bind the client or the site of `ticket`, whichever is beyond its share."""
        self._bound = {holder: until for holder, until in self._bound.items() if until > now}
        for holder in self._over(ticket):
            self._bound[holder] = now + BOUND

    def _over(self, ticket: Ticket) -> Iterable[_Holder]:
        """Which of the client and the site of `ticket` hold more than their shares."""
        if self._held[_client(ticket)] > self._client_share(ticket):
            yield _client(ticket)
        if self._held[_site(ticket)] > self._site_share(ticket):
            yield _site(ticket)

    def _client_share(self, ticket: Ticket, *, others: float = 0.0) -> float:
        """Workers for the client of `ticket`; `others` is the weight of clients to leave room for."""
        if len(self._weights) == 1 and not others:
            return math.inf
        mine = self._weights[ticket.client]
        return max(1, math.floor(self.workers * mine / (self._weight + others)))

    def _weigh(self, client: str, weight: float | None) -> None:
        if weight == self._weights.get(client):
            return
        if weight is None:
            del self._weights[client]
        else:
            self._weights[client] = weight
        self._weight = math.fsum(self._weights.values())  # a running sum would drift

    def _site_share(self, ticket: Ticket) -> float:
        return math.inf if ticket.site is None else max(1, math.ceil(self.workers / 2))
