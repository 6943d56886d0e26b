"""The admission queue: which requests may wait for a worker, and which is served next. Pure; takes `now`.

It is bounded in time, not only in length: no request is admitted that would wait longer than a third of its
deadline, and one that can no longer be served in time is shed instead of run. Tiers are strict, but a tier
without a turn for a while gets one. Within a tier clients take fair turns (`fairness.py`), and tickets whose
client or site holds its share of the workers (`shares.py`) give way to the others.

After each `enter` and `call` the caller asks `shed` for the tickets that were shed, and answers them.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean, median

from ..errors import QueueFull, ServiceError
from .fairness import FairQueue, Ticket
from .shares import Shares

__all__ = ["AdmissionQueue", "AdmissionStatistics", "Ticket"]

MAX_WAIT = 10.0  # seconds that a request may have to wait, however late its deadline
AGEING = 10.0  # seconds without a turn after which a lower tier gets one
SAMPLES = 5  # service times below which only the length is bounded
WINDOW = 64  # service times that the estimate looks back on
PATIENCE = 0.5  # seconds that a ticket waits for those beyond their share before one of them is stopped
BRIEF, STUCK = 1.0, 4.0  # seconds that a job runs before it is stopped: twice the median, between these
SITES = 512  # sites whose service time is remembered


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """A snapshot of the queue; times in seconds, None where nothing is known yet.

    Attributes:
        waiting: requests in the queue; `tiers` counts them by tier.
        places: QUEUE_MAX.
        places_now: places at present service times, for a request with a late deadline.
        mean, median: of the latest service times.
        expected_wait: of one more request of the last tier that waits.
        longest_wait: so far, of those in the queue.
        entered, called, left: admitted; sent to a worker; withdrawn.
        refused: not admitted. shed: refused later, after a wait. displaced: refused for a fairer claim.
        stopped: told to give up the worker for a fairer claim.
    """

    waiting: int
    tiers: tuple[tuple[int, int], ...]
    places: int
    places_now: int
    mean: float | None
    median: float | None
    expected_wait: float
    longest_wait: float
    entered: int
    called: int
    left: int
    refused: int
    shed: int
    displaced: int
    stopped: int


@dataclass(slots=True)
class _Tier:
    queue: FairQueue = field(default_factory=FairQueue)
    granted: float = -math.inf  # the time of its last turn


class AdmissionQueue:
    """The tickets that wait for a worker.

    Worst case: `places` tickets wait, beside those for which a worker is free or booting.

    Args:
        places: how many may wait, whatever the service time.
        spread: a source of numbers from 0 to 1 that keeps clients from returning all at once.
    """

    def __init__(self, places: int, *, spread: Callable[[], float] = random.random) -> None:
        self._places = places
        self._spread = spread
        self._tiers: dict[int, _Tier] = {}
        self._inside: set[Ticket] = set()
        self._shares = Shares()
        self._stopping: Ticket | None = None
        self._site_times: OrderedDict[str | None, float] = OrderedDict()  # the latest last
        self._sent_away: list[tuple[Ticket, ServiceError]] = []
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._mean: float | None = None
        self._median = 0.0
        self._workers = 1
        self._busy = 0
        self._number = 0
        self._entered = self._called = self._left = self._refused = self._shed = self._displaced = 0
        self._stopped = 0

    def __len__(self) -> int:
        return len(self._inside)

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._inside

    def enter(self, ticket: Ticket, now: float, *, workers: int, busy: int) -> None:
        """Admit `ticket`. Another ticket may be displaced by it: see `shed`.

        Args:
            workers: how many there can be, booted or not.
            busy: how many of them run a job.

        Raises:
            QueueFull: every place is taken, or it could not be served before its deadline.
        """
        self._workers = self._shares.workers = max(1, workers)
        self._busy = busy
        self._shares.arrive(ticket)
        bound = self._shares.bound(ticket, now)
        # Where a worker is free no ticket is refused: an estimate may be wrong, and only work corrects it.
        ticket.queued = bound or self._ahead(ticket) >= self._free()
        self._number += 1
        ticket.number, ticket.entered = self._number, now
        self._tiers.setdefault(ticket.tier, _Tier()).queue.push(ticket)
        self._inside.add(ticket)
        wait = self._bound_wait(ticket) if bound else self.expected_wait(ticket, now)
        too_long = bound and wait > self._longest_wait(ticket, now)
        if too_long or self._hopeless(ticket, now, wait) or not self._has_place(ticket, now):
            self._take(ticket)
            self._refused += 1
            raise self._error(wait)
        self._entered += 1

    def improve(self, ticket: Ticket, better: Ticket) -> None:
        """Give `ticket` the deadline of `better`, and while it waits also the place of that one's client."""
        ticket.deadline = better.deadline
        if ticket not in self._inside or (ticket.client, ticket.tier) == (better.client, better.tier):
            return
        self._take(ticket)
        ticket.client, ticket.tier, ticket.share = better.client, better.tier, better.share
        self._shares.arrive(ticket)
        self._tiers.setdefault(ticket.tier, _Tier()).queue.push(ticket)
        self._inside.add(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Withdraw `ticket`, if it still waits."""
        if ticket in self._inside:
            self._take(ticket)
            self._left += 1
        self._sent_away = [(other, error) for other, error in self._sent_away if other is not ticket]

    def call(self, now: float) -> Ticket | None:
        """The next ticket, taken out of the queue; it holds a worker until `done`.

        None where none waits, or none but those that are bound to their share. Tickets whose turn comes too
        late are shed: see `shed`.
        """
        while (found := self._next(now)) is not None:
            tier, ticket = found
            if self._hopeless(ticket, now, 0.0):
                self._send_away(ticket)
                self._shed += 1
                continue
            tier.queue.take(ticket)
            tier.granted = now
            self._inside.remove(ticket)
            self._shares.take(ticket, now)
            self._called += 1
            return ticket
        return None

    def done(self, ticket: Ticket) -> None:
        """`ticket`, which was called, holds its worker no longer."""
        self._shares.depart(ticket)
        if ticket is self._stopping:
            self._stopping = None

    def excess(self, now: float, waits: Callable[[Ticket], bool] = lambda ticket: True) -> Ticket | None:
        """A ticket whose job is to be stopped now, for one that has waited for PATIENCE.

        To be asked while no worker is free. The next one is named once this one is `done`. Its client or site
        is bound to its share for a while.

        Args:
            waits: whether the job of a ticket waits for its site. One that computes is not stopped: where
                the cores are short, to do its work again would make them shorter.
        """
        if self._stopping is not None:
            return None
        older = BRIEF if self._mean is None else max(BRIEF, min(STUCK, 2 * self._median))
        for tier in self._tiers_by_turn(now):
            ticket = self._claimant(tier, now)
            if ticket is None:
                continue
            stuck = self._shares.excess(now, older=older, tier=ticket.tier, waits=waits)
            # One that is bound has been waited for before.
            if stuck is not None and (now - ticket.entered >= PATIENCE or self._shares.bound(stuck, now)):
                self._shares.bind(stuck, now)
                self._stopping = stuck
                self._stopped += 1
                return stuck
        return None

    def shed(self, now: float) -> list[tuple[Ticket, ServiceError]]:
        """The tickets shed or displaced since the last call, and those that would now miss their deadline."""
        for ticket in [ticket for ticket in self._inside if self._hopeless(ticket, now, 0.0)]:
            self._send_away(ticket)
            self._shed += 1
        gone, self._sent_away = self._sent_away, []
        return gone

    def finished(self, ticket: Ticket, now: float, *, service_time: float, cost: float) -> None:
        """Learn from the job of `ticket`: `service_time` seconds on a worker, `cost` seconds of CPU."""
        self._times.append(service_time)
        if len(self._times) >= SAMPLES:
            self._mean, self._median = max(fmean(self._times), 1e-3), median(self._times)
        known = self._site_times.pop(ticket.site, service_time)
        self._site_times[ticket.site] = known + (service_time - known) / 4
        if len(self._site_times) > SITES:
            self._site_times.popitem(last=False)
        if ticket.tier in self._tiers:
            # Workers and cores are both scarce, so a job pays for both.
            self._tiers[ticket.tier].queue.learn(ticket, service_time + cost)

    def position(self, ticket: Ticket) -> int:
        """How many go before `ticket`, if no other enters and the shares stay as they are.

        Raises ValueError where it does not wait.
        """
        if ticket not in self._inside:
            raise ValueError("the ticket does not wait")
        queue, full, before = self._tiers[ticket.tier].queue, self._shares.full, self._before(ticket.tier)
        if not full(ticket):
            return before + queue.rank(ticket, lambda other: not full(other))
        return before + queue.count(lambda other: not full(other)) + queue.rank(ticket, full)

    def expected_wait(self, place: Ticket | int, now: float) -> float:
        """Seconds until a ticket, or one at `place`, is called; 0 while service times are unknown."""
        ahead = self.position(place) if isinstance(place, Ticket) else place
        if self._mean is None:
            return 0.0
        return max(0, ahead + 1 - self._free()) * self._mean / self._workers

    def statistics(self, now: float) -> AdmissionStatistics:
        return AdmissionStatistics(
            waiting=len(self),
            tiers=tuple((tier, len(self._tiers[tier].queue)) for tier in sorted(self._tiers)),
            places=self._places,
            places_now=self._places_in(MAX_WAIT),
            mean=self._mean,
            median=None if self._mean is None else self._median,
            expected_wait=self.expected_wait(len(self), now),
            longest_wait=max((now - ticket.entered for ticket in self._inside), default=0.0),
            entered=self._entered,
            called=self._called,
            left=self._left,
            refused=self._refused,
            shed=self._shed,
            displaced=self._displaced,
            stopped=self._stopped,
        )

    def _free(self) -> int:
        return max(0, self._workers - self._busy)

    def _before(self, tier: int) -> int:
        """The number of tickets of better tiers than `tier`."""
        return sum(len(other.queue) for number, other in self._tiers.items() if number < tier)

    def _ahead(self, ticket: Ticket) -> int:
        """The number of tickets of better tiers and of its own; without those that give way to `ticket`."""
        full = self._shares.full
        before = self._before(ticket.tier)
        if ticket.tier not in self._tiers:
            return before
        queue = self._tiers[ticket.tier].queue
        return before + (len(queue) if full(ticket) else queue.count(lambda other: not full(other)))

    def _places_in(self, wait: float) -> int:
        """How many can be served within `wait` seconds, at most `places` (Little's law)."""
        if self._mean is None:
            return self._places
        return min(self._places, max(0, math.ceil(self._workers * wait / self._mean)))

    def _has_place(self, ticket: Ticket, now: float) -> bool:
        """Whether `ticket`, just entered, may stay; where that is fair, another ticket is displaced."""
        free = self._free()
        crowded = len(self) - free > self._places
        in_time = self._places_in(self._longest_wait(ticket, now))
        if not crowded and self._ahead(ticket) - free <= in_time:
            return True
        victim = self._worst_below(ticket) if crowded else None
        victim = victim or self._tiers[ticket.tier].queue.victim_for(ticket)
        if victim is None:
            return False
        self._send_away(victim)
        self._displaced += 1
        return True

    def _worst_below(self, newcomer: Ticket) -> Ticket | None:
        """The newest ticket of the last tier behind the newcomer's, or the newest that gives way to it."""
        behind = [
            number for number, other in self._tiers.items() if number > newcomer.tier and len(other.queue)
        ]
        if behind:
            return self._tiers[max(behind)].queue.newest()
        full = self._shares.full
        giving_way = [other for other in self._inside if other.tier == newcomer.tier and full(other)]
        return None if full(newcomer) else max(giving_way, key=lambda other: other.number, default=None)

    def _longest_wait(self, ticket: Ticket, now: float) -> float:
        """Seconds that `ticket` may have to wait."""
        return min((ticket.deadline - now) / 3, MAX_WAIT)

    def _bound_wait(self, ticket: Ticket) -> float:
        """Seconds until a bound `ticket` is called: its like get half of the workers at most."""
        like = sum(ticket.site == other.site and ticket.client == other.client for other in self._inside)
        return like * self._site_times.get(ticket.site, 0.0) / max(1, self._workers // 2)

    def _next(self, now: float) -> tuple[_Tier, Ticket] | None:
        """The ticket that is called next: one whose client and site have not their share, if there is one."""
        bound = self._shares.bound
        for tier in self._tiers_by_turn(now):
            ticket = self._claimant(tier, now) or tier.queue.peek(lambda other: not bound(other, now))
            if ticket is not None:
                return tier, ticket
        return None

    def _claimant(self, tier: _Tier, now: float) -> Ticket | None:
        """The ticket of `tier` whose turn it is among those whose client and site have not their share."""
        shares = self._shares
        return tier.queue.peek(lambda ticket: not (shares.full(ticket) or shares.bound(ticket, now)))

    def _tiers_by_turn(self, now: float) -> list[_Tier]:
        """Those that wait, the best first, but before it one that has been passed over for AGEING seconds."""
        waiting = [self._tiers[number] for number in sorted(self._tiers) if len(self._tiers[number].queue)]
        since = [(max(tier.granted, tier.queue.oldest().entered), tier) for tier in waiting]
        passed_over, aged = min(since, key=lambda pair: pair[0], default=(now, None))
        if aged is None or now - passed_over < AGEING:
            return waiting
        return [aged, *(tier for tier in waiting if tier is not aged)]

    def _hopeless(self, ticket: Ticket, now: float, wait: float) -> bool:
        """Whether a job as long as its site's usually are would end after the deadline of `ticket`.

        Of an unknown site nothing is expected: what others ask for says nothing about it.
        """
        if self._mean is None or not ticket.queued:
            return False
        return now + wait + min(self._site_times.get(ticket.site, 0.0), self._median) > ticket.deadline

    def _send_away(self, ticket: Ticket) -> None:
        self._take(ticket)
        self._sent_away.append((ticket, self._error()))

    def _take(self, ticket: Ticket) -> None:
        self._inside.remove(ticket)
        self._tiers[ticket.tier].queue.remove(ticket)
        self._shares.depart(ticket)

    def _error(self, wait: float | None = None) -> QueueFull:
        seconds = (len(self) + self._busy / 2) * (self._mean or 1.0) / self._workers
        retry_after = min(max(math.ceil(seconds), 1), 60) * (1 + self._spread() / 4)
        return QueueFull(len(self), retry_after, expected_wait=wait)
