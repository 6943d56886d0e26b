"""Workers for tests of the egress pool: the outcome of a job depends on the egress that it left by."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import trio

from service import events
from service.breaker.registry import Breakers
from service.breaker.settings import BreakerSettings
from service.codes import Code
from service.config import Config
from service.dispatch.dispatcher import Dispatcher
from service.dispatch.request import Answer, Caller
from service.egress.egress import egresses_of
from service.egress.pool import EgressPool
from service.pool.admission import Ticket
from service.pool.pool import Lease, Pool
from service.wire import Failure, Job, Kind, Outcome, Success, Usage

ASKED = Usage(wall=0.5, requests=1, site_requests=1)
GOOD = Success(b'{"ok":true}', "Generic", ASKED, etag="e")


def failure(code: Code, **more: Any) -> Failure:
    return Failure(code, "it says why", **{"usage": ASKED, **more})


def extraction(url: str = "https://site.test/video", **more: Any) -> Job:
    return Job(Kind.EXTRACT, url, **more)


@dataclass
class _Lease:
    pool: RoutedPool
    ticket: Ticket
    canary: bool = False
    waited: float = 0.0
    position: int = 0
    expected_wait: float = 0.0
    version: str = ""
    deaths: list[str] = field(default_factory=list)
    interrupted: Usage | None = None

    async def run(self, job: Job, timeout: float, *, tries: int = 2) -> Outcome:
        way = self.pool.way_of(job)
        self.pool.ran.append(way)
        try:
            await trio.sleep(self.pool.takes)
        except trio.Cancelled:
            self.interrupted = Usage(wall=self.pool.takes)
            raise
        return self.pool.answers(way, job)


@dataclass
class RoutedPool:
    """So many workers; `ran` has the egress of each attempt, by name."""

    answers: Callable[[str, Job], Outcome]
    takes: float = 0.5
    workers: int = 1000
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._limiter = trio.CapacityLimiter(self.workers)

    def way_of(self, job: Job) -> str:
        """The egress of `job`: the user of its proxy, or its source address."""
        assert job.route is not None
        if job.route.proxy is None:
            return job.route.source or "direct"
        return job.route.proxy.partition("//")[2].partition(":")[0]

    def improve(self, ticket: Ticket, better: Ticket) -> None: ...

    @asynccontextmanager
    async def acquire(
        self, ticket: Ticket, waits: object = None, *, canary: bool = False
    ) -> AsyncIterator[Lease]:
        async with self._limiter:
            yield cast(Lease, _Lease(self, ticket, canary))


def proxies(*names: str, **tables: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """The tables of proxies by name, which is the user, too."""
    return {
        name: {"proxy": f"http://{name}:x@proxy.test:3128", **tables.get(name, {})}
        for name in (*names, *tables)
    }


class Harness:
    """A dispatcher with an egress pool and real breakers; `heard` collects its events."""

    def __init__(
        self,
        tables: Mapping[str, Mapping[str, object]],
        answers: Callable[[str, Job], Outcome],
        *,
        settings: BreakerSettings | None = None,
        egresses: type[EgressPool] = EgressPool,
        takes: float = 0.5,
        workers: int = 1000,
        seed: int = 14,
    ) -> None:
        self.config = Config.load(egress=tables, cache_max_bytes=1 << 20)
        self.pool = RoutedPool(answers, takes, workers)
        self.heard: list[events.Event] = []
        bus = events.Events()
        bus.subscribe(self.heard.append)
        self.breakers = Breakers(settings or BreakerSettings(), bus)
        draw = random.Random(seed)
        self.egresses = egresses(egresses_of(self.config.egress), draw=draw, secret=b"s" * 16)
        self.dispatcher = Dispatcher(
            self.config,
            cast(Pool, self.pool),
            self.breakers,
            bus,
            jitter=lambda: 0.5,
            egresses=self.egresses,
        )

    async def submit(self, job: Job | None = None, *, fresh: bool = True) -> Answer:
        return await self.dispatcher.submit(job or extraction(), Caller("a client", fresh=fresh))

    def of(self, kind: type[events.Event]) -> list[Any]:
        """The events of that kind."""
        return [event for event in self.heard if isinstance(event, kind)]
