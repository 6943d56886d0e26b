"""A seeded simulation of a fleet on a Zipf trace: who answers each request, and what the engine bears of it.

Used by tests/unit/cluster/test_fleet_simulation.py. What each thing costs an engine comes from
`python -m tests.support.engine_costs`; no engine is simulated.
"""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from service.cluster import fleet, limits, results, votes
from service.config import Config

RATE = 20.0  # requests a second and instance: a third of what one can extract, so half of the CPU is left
URLS, SITES = 200_000, 200  # each Zipf(1.0): a request's URL, and a URL's site
WORK = 1.5  # seconds of an extraction
PACKED = 20_071  # bytes that a kept YouTube page takes in the engine; MEMORY USAGE, mean of 60
BODY = 408_667 + 1024  # and in an instance's own cache
TTL = Config.load().cache_ttl
OWN = Config.load().cache_max_bytes // BODY  # results in an instance's own cache
BALANCE = 1.5  # hash-balance-factor
CLIENTS = 0.5  # of the requests in an exchange of limits come from different clients


Policy = Literal["hash", "round robin"]
POLICIES: tuple[Policy, ...] = ("hash", "round robin")


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet and its load.

    Attributes:
        policy: how the balancer chooses.
        memory: bytes of results that the engine may keep; 0: there is none.
        own: results in an instance's own cache.
        restarts: seconds between two restarts of a rolling one; 0: there is none.
    """

    instances: int
    policy: Policy = "hash"
    memory: int = 256 << 20
    rate: float = RATE
    own: int = OWN
    restarts: float = 0.0


@dataclass(slots=True)
class Tally:
    """What came of the requests of the second half, once caches are full.

    Attributes:
        own, shared: answered from the instance's cache, and from the engine's.
        awaited: took another instance's extraction.
        exchanges, places, votes: of breakers; the sites that those are about, and the votes that they read.
        most: requests of the busiest instance.
    """

    seconds: float = 0.0
    requests: int = 0
    own: int = 0
    shared: int = 0
    awaited: int = 0
    extractions: int = 0
    exchanges: int = 0
    places: int = 0
    votes: int = 0
    kept: int = 0
    most: int = 0

    @property
    def hit_ratio(self) -> float:
        return 1 - self.extractions / self.requests


class Kept:
    """Results by URL: when each is there, and until when; the least recently used one goes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._entries: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, url: int, now: float) -> tuple[float, float] | None:
        found = self._entries.get(url)
        if found is None or found[1] <= now:
            return None
        self._entries.move_to_end(url)
        return found

    def keep(self, url: int, ready: float, until: float) -> None:
        self._entries[url] = (ready, until)
        self._entries.move_to_end(url)
        if len(self._entries) > self.room:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()


