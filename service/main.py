"""The one nursery: solver, template, pool, breakers, web and drain are composed here, and only here."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from . import events
from .breaker.registry import Breakers, cooldowns
from .cluster.choice import cluster_of
from .cluster.messages import Member
from .cluster.port import Cluster
from .config import Config
from .dispatch.dispatcher import Dispatcher
from .dispatch.operator import Operator
from .dispatch.request import Caller
from .dispatch.voter import BreakerVoter
from .egress.egress import egresses_of
from .egress.pool import EgressPool
from .introduction import introduce
from .lifecycle import Lifecycle, Phase
from .pool.pool import Pool
from .pool.reaper import reap_orphans
from .pool.template import StartError, Template
from .releases.live import LiveRollout
from .releases.release import Release
from .releases.store import ReleaseStore
from .releases.trial import Trial
from .releases.updater import Updater
from .signals import StopSignals
from .solver.solver import Solver
from .telemetry.cluster_metrics import ClusterMetrics
from .telemetry.egress_metrics import EgressMetrics
from .telemetry.sinks import log_sink, sentry_sink
from .telemetry.telemetry import Telemetry
from .web.app import create_app
from .web.http.authentication import access_rules
from .web.http.listener import CannotListen, serve
from .wire import Job

__all__ = ["CannotListen", "StartError", "main", "once"]

WATCHDOG = 20.0  # seconds after the grace until the process is ended by force
SWEEPS = (700, 10, 2)  # more full collections than the default, which keeps less garbage


@dataclass(frozen=True, slots=True)
class Core:
    """Solver, pool, breakers, dispatcher, the rollout of releases and the cluster of one service."""

    solver: Solver
    pool: Pool
    breakers: Breakers
    dispatcher: Dispatcher
    rollout: LiveRollout
    store: ReleaseStore
    cluster: Cluster

    @classmethod
    def build(cls, config: Config, bus: events.Events, measured: events.Events) -> Core:
        cluster = cluster_of(config, bus)
        solver = Solver(bus)
        store = ReleaseStore(config.ytdlp_dir)
        serving = store.choose()

        def make(release: Release) -> Template:
            return Template(config, bus, solver=solver, release=release.path, version=release.version)

        pool = Pool(config, make(serving), bus)
        breakers = Breakers(config.breaker, bus, overrides=config.site_breakers)
        bus.subscribe(breakers.on_event)
        trial = Trial()
        egresses = EgressPool(egresses_of(config.egress)) if config.egress else None
        dispatcher = Dispatcher(
            config,
            pool,
            breakers,
            bus,
            measured=measured,
            trial=trial,
            cluster=cluster,
            egresses=egresses,
        )
        rollout = LiveRollout(
            config, store, bus, pool, dispatcher, trial, serving=serving, make=make, bar=cluster.bar
        )
        return cls(solver, pool, breakers, dispatcher, rollout, store, cluster)

    def introduce(self, urls: Sequence[str], lifecycle: Lifecycle) -> None:
        """Tell the other instances of this one, which listens at `urls`."""

        def describe(id: str) -> Member:
            return introduce(id, urls, lifecycle, self.pool, self.breakers, self.dispatcher, self.cluster)

        self.cluster.introduce(describe)
        self.cluster.obey(Operator(self.breakers, self.dispatcher, self.store))
        self.cluster.share_breakers(BreakerVoter(self.breakers))

    def children(self) -> frozenset[int]:
        """Children of this process in sessions of their own, whose own tasks wait for them."""
        return self.rollout.pids() | self.solver.pids()

    async def start(self, config: Config, nursery: trio.Nursery) -> None:
        """Start the long-lived tasks; returns when the floor is warm.

        Raises:
            StartError: the template process cannot be warmed.
        """
        await nursery.start(cooldowns, self.breakers)
        await nursery.start(self.dispatcher.run_flights)
        nursery.start_soon(self.cluster.run)
        nursery.start_soon(self.solver.run)  # it checks itself while the template warms
        await nursery.start(self.rollout.run)
        for index in range(config.max_workers):
            nursery.start_soon(self.pool.run_slot, index)
        await self.pool.warm_floor()
        await self.solver.checked()


async def main(
    config: Config,
    *,
    stop: StopSignals,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop` receives a signal.

    Started once the port is bound and the warm floor is up, with the bound URLs.

    Raises:
        StartError: the template process cannot be warmed.
        ConfigError: an optional component that the settings ask for is missing.
        CannotListen: the address cannot be bound.
    """
    bus = events.Events()
    bus.subscribe(log_sink)
    if sentry := sentry_sink(config):
        bus.subscribe(sentry)
    telemetry = Telemetry.build(config, bus)
    bus.emit(access_rules(config))
    lifecycle = Lifecycle()
    core = Core.build(config, bus, telemetry.measured)
    telemetry.metrics.registry.register(EgressMetrics(core.dispatcher.egresses))
    telemetry.metrics.observe(core.pool, core.breakers, lifecycle, core.dispatcher.cache, core.rollout.status)
    telemetry.metrics.registry.register(ClusterMetrics(core.cluster.statistics))
    updater = Updater(config, core.store, bus)
    bus.subscribe(updater.on_event)
    app = create_app(
        config,
        core.dispatcher,
        core.pool,
        core.breakers,
        lifecycle,
        telemetry,
        updater,
        core.rollout,
        core.cluster,
    )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_drain, stop, config, lifecycle, core, bus)
        if os.getpid() == 1:
            nursery.start_soon(reap_orphans, core.children)

        async def served(*, task_status: trio.TaskStatus[list[str]]) -> None:
            await serve(app, config, lifecycle, task_status=task_status)
            await telemetry.finish()
            nursery.cancel_scope.cancel()  # the listener is closed and every request is answered

        telemetry.start(config, nursery)
        bound = await nursery.start(served)
        bus.emit(events.ServiceStarting(urls=tuple(bound)))
        core.introduce(bound, lifecycle)
        await core.start(config, nursery)
        nursery.start_soon(updater.run)
        # A full collection searches all old objects, and waits until there are many new ones. Frozen, the
        # objects of the start are left out, so a collection is short and may come often. Otherwise dead
        # connections, which are cycles, would pile up.
        gc.collect()
        gc.freeze()
        gc.collect()  # updates the size of the oldest generation
        gc.set_threshold(*SWEEPS)
        lifecycle.ready()
        bus.emit(events.ServiceReady(urls=tuple(bound)))
        task_status.started(bound)


