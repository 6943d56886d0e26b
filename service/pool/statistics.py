"""The frozen snapshots of the pool that metrics, the dashboard and tests read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..solver.statistics import SolverStatistics
from .admission import AdmissionStatistics
from .scaling import ScalerStatistics


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """One worker: booting, idle, busy or ending.

    Attributes:
        age: in seconds, of the process.
        memory: bytes of its process tree, of shared pages its part (PSS).
        site: of its job, if it has one, and `busy_for` so many seconds.
        ytdlp: the release that it runs.
    """

    pid: int
    state: str
    tasks: int
    age: float
    memory: int
    site: str | None = None
    ytdlp: str = ""
    busy_for: float | None = None


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """What other instances are told of the pool; as in `PoolStatistics`."""

    total_tasks: int
    active_tasks: int
    queue_length: int
    active_workers: int
    ytdlp: str


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A snapshot of the pool.

    Attributes:
        active_workers: ready ones, idle or busy.
        degraded: workers keep failing to boot.
        ytdlp: the release in service; `canary` is the one that is being tried.
        runtime: as the template reported it.
        template_memory: bytes, of the pages shared with workers its part.
        lost_patches: of each release in use, the patches that its yt-dlp does not take.
        solver: of the challenges that workers meet; None where they solve by themselves.
    """

    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    retried_tasks: int
    active_tasks: int
    queue_length: int
    active_workers: int
    idle_workers: int
    peak_workers: int
    workers_created: int
    workers_destroyed: int
    boot_failures: int
    degraded: bool
    target: int
    workers: tuple[WorkerStatistics, ...]
    admission: AdmissionStatistics
    scaling: ScalerStatistics
    ytdlp: str | None
    runtime: str | None
    solver: SolverStatistics | None = None
    canary: str | None = None
    template_memory: int = 0
    lost_patches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
