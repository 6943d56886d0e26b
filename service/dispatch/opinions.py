"""A second opinion: while a yt-dlp release is tried, a failure that it may cause is tried on the other one.

The client gets the better answer of the two. Both are asked on one lease and under one permit, so a job
counts once in its site's breaker, by what the client gets, and never waits in the queue twice.
"""

from __future__ import annotations

import itertools

import trio

from ..codes import TRAITS, CallResult, Code
from ..errors import ShuttingDown
from ..events import Events
from ..pool.lease import Lease
from ..releases.trial import Trial
from ..telemetry.measurements import OK, RunEnded
from ..wire import Failure, Job, Outcome, Success

PATIENCE = 0.7  # of the time that is left; then the other release is asked, in case this one hangs
SHORT = 4.0  # seconds; with less time left, only one release is asked

_numbers = itertools.count(1)  # of jobs, so that what their runs tell can be put together


class Opinions:
    """Asks one release, or both, for the outcome of each attempt of a job.

    Args:
        canary: ask only the release that is being tried, or only the other one; None: as the trial has it.

    Attributes:
        canary: whether the next attempt starts on the release that is being tried.
    """

    def __init__(self, trial: Trial, measured: Events, canary: bool | None) -> None:
        self.canary = trial.first() if canary is None else canary
        self._trial = trial
        self._measured = measured
        self._counts = self._first_attempt = canary is None
        self._number = next(_numbers)
        self._site = self._egress = ""

    async def outcome(
        self, lease: Lease, job: Job, site: str, deadline: float, *, egress: str = ""
    ) -> Outcome:
        """The outcome of `job`. Raises ShuttingDown where the pool is closed and a worker is missing."""
        self._site, self._egress = site, egress
        left = deadline - trio.current_time()
        pair = self._first_attempt and self._trial.second(canary=lease.canary)
        self._first_attempt = False  # further ones are for the sake of the site
        if not pair or left < SHORT:
            outcome = await lease.run(job, left)
            self._note(job, lease.version, outcome)
            return outcome
        on_canary = lease.canary
        first = await self._first(lease, job, left)
        if not _faulty(first):
            return first
        failed, lease.canary = lease.version, not lease.canary
        try:
            second = await lease.run(job, deadline - trio.current_time())
        except ShuttingDown:
            return first
        self._note(job, lease.version, second)
        self.canary = False
        if _answered(second):
            if lease.version != failed:
                lease.deaths.clear()  # it is not the page that kills workers
            self._trial.differed(site, failed=failed, answered=lease.version)
            return second
        return second if on_canary else first  # the word of the release in service

    async def _first(self, lease: Lease, job: Job, left: float) -> Outcome:
        first: Outcome = Failure(Code.DEADLINE, TRAITS[Code.DEADLINE].sentence)
        with trio.move_on_after(PATIENCE * left):
            first = await lease.run(job, left, tries=1)
        self._note(job, lease.version, first)
        return first

    def _note(self, job: Job, version: str, outcome: Outcome) -> None:
        ended = OK if isinstance(outcome, Success) else outcome.code.value
        self._measured.emit(RunEnded(version, ended, self._site, self._egress, self._number))
        if self._counts:
            self._trial.ran(job, version, outcome)


def _faulty(outcome: Outcome) -> bool:
    """Whether a faulty release can be the cause of this."""
    return isinstance(outcome, Failure) and TRAITS[outcome.code].by_release


def _answered(outcome: Outcome) -> bool:
    """Whether the site was understood: it gave a result, or said that there is none."""
    if isinstance(outcome, Success):
        return True
    return not _faulty(outcome) and TRAITS[outcome.code].counts is CallResult.SUCCESS
