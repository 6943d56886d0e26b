"""The real pool under bursts, with one scaling rule after the other: real workers, a slow site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import trio

from service.config import Config
from service.errors import ServiceError
from service.events import Events
from service.pool.admission import Ticket
from service.pool.pool import Pool
from service.pool.scaling import Event, Scaler
from service.pool.template import Template
from service.wire import Job, Kind
from tests.internet import Internet
from tests.support.simulation import Pattern, Policy, bursts, requests

from ._statistics import percentile

SITE = "direct.example"
LATENCY = 0.5  # seconds for each of the two requests of an extraction
IDLE = 5.0  # seconds after which a worker beyond the target goes
SEED = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """The pool at one moment, in seconds from the start."""

    at: float
    workers: int
    waiting: int


@dataclass(frozen=True, slots=True)
class RealRun:
    """One rule's run: waits in seconds."""

    name: str
    requests: int
    p50: float
    p95: float
    mean_workers: float
    curve: tuple[Sample, ...]


class _Ruled(Scaler):
    """The scaler of the pool with the decisions of another rule."""

    def __init__(self, rule: Policy, config: Config) -> None:
        super().__init__(config.min_workers, config.max_workers)
        self._rule = rule

    @property
    def limit(self) -> int:
        return self._rule.limit

    def step(self, now: float, event: Event) -> int:
        super().step(now, event)
        self.target = self._rule.step(now, event)
        return self.target


def pattern() -> Pattern:
    return bursts(0.5, 8.0, every=30, length=6)


def real_runs(seconds: float, rules: Mapping[str, Policy]) -> tuple[RealRun, ...]:
    """The same arrivals for each of the `rules`."""
    with Internet.spawn() as internet:
        internet.set_latency(SITE, LATENCY)
        return tuple(trio.run(_run, name, rule, seconds, internet) for name, rule in rules.items())


async def _run(name: str, rule: Policy, seconds: float, internet: Internet) -> RealRun:
    config = Config.load(
        egress_proxy=internet.proxy, egress_ca_file=str(internet.ca_file), worker_idle_ms=int(IDLE * 1000)
    )
    template = Template(config, Events())
    pool = Pool(config, template, Events(), scaler=_Ruled(rule, config))
    waits: list[float] = []
    curve: list[Sample] = []

    async def ask(number: int) -> None:
        job = Job(Kind.EXTRACT, f"https://{SITE}/video.mp4?{number}")
        try:
            async with pool.acquire(Ticket("a client")) as lease:
                waits.append(lease.waited)
                await lease.run(job, config.job_timeout)
        except ServiceError:
            waits.append(config.job_timeout)

    async def watch(began: float) -> None:
        while True:
            now = pool.statistics()
            curve.append(Sample(trio.current_time() - began, now.active_workers, now.queue_length))
            await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        await nursery.start(template.run)
        for index in pool.slots:
            nursery.start_soon(pool.run_slot, index)
        await pool.warm_floor()
        began = trio.current_time()
        nursery.start_soon(watch, began)
        async with trio.open_nursery() as clients:
            for number, request in enumerate(requests(pattern(), seconds, SEED)):
                await trio.sleep_until(began + request.at)
                clients.start_soon(ask, number)
        nursery.cancel_scope.cancel()
    return RealRun(
        name,
        len(waits),
        percentile(waits, 0.5),
        percentile(waits, 0.95),
        fmean(sample.workers for sample in curve),
        tuple(curve),
    )
