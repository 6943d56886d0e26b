"""How far a job has come, told to those who follow it. Pure.

Equal jobs share one extraction, so several may follow one job; who comes late is told where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..codes import Code
from ..wire import Job


@dataclass(frozen=True, slots=True)
class Queued:
    """It waits for a worker: how many go before it, and the seconds that this is expected to take."""

    position: int
    expected_wait: float


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has it; attempts count from 1."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed with `code`; after `delay` seconds `attempt` begins."""

    attempt: int
    delay: float
    code: Code
    message: str


Progress = Queued | Started | Retrying
ProgressListener = Callable[[Progress], None]


class ProgressHub:
    """Who follows which job. Holds one record for each job under way."""

    def __init__(self) -> None:
        self._latest: dict[Job, Progress] = {}
        self._followers: dict[Job, list[ProgressListener]] = {}

    @contextmanager
    def subscribe(self, job: Job, follower: ProgressListener | None) -> Iterator[None]:
        """Tell `follower`, where there is one, how far `job` has come; it must not raise."""
        if follower is None:
            yield
            return
        self._followers.setdefault(job, []).append(follower)
        try:
            if (latest := self._latest.get(job)) is not None:
                follower(latest)
            yield
        finally:
            self._followers[job].remove(follower)
            if not self._followers[job]:
                del self._followers[job]

    def publish(self, job: Job, progress: Progress) -> None:
        """`job` has come this far."""
        self._latest[job] = progress
        for follower in self._followers.get(job, ()):
            follower(progress)

    def ended(self, job: Job) -> None:
        """Nothing more will be told of `job`."""
        self._latest.pop(job, None)