async def _drain(
    stop: StopSignals, config: Config, lifecycle: Lifecycle, core: Core, bus: events.Events
) -> None:
    """At the first signal be a lame duck, then stop taking work, answer what is under way, and let all close.

    A second signal means now.
    """
    called, hurried = trio.Event(), trio.Event()

    token = trio.lowlevel.current_trio_token()

    def wake_soon() -> None:
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(wake, idempotent=True)

    def wake() -> None:
        if stop.received:
            called.set()
        if stop.received > 1:
            hurried.set()

    stop.listen(wake_soon, config.drain_delay + config.shutdown_grace + WATCHDOG)
    wake()
    await called.wait()
    lame = config.drain_delay > 0 and lifecycle.phase is Phase.READY
    if lame:
        lifecycle.stop_being_ready()
        bus.emit(events.LameDuckBegan(config.drain_delay))
        with trio.move_on_after(config.drain_delay):
            await hurried.wait()
        await lifecycle.leave()  # a balancer without health checks asks another at once where it is refused
    statistics = core.pool.statistics()
    lifecycle.drain()
    bus.emit(events.DrainBegan(statistics.active_tasks, statistics.queue_length, config.shutdown_grace))
    if not lame:  # otherwise nobody comes any more, and what waits has the grace, too
        core.pool.close()
    with trio.move_on_after(config.shutdown_grace) as grace:
        async with trio.open_nursery() as nursery:

            async def hurry() -> None:
                await hurried.wait()
                core.pool.skip_grace()
                grace.cancel()

            nursery.start_soon(hurry)
            await core.dispatcher.idle()
            nursery.cancel_scope.cancel()
    core.pool.close()
    interrupted = core.dispatcher.interrupt()
    await core.dispatcher.idle()  # bounded: each is killed and reaped within the pool's kill grace
    bus.emit(events.DrainEnded(interrupted))
    lifecycle.close()


async def once(config: Config, job: Job) -> bytes:
    """The body of the result of one job, without a server: the same template, pool and breakers.

    Raises:
        ServiceError: as typed.
        StartError: the template process cannot be warmed.
    """
    lone = config.model_copy(update={"min_workers": 1, "max_workers": 1, "cluster_url": None})
    core = Core.build(lone, events.Events(), events.Events())
    async with trio.open_nursery() as nursery:
        await core.start(lone, nursery)
        answer = await core.dispatcher.submit(job, Caller(client="command line"))
        nursery.cancel_scope.cancel()
    return answer.body