class Balancer:
    """The instance for each request; by the hash, none gets more than its share of the last second allows."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._turn = itertools.count()
        self._second = -1
        self._load: list[int] = []

    def choose(self, url: int, now: float) -> int:
        number = self._plan.instances
        if self._plan.policy == "round robin":
            return next(self._turn) % number
        if int(now) != self._second:
            self._second, self._load = int(now), [0] * number
        most = max(2.0, BALANCE * self._plan.rate)
        start = url * 2_654_435_761 % (1 << 32) % number
        chosen = next(
            (at % number for at in range(start, start + number) if self._load[at % number] < most), start
        )
        self._load[chosen] += 1
        return chosen


@dataclass(slots=True)
class Simulation:
    """One run: `Simulation(plan).run(seconds)`."""

    plan: Plan
    seed: int = 0
    _asked: dict[int, dict[int, float]] = field(default_factory=dict)  # site: instance: when
    _turn: int = -1
    _exchanged: set[int] = field(default_factory=set)  # instances in this turn
    _told: set[tuple[int, int]] = field(default_factory=set)  # instances and sites in this turn
    _voters: dict[int, int] = field(default_factory=dict)  # by site, in this turn

    def run(self, seconds: float) -> Tally:
        plan, tally = self.plan, Tally(seconds / 2)
        draw = random.Random(self.seed)
        sites = draw.choices(range(SITES), [1 / rank for rank in range(1, SITES + 1)], k=URLS)
        own = [Kept(plan.own) for _ in range(plan.instances)]
        engine = Kept(plan.memory // PACKED)
        balancer, handled = Balancer(plan), [0] * plan.instances
        restarted = 0
        for now, url in _requests(draw, plan.instances * plan.rate, seconds):
            measured = now >= seconds / 2
            if plan.restarts and measured and now - seconds / 2 >= restarted * plan.restarts:
                own[restarted % plan.instances].clear()
                restarted += 1
            at = balancer.choose(url, now)
            where = "own"
            found = own[at].find(url, now)
            if found is None and (found := engine.find(url, now)):
                where = "shared" if found[0] <= now else "awaited"
                own[at].keep(url, *found)
            if found is None:
                where = "extractions"
                ends = now + WORK, now + WORK + TTL
                own[at].keep(url, *ends)
                if engine.room:
                    engine.keep(url, *ends)
                self._vote(at, sites[url], now, tally if measured else Tally())
            if measured:
                tally.requests += 1
                handled[at] += 1
                setattr(tally, where, getattr(tally, where) + 1)
        tally.kept, tally.most = len(engine), max(handled)
        return tally

    def _vote(self, at: int, site: int, now: float, tally: Tally) -> None:
        """The exchange that follows an extraction, one for each half second, with all who ask the site."""
        if (turn := int(now / votes.INTERVAL)) != self._turn:
            self._turn = turn
            for each in (self._exchanged, self._told, self._voters):
                each.clear()
        asking = self._asked.setdefault(site, {})
        asking[at] = now
        if at not in self._exchanged:
            self._exchanged.add(at)
            tally.exchanges += 1
        if (at, site) not in self._told:
            self._told.add((at, site))
            if site not in self._voters:
                self._voters[site] = sum(now - each < votes.LATELY for each in asking.values())
            tally.places += 1
            tally.votes += self._voters[site]


def _requests(draw: random.Random, rate: float, seconds: float) -> Iterator[tuple[float, int]]:
    """A Poisson stream of URLs."""
    now = 0.0
    weights = list(itertools.accumulate(1 / rank for rank in range(1, URLS + 1)))
    while True:
        for url in draw.choices(range(URLS), cum_weights=weights, k=10_000):
            now += draw.expovariate(rate)
            if now >= seconds:
                return
            yield now, url


# Microseconds of a core: at once, and for each instance, vote or client. From `engine_costs`, rounded up.
HEARTBEAT = (130.0, 3.2)
RESULT = (200.0, 8.0)  # the claim, the result, and the word to every instance
KEPT = (100.0, 0.0)
VOTES = (60.0, 1.2)  # and PLACE
PLACE = 20.0
LIMITS = (60.0, 6.0)
ENOUGH = 0.7  # of a core


@dataclass(frozen=True, slots=True)
class Demand:
    """What the engine bears in a second: part of a core, commands from instances, bytes."""

    core: float
    commands: float
    received: float
    sent: float


def demand(plan: Plan, tally: Tally) -> dict[str, Demand]:
    """By what it is for."""
    number, seconds = plan.instances, tally.seconds
    made, found = tally.extractions / seconds, (tally.shared + tally.awaited) / seconds
    renewals = int(WORK / results.RENEWAL)
    beats, exchanges = number / fleet.INTERVAL, tally.exchanges / seconds
    places, cast = tally.places / seconds, tally.votes / seconds
    spending, clients = number / limits.INTERVAL, plan.rate * limits.INTERVAL * CLIENTS

    def needed(core: float, commands: float, received: float, sent: float) -> Demand:
        return Demand(core / 1e6, commands, received, sent)

    return {
        "results": needed(
            made * (RESULT[0] + RESULT[1] * number) + found * KEPT[0],
            made * (2 + renewals) + found + tally.awaited / seconds,
            made * (PACKED + 1000) + found * 190,
            made * 75 * number + found * PACKED,
        ),
        "heartbeats": needed(
            beats * (HEARTBEAT[0] + HEARTBEAT[1] * number), beats, beats * 380, beats * 242 * number
        ),
        "votes": needed(
            exchanges * VOTES[0] + places * PLACE + cast * VOTES[1],
            exchanges,
            exchanges * 200 + places * 50,
            cast * 4.1,
        ),
        "limits": needed(
            spending * (LIMITS[0] + LIMITS[1] * clients),
            spending,
            spending * (200 + 55 * clients),
            spending * 8 * clients,
        ),
    }


def steady(number: int, each: float) -> Tally:
    """Of a second in which each instance extracts so often, never twice from one site within an exchange."""
    exchanges = number * min(each, 1 / votes.INTERVAL)
    return Tally(
        seconds=1.0,
        extractions=round(number * each),
        exchanges=round(exchanges),
        places=round(number * each),
        votes=round(number * each * number),
    )


def largest(each: float) -> int:
    """The instances for which one engine is enough, with a third of its core to spare."""
    sizes = range(1, fleet.MOST + 1)
    return max(number for number in sizes if total(demand(Plan(number), steady(number, each))).core < ENOUGH)


def total(demands: dict[str, Demand]) -> Demand:
    """All of it."""
    return Demand(*(sum(getattr(each, name) for each in demands.values()) for name in Demand.__slots__))
