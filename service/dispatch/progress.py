"""The progress of jobs, published to subscribers. Pure.

Equal jobs share one extraction, so a job may have several subscribers; a late one gets the latest progress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..codes import Code
from ..wire import Job


@dataclass(frozen=True, slots=True)
class Queued:
    """The job waits for a worker: its position in the queue, and the expected wait in seconds."""

    position: int
    expected_wait: float


@dataclass(frozen=True, slots=True)
class Started:
    """A worker runs the job; attempts count from 1."""

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
    """The subscribers of each job, and the latest progress of each job under way."""

    def __init__(self) -> None:
        self._latest: dict[Job, Progress] = {}
        self._followers: dict[Job, list[ProgressListener]] = {}

    @contextmanager
    def subscribe(self, job: Job, follower: ProgressListener | None) -> Iterator[None]:
        """Let `follower`, if there is one, get the progress of `job`; it must not raise."""
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

    def emit(self, job: Job, progress: Progress) -> None:
        """Publish the progress of `job`."""
        self._latest[job] = progress
        for follower in self._followers.get(job, ()):
            follower(progress)

    def ended(self, job: Job) -> None:
        """Forget `job`: its execution has ended."""
        self._latest.pop(job, None)
