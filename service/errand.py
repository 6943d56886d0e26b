"""One job on its way to yt-dlp and back: the straight line that every extraction takes.

the quarantine → the breaker's glance → the site's pace → a seat in the pool (waiting its turn) → the
breaker's permit, settled exactly once → the worker → again after a pause, where the failure is worth it.

However often a job is tried, it counts once in its site's breaker, with its last word: or one bad URL would
close the way to all others of its site. A probe is never tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

import trio

from . import events
from .breaker.machine import Verdict
from .breaker.pacing import Paces
from .breaker.registry import BreakerKey, Breakers
from .breaker.sites import site_of
from .breaker.verdicts import verdict_of, verdict_of_exception
from .errors import Blame, Code, ExtractionError, QueueFull, Retry, traits
from .pool.admission import Ticket
from .pool.pool import Pool, Seat
from .progress import Followers, Queued, Retrying, Started
from .quarantine import Quarantine
from .request import Answer, Caller
from .telemetry.measurements import CANCELLED, OK, AttemptEnded
from .wire import Failure, Job, Outcome, Success

MAX_ATTEMPTS = 3
BACKOFF = 0.5  # seconds before the second attempt; doubled for each further one, spread by ±25 %
MAX_WAITING = 100  # requests for one of a limited site's places
LEAST_TIME = 1.0  # seconds that must be left for another attempt to be worth it


@dataclass(frozen=True, slots=True)
class Desk:
    """What all errands share.

    Attributes:
        jitter: a number from 0 to 1, drawn for each pause.
        caps: of the sites that only so many extractions may ask at a time.
        measured: is told how long each attempt took.
    """

    pool: Pool
    breakers: Breakers
    bus: events.Events
    measured: events.Events
    jitter: Callable[[], float]
    caps: Mapping[str, trio.CapacityLimiter]
    paces: Paces = field(default_factory=Paces)
    quarantine: Quarantine = field(default_factory=Quarantine)
    followers: Followers = field(default_factory=Followers)


class Errand:
    """One job, for one caller, until `deadline` on trio's clock, at which its runner cancels it.

    Attributes:
        running: it has got as far as a worker.
    """

    def __init__(self, desk: Desk, job: Job, caller: Caller, deadline: float) -> None:
        self.running = False
        self._desk = desk
        self._job = job
        self._caller = caller
        self._deadline = deadline
        self._key = BreakerKey(site_of(job.url))
        self._queued = 0.0

    async def run(self) -> Answer:
        """The answer.

        Raises:
            ServiceError: as typed: the extraction's own failure, CircuitOpen, QueueFull or ShuttingDown.
        """
        desk = self._desk
        desk.quarantine.check(self._job.url, trio.current_time())
        for attempt in range(1, MAX_ATTEMPTS + 1):
            await desk.breakers.ready(self._key)
            await self._keep_pace()
            ticket = Ticket(
                self._caller.client, tier=self._caller.tier, deadline=self._deadline, share=self._caller.share
            )
            async with self._cap(), desk.pool.seat(ticket, self._waits) as seat:
                self.running = True
                self._queued += seat.waited
                desk.followers.tell(self._job, Started(attempt))
                outcome, pause = await self._permitted(seat, attempt)
            self._set_pace(outcome)
            if isinstance(outcome, Success):
                return self._answer(outcome, seat)
            failure = ExtractionError(outcome.code, outcome.message, retry_after=outcome.retry_after)
            if pause is None:
                self._report(outcome)
                raise failure
            desk.followers.tell(self._job, Retrying(attempt + 1, pause, outcome.code, outcome.message))
            await trio.sleep(pause)
            if not desk.breakers.admits(self._key):  # others have met the same in the meantime
                raise failure
        raise AssertionError("the last attempt has no pause")

    async def _permitted(self, seat: Seat, attempt: int) -> tuple[Outcome, float | None]:
        """One attempt, under the breakers' permit, and the pause before the next, if there is to be one."""
        permit = await self._desk.breakers.admit(self._key, wait=False)  # the seat is not for waiting
        verdict, retry_after = Verdict.IGNORED, None
        began, ended = trio.current_time(), CANCELLED
        try:
            outcome = await seat.run(self._job, self._deadline - began)
            if isinstance(outcome, Success):
                verdict, ended = Verdict.SUCCESS, OK
                return outcome, None
            ended, retry_after = outcome.code.value, outcome.retry_after
            pause = None if permit.is_probe else self._pause(outcome, attempt)
            verdict = verdict_of(outcome) if pause is None else Verdict.IGNORED
            return outcome, pause
        except BaseException as error:
            verdict = verdict_of_exception(error)
            cost = seat.interrupted
            if cost is not None and trio.current_time() >= self._deadline:
                # The deadline, not a client that left; it blames the site only if the site was waited for.
                ended = Code.DEADLINE.value
                verdict = verdict_of(Failure(Code.DEADLINE, "", waiting=cost.cpu < cost.wall / 2))
            raise
        finally:
            self._desk.breakers.settle(permit, verdict, retry_after=retry_after)
            self._note_deaths(seat)
            seconds = trio.current_time() - began
            self._desk.measured.emit(
                AttemptEnded(self._key.site, ended, self._caller.tier, seat.waited, seconds)
            )

    def _pause(self, failure: Failure, attempt: int) -> float | None:
        """Seconds until the next attempt, or None where this failure is the last word."""
        retry = traits(failure.code).retry
        if retry is Retry.NEVER or attempt == MAX_ATTEMPTS or (retry is Retry.ONCE and attempt > 1):
            return None
        backoff = BACKOFF * 2 ** (attempt - 1) * (0.75 + 0.5 * self._desk.jitter())
        pause: float = max(backoff, failure.retry_after or 0.0)
        return pause if trio.current_time() + pause + LEAST_TIME <= self._deadline else None

    def _cap(self) -> AbstractAsyncContextManager[object]:
        """One of the site's places, where they are limited; waited for before the pool's queue, not in it.

        Raises:
            QueueFull: as many wait for the site as may.
        """
        cap = self._desk.caps.get(self._key.site)
        if cap is None:
            return nullcontext()
        waiting = cap.statistics().tasks_waiting
        if waiting >= MAX_WAITING:
            raise QueueFull(waiting, retry_after=LEAST_TIME)
        return cap

    async def _keep_pace(self) -> None:
        """Wait for the site's pace. Raises ExtractionError (RATE_LIMITED) where that would take too long."""
        now, site = trio.current_time(), self._key.site
        pace = self._desk.paces.pace(site, now)
        wait = pace.wait(now)
        if now + wait + LEAST_TIME > self._deadline:
            message = f"{site} asks to be left in peace for a while; try again later"
            raise ExtractionError(Code.RATE_LIMITED, message, retry_after=wait)
        pace.reserve(now)
        try:
            await trio.sleep(wait)
        except trio.Cancelled:
            pace.refund(trio.current_time())
            raise

    def _set_pace(self, outcome: Outcome) -> None:
        now = trio.current_time()
        pace = self._desk.paces.pace(self._key.site, now)
        if isinstance(outcome, Failure) and outcome.code is Code.RATE_LIMITED:
            pace.slow_down(now, retry_after=outcome.retry_after)
        elif verdict_of(outcome) is Verdict.SUCCESS:
            pace.speed_up(now)

    def _waits(self, seat: Seat) -> None:
        self._desk.followers.tell(self._job, Queued(seat.position, seat.expected_wait))

    def _note_deaths(self, seat: Seat) -> None:
        quarantine, now = self._desk.quarantine, trio.current_time()
        if seat.deaths and quarantine.killed(self._job.url, now, seat.deaths):
            self._desk.bus.emit(events.UrlQuarantined(site=self._key.site, deaths=seat.deaths))

    def _report(self, failure: Failure) -> None:
        """Tell of a failure that concerns more than its caller."""
        site = self._key.site
        if traits(failure.code).blame is Blame.SERVICE:
            self._desk.breakers.service_failed()
        if failure.code is Code.EXTRACTOR_BROKEN:
            self._desk.bus.emit(events.ExtractorBroken(site=site, extractor=failure.extractor))
        elif failure.code is Code.BLOCKED_TARGET:
            self._desk.bus.emit(events.EgressDenied(site=site))

    def _answer(self, success: Success, seat: Seat) -> Answer:
        return Answer(
            success.body,
            success.extractor,
            queued=self._queued,
            extracted=success.usage.wall,
            position=seat.position,
            expected_wait=seat.expected_wait,
            etag=success.etag,
            lifetime=success.lifetime,
        )
