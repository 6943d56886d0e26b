"""The frozen snapshots of the solver that metrics, /health and tests read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScriptStatistics:
    """One player script.

    Attributes:
        digest: the first letters of its SHA-256.
        state: preparing or ready.
        pid: of its process; None while it waits for one.
        solved: challenges it has answered.
        age: seconds since it came.
        rss: bytes resident of its process.
    """

    digest: str
    state: str
    pid: int | None
    solved: int
    age: float
    rss: int


@dataclass(frozen=True, slots=True)
class SolverStatistics:
    """What the solver has done and does.

    Attributes:
        state: checking, ready, or unavailable: then workers solve by themselves.
        problem: why it is unavailable.
        ejs: names the yt-dlp-ejs it uses.
        solved: challenges answered.
        fetches: scripts that a worker was sent for.
        prepared: scripts taken apart.
        rejected: scripts that could not be.
        lost: processes that ended, or were ended, in doubt.
    """

    state: str
    problem: str | None
    ejs: str | None
    solved: int
    fetches: int
    prepared: int
    rejected: int
    lost: int
    scripts: tuple[ScriptStatistics, ...]
