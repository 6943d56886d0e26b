"""The application with fakes of the layers behind it, for tests of the web layer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import trio
from quart_trio import QuartTrio

from service.breaker.pacing import PaceStatistics
from service.breaker.registry import Breakers
from service.breaker.settings import BreakerSettings
from service.cluster.messages import Action
from service.cluster.port import Alone, Cluster, ClusterStatistics, OrderAnswer
from service.config import Config
from service.dispatch.cache import Cache, CacheStatistics
from service.dispatch.progress import Progress, ProgressListener
from service.dispatch.quarantine import Quarantine
from service.dispatch.request import Answer, Caller
from service.egress.pool import EgressPoolStatistics, EgressStatistics
from service.events import Events
from service.lifecycle import Lifecycle
from service.pool.admission import AdmissionQueue
from service.pool.scaling import Scaler
from service.pool.statistics import PoolStatistics, WorkerStatistics
from service.releases.release import Rollout, RolloutStatus
from service.solver.statistics import ScriptStatistics, SolverStatistics
from service.telemetry.telemetry import Telemetry
from service.web.app import create_app
from service.web.http.connection import Limits
from service.web.http.listener import serve
from service.wire import Job, Kind

BODY = b'{"ok":true,"bytes":{"s720p":18500000},"human":{"s720p":"18.50 MB"},"duration":212}'
URL = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


LISTING = Answer(
    b'{"ok":true,"title":"A list","entries":["https://a.example/1"],"places":[{"index":0}],"missing":0,'
    b'"hasMore":false,"playlistCount":1}'
)
ANSWER = Answer(BODY, "youtube", queued=0.0123, extracted=0.4567)


EGRESSES = EgressPoolStatistics(
    (
        EgressStatistics("fra1", "de", "usable", 1, 20, 2, (("blocked.test", 12.5),)),
        EgressStatistics("home", "", "probing", 0, 3, 3, ()),
    ),
    moves=5,
    panics=1,
)


@dataclass
class FakeDispatcher:
    """Answers every job the same way: with `answer` (LISTING for a list), or by awaiting `behaviour`."""

    answer: Answer = ANSWER
    behaviour: Callable[[Job], Awaitable[Answer]] | None = None
    seen: list[tuple[Job, Caller]] = field(default_factory=list)
    quarantine: Quarantine = field(default_factory=Quarantine)
    shown: tuple[PaceStatistics, ...] = ()
    steps: tuple[Progress, ...] = ()
    remembered: Answer | None = None
    breakers: Breakers | None = None

    def cache(self) -> CacheStatistics:
        return Cache(1 << 20, 60.0).statistics()

    def kept(self, job: Job) -> Answer | None:
        return self.remembered

    def reset(self, site: str | None = None) -> tuple[str, str]:
        assert self.breakers is not None
        return self.breakers.reset(site)

    def egresses(self) -> EgressPoolStatistics:
        return EGRESSES

    def paces(self) -> tuple[PaceStatistics, ...]:
        return self.shown

    async def submit(self, job: Job, caller: Caller, *, progress: ProgressListener | None = None) -> Answer:
        self.seen.append((job, caller))
        if progress is not None:
            for step in self.steps:
                progress(step)
        await trio.lowlevel.checkpoint()
        if self.behaviour:
            return await self.behaviour(job)
        return LISTING if job.kind is Kind.ENTRIES else self.answer

    def fail(self, error: Exception) -> None:
        async def behaviour(job: Job) -> Answer:
            raise error

        self.behaviour = behaviour

    def hang(self) -> tuple[trio.Event, trio.Event]:
        """Never answer; the events report that a job has begun, and that one was cancelled."""
        begun, cancelled = trio.Event(), trio.Event()

        async def behaviour(job: Job) -> Answer:
            begun.set()
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        self.behaviour = behaviour
        return begun, cancelled


SOLVER = SolverStatistics(
    state="ready",
    problem=None,
    ejs="0.8.0-3baeef23ca2f",
    solved=1234,
    fetches=3,
    prepared=2,
    rejected=1,
    lost=0,
    scripts=(ScriptStatistics("2bb2f65e8980", "ready", 4243, 1234, 60.0, 70_000_000),),
)
WORKER = WorkerStatistics(pid=4242, state="idle", tasks=3, age=12.5, memory=50_000_000, ytdlp="2026.8.19")


@dataclass
class FakePool:
    """Returns the `statistics` that the test sets."""

    shown: dict[str, Any] = field(default_factory=dict)
    seconds_deserted: float = 0.0

    def deserted(self) -> float:
        return self.seconds_deserted

    def statistics(self) -> PoolStatistics:
        counters: dict[str, Any] = {
            "total_tasks": 12,
            "completed_tasks": 10,
            "failed_tasks": 2,
            "active_workers": 1,
            "idle_workers": 1,
            "queue_length": 0,
            "peak_workers": 2,
            "active_tasks": 0,
            "workers_created": 3,
            "workers_destroyed": 2,
            "retried_tasks": 1,
            "boot_failures": 0,
            "degraded": False,
            "target": 2,
            "admission": AdmissionQueue(10).statistics(0.0),
            "scaling": Scaler(2, 10).statistics(0.0),
            "workers": (WORKER,),
            "ytdlp": "2026.08.19",
            "runtime": "deno 2.9.8",
            "solver": SOLVER,
            "lost_patches": {"2026.8.19": (), "2026.10.26": ("traverse_obj",)},
        }
        return PoolStatistics(**{**counters, **self.shown})


ROLLOUT = RolloutStatus(
    "2026.8.19", "2026.10.26", 0.1, "2026.10.26 on 10 % since 12 min: 3 pairs for it, 0 against"
)


@dataclass
class FakeRollout:
    """Shows the status that the test sets, and notes what an admin asks for."""

    shown: RolloutStatus = ROLLOUT
    asked: list[tuple[str, str]] = field(default_factory=list)

    def status(self) -> RolloutStatus:
        return self.shown

    def begin(self, version: str) -> None:
        self.asked.append(("begin", version))

    def promote(self) -> None:
        self.asked.append(("promote", ""))

    def rollback(self, reason: str) -> None:
        self.asked.append(("rollback", reason))


CLUSTER = ClusterStatistics(
    state="ok",
    problem=None,
    link_up=True,
    engine="valkey 9.1.2",
    instances=3,
    calls=20,
    failures=1,
    losses=1,
    hits=5,
    misses=4,
    refusals=3,
    waits=2,
    adopted=1,
    stored=4,
    foreign=1,
)


@dataclass
class FakeCluster(Alone):
    """Shows the statistics that the test sets; one other instance answers each order."""

    shown: ClusterStatistics = CLUSTER
    ordered: list[tuple[str, str | None, str]] = field(default_factory=list)

    async def order(self, action: Action, subject: str | None, reason: str = "") -> tuple[OrderAnswer, ...]:
        self.ordered.append((action, subject, reason))
        return (OrderAnswer("another", "before", "after", None),)

    def statistics(self) -> ClusterStatistics:  # type: ignore[override]
        return self.shown


@dataclass
class Web:
    """An application and the fakes behind it."""

    config: Config
    dispatcher: FakeDispatcher = field(default_factory=FakeDispatcher)
    pool: FakePool = field(default_factory=FakePool)
    breakers: Breakers = field(default_factory=lambda: Breakers(BreakerSettings(), Events()))
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    bus: Events = field(default_factory=Events)
    rollout: Rollout | None = None
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        self.lifecycle.ready()
        self.telemetry = Telemetry.build(self.config, self.bus)
        self.build()

    def build(self) -> None:
        self.dispatcher.breakers = self.breakers
        self.app: QuartTrio = create_app(
            self.config,
            self.dispatcher,
            self.pool,
            self.breakers,
            self.lifecycle,
            self.telemetry,
            rollout=self.rollout,
            cluster=self.cluster,
        )

    async def request(self, method: str, path: str, **given: Any) -> Any:
        """The response; a `json` of None is no body."""
        if given.get("json", ...) is None:
            del given["json"]
        client = cast(Any, self.app.test_client())
        return await client.open(path, method=method, **given)

    async def get(self, path: str, **given: Any) -> Any:
        return await self.request("GET", path, **given)

    async def post(self, path: str, json: Any, **given: Any) -> Any:
        body = (
            {"data": "null", "headers": {"Content-Type": "application/json"}}
            if json is None
            else {"json": json}
        )
        return await self.request("POST", path, **body, **given)


def web(**settings: Any) -> Web:
    """The application under `settings`; without a rate limit unless they say so."""
    given: dict[str, Any] = {"rate_limit_max_requests": 0, "port": 0, **settings}
    return Web(Config.load(**given))


@asynccontextmanager
async def serving(
    app: Any, lifecycle: Lifecycle, limits: Limits | None = None, config: Config | None = None
) -> Any:
    """Serve `app` on a port of its own; yields the port, and closes the listener at the end."""
    config = config or Config.load(port=0)
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[list[str]]) -> None:
            await serve(app, config, lifecycle, limits=limits, task_status=task_status)

        urls = await nursery.start(run)
        yield int(urls[0].rpartition(":")[2])
        lifecycle.close()
