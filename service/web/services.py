"""What the routes need of the rest of the service, in one record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ..breaker.pacing import PaceStatistics
from ..breaker.registry import Breakers
from ..cluster.port import Alone, Cluster
from ..config import Config
from ..dispatch.cache import CacheStatistics
from ..dispatch.progress import ProgressListener
from ..dispatch.quarantine import Quarantine
from ..dispatch.request import Answer, Caller
from ..egress.pool import EgressPoolStatistics
from ..lifecycle import Lifecycle
from ..pool.statistics import PoolStatistics
from ..releases.release import Rollout
from ..releases.updater import Updater
from ..telemetry.event_log import SUBSCRIBERS
from ..telemetry.telemetry import Telemetry
from ..wire import Job
from .http.authentication import Keys
from .http.compression import CompressedResults
from .http.limits import RateLimits
from .http.outgoing import Outgoing
from .http.places import Places
from .http.request_memo import RequestMemo
from .http.snapshots import SharedSnapshots


class Dispatcher(Protocol):
    async def submit(
        self, job: Job, caller: Caller, *, progress: ProgressListener | None = None
    ) -> Answer: ...

    @property
    def quarantine(self) -> Quarantine: ...

    def cache(self) -> CacheStatistics: ...

    def kept(self, job: Job) -> Answer | None: ...

    def reset(self, site: str | None = None) -> tuple[str, str]: ...

    def paces(self) -> tuple[PaceStatistics, ...]: ...

    def egresses(self) -> EgressPoolStatistics: ...


class Pool(Protocol):
    def deserted(self) -> float: ...

    def statistics(self) -> PoolStatistics: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may use.

    Attributes:
        rollout: brings releases into use; None where the store's word counts at the next start.
        viewers: the places of those who follow the service: events and the dashboard.
        followers: the places of those who follow an extraction.
    """

    config: Config
    dispatcher: Dispatcher
    pool: Pool
    breakers: Breakers
    lifecycle: Lifecycle
    keys: Keys
    limits: RateLimits
    telemetry: Telemetry
    outgoing: Outgoing
    snapshots: SharedSnapshots
    updater: Updater
    rollout: Rollout | None = None
    cluster: Cluster = field(default_factory=Alone)
    memo: RequestMemo = field(default_factory=RequestMemo)
    compressed: CompressedResults = field(default_factory=CompressedResults)
    viewers: Places = field(default_factory=lambda: Places(SUBSCRIBERS, of_one_client=8, for_admins=8))
    followers: Places = field(default_factory=lambda: Places(256, of_one_client=32, for_admins=32))
