"""What the routes need of the rooms behind them, and the one record that carries it to each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..breaker.pacing import PaceStatistics
from ..breaker.registry import Breakers
from ..cache import CacheStatistics
from ..config import Config
from ..lifecycle import Lifecycle
from ..pool.statistics import PoolStatistics
from ..progress import Follower
from ..quarantine import Quarantine
from ..request import Answer, Caller
from ..telemetry.telemetry import Telemetry
from ..wire import Job
from .repeats import Repeats

if TYPE_CHECKING:
    from .auth import Keys
    from .limits import RateLimits


class Dispatcher(Protocol):
    async def submit(self, job: Job, caller: Caller, *, progress: Follower | None = None) -> Answer: ...

    @property
    def quarantine(self) -> Quarantine: ...

    def cache(self) -> CacheStatistics: ...

    def kept(self, job: Job) -> Answer | None: ...

    def paces(self) -> tuple[PaceStatistics, ...]: ...


class Pool(Protocol):
    def statistics(self) -> PoolStatistics: ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything a route may use."""

    config: Config
    dispatcher: Dispatcher
    pool: Pool
    breakers: Breakers
    lifecycle: Lifecycle
    keys: Keys
    limits: RateLimits
    telemetry: Telemetry
    repeats: Repeats = field(default_factory=Repeats)
