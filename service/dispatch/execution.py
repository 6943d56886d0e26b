"""The execution of one job: the straight line that every extraction takes, attempt by attempt.

the breaker's early refusal → the site's pace → a lease on a worker (waiting for it) → the
breaker's permit, settled exactly once → the worker → another attempt after a pause, where that may help.

However many attempts a job makes, its failure counts once in its site's breaker, otherwise one bad URL could
open the breaker for its whole site: by its last result, or as soon as an attempt has waited for long. A job
whose turn for another attempt never comes would hide that the site hangs. A probe is never retried.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from .. import events
from ..breaker.classification import call_result_of, call_result_of_exception
from ..breaker.key import BreakerKey
from ..breaker.pacing import Paces
from ..breaker.registry import Breakers
from ..cluster.port import Alone, Cluster
from ..codes import TRAITS, Blame, CallResult, Code, Retry
from ..egress.pool import EgressPool
from ..errors import CircuitOpen, DeadlineTooShort, ExtractionError, QueueFull, ServiceError
from ..pool.admission import Ticket
from ..pool.lease import Preempted
from ..pool.pool import Lease, Pool
from ..releases.trial import Trial
from ..telemetry.measurements import CANCELLED, OK, AttemptEnded
from ..wire import Failure, Job, Outcome, Success
from .opinions import Opinions
from .progress import ProgressHub, Queued, Retrying, Started
from .quarantine import Quarantine
from .request import Answer
from .sidecars import SidecarReports
from .site_limits import SiteLimits
from .terms import Terms
from .visits import Visits, take_turn
from .ways import ChosenWay, Way

MAX_ATTEMPTS = 3
BACKOFF = 0.5  # seconds before the second attempt; doubled for each further one, spread by ±25 %
MAX_WAITING = 100  # requests that wait for a site with limited concurrency
LONG = 5.0  # seconds after which a failed attempt counts although there is another
LEAST_TIME = 1.0  # seconds that must be left for an attempt


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What all executions use.

    Attributes:
        jitter: a number from 0 to 1, drawn for each pause.
        limits: of how many extractions of one site run at a time.
        measured: the bus that gets the measurements of attempts.
        trial: the release of yt-dlp that is being tried, if there is one.
        egresses: the ways out, where there are several.
    """

    pool: Pool
    breakers: Breakers
    bus: events.Events
    measured: events.Events
    jitter: Callable[[], float]
    limits: SiteLimits
    trial: Trial
    paces: Paces = field(default_factory=Paces)
    quarantine: Quarantine = field(default_factory=Quarantine)
    cluster: Cluster = field(default_factory=Alone)
    progress: ProgressHub = field(default_factory=ProgressHub)
    sidecars: SidecarReports = field(default_factory=SidecarReports)
    egresses: EgressPool | None = None

    def way(self, job: Job, site: str) -> Way:
        """The way out of a job."""
        return Way(self.paces) if self.egresses is None else ChosenWay(self.egresses, job, site, self.bus)


@dataclass(frozen=True, slots=True)
class JobContext:
    """A job with everything that its execution needs, computed once when it is submitted.

    Attributes:
        key: its site, the key of breakers, paces and measurements.
        terms: until when it runs, and whose place it has.
        canary: the release to run on, where it matters: the one that is tried, or the other.
        cookies: the operator's, for a job without any.
    """

    job: Job
    key: BreakerKey
    terms: Terms
    canary: bool | None = None
    cookies: str | None = field(default=None, repr=False)


class Execution:
    """The execution of one job; the dispatcher runs it in the scope of its terms."""

    def __init__(self, collaborators: Collaborators, context: JobContext) -> None:
        self._with = collaborators
        self._job = context.job
        self._sent = replace(context.job, cookies=context.job.cookies or context.cookies)
        self.terms = context.terms
        self._ticket: Ticket | None = None
        self._key = context.key
        self._opinions = Opinions(collaborators.trial, collaborators.measured, context.canary)
        self._way = collaborators.way(self._sent, context.key.site)
        self._queued = 0.0
        self._spent = 0.0  # seconds that it waited for its own site, in all attempts
        self._counted = False  # its failure counts already

    async def run(self) -> Answer:
        """The answer.

        Raises:
            ServiceError: the failure of the extraction, CircuitOpen, QueueFull or ShuttingDown.
        """
        if trio.current_time() + LEAST_TIME > self.terms.deadline:
            raise DeadlineTooShort(self.terms.timeout, LEAST_TIME)
        try:
            return await self._attempts()
        finally:
            self._way.end()

    async def _attempts(self) -> Answer:
        collaborators = self._with
        attempt = 1
        while True:
            tally = self.terms.caller.tally
            with tally.waiting() as reached:
                await collaborators.breakers.ready(self._key)
                await self._way.begin(self.terms.deadline - LEAST_TIME)
                pace = self._way.paces.pace(self._key.name, trio.current_time())
                await take_turn(pace, self._key.name, self.terms.deadline - LEAST_TIME)
                ticket = self._ticket = self._new_ticket()
                try:
                    async with self._cap(), self._lease(ticket) as lease:
                        reached()
                        self.terms.running = True
                        self._queued += lease.waited
                        collaborators.progress.emit(self._job, Started(attempt))
                        outcome, pause = await self._permitted(lease, attempt)
                except Preempted:  # no attempt: it waits for its turn again
                    continue
            for failed in collaborators.sidecars.news(outcome.usage, trio.current_time()):
                collaborators.bus.emit(failed)
            if outcome.unsolved:
                self._with.bus.emit(events.ChallengeUnsolved(self._key.site, outcome.unsolved))
            if isinstance(outcome, Success):
                return self._answer(outcome, lease)
            failure: ServiceError
            if outcome.code is Code.CIRCUIT_OPEN:  # of a site that the URL leads to
                failure = CircuitOpen(outcome.culprit, outcome.retry_after)
            else:
                failure = ExtractionError(
                    outcome.code, outcome.message, retry_after=outcome.retry_after, about=outcome.about
                )
            if pause is None:
                self._report(outcome, lease)
                raise failure
            collaborators.progress.emit(
                self._job, Retrying(attempt + 1, pause, outcome.code, outcome.message)
            )
            await trio.sleep(pause)
            if not collaborators.breakers.admits(self._key):  # the breaker has opened in the meantime
                raise failure
            attempt += 1

    def join(self, other: Terms) -> None:
        """Take the better of its terms and those of another caller, also where it waits for a worker."""
        self.terms.join(other)
        if self._ticket is not None:
            self._with.pool.improve(self._ticket, self._new_ticket())

    def _new_ticket(self) -> Ticket:
        caller = self.terms.caller
        return Ticket(
            caller.client,
            tier=caller.tier,
            deadline=self.terms.deadline,
            share=caller.share,
            site=self._key.site,
        )

    async def _permitted(self, lease: Lease, attempt: int) -> tuple[Outcome, float | None]:
        """One attempt under a permit, and the pause before the next attempt, if there is one."""
        # No waiting while a worker is leased.
        permit = await self._with.breakers.admit(self._key, wait=False, spent=self._spent)
        job = self._way.route(self._sent)
        tell = partial(self._tell_pause, self._way.name)
        visits = Visits(self._with.breakers, self._way.paces, self._with.limits, self._key, permit, tell)
        lease.visits = visits
        outcome: Outcome | None = None
        final, silent = True, CallResult.IGNORED
        call_result, retry_after = CallResult.IGNORED, None
        began, ended = trio.current_time(), CANCELLED
        try:
            outcome = await self._opinions.outcome(
                lease, job, self._key.site, self.terms.deadline, egress=self._way.name
            )
            if isinstance(outcome, Success):
                call_result, ended = call_result_of(outcome), OK
                return outcome, None
            ended = outcome.code.value
            retry_after = None if outcome.culprit else outcome.retry_after
            pause = None if permit.is_probe or visits.probing else self._pause(outcome, attempt)
            self._way.settle(outcome)
            pause = self._way.after(outcome, pause, last=self._is_last(attempt))
            final = pause is None
            call_result = self._counts(outcome, final=final, seconds=trio.current_time() - began)
            return outcome, pause
        except Preempted:
            raise
        except BaseException as error:
            call_result = call_result_of_exception(error)
            cost = lease.interrupted
            if cost is not None and trio.current_time() >= self.terms.deadline:
                # The deadline, not a disconnect; it blames the site only if the job was waiting for the site,
                # and not where the caller gave less time than others have.
                ended = Code.DEADLINE.value
                if not self.terms.hurried and self._way.trusted:
                    silent = call_result_of(Failure(Code.DEADLINE, "", waiting=cost.cpu < cost.wall / 2))
                call_result = silent if visits.asking == self._key.place else CallResult.IGNORED
            raise
        finally:
            self._with.breakers.settle(permit, call_result, retry_after=retry_after)
            visits.settle(outcome, counts=final, silent=silent)
            self._way.settle(outcome)
            self._note_deaths(lease)
            seconds = trio.current_time() - began
            self._spent = permit.permit.seconds(trio.current_time())
            caller = self.terms.caller
            caller.tally.attempt(seconds, lease.version)
            self._with.measured.emit(
                AttemptEnded(
                    self._key.site,
                    ended,
                    caller.tier,
                    lease.waited,
                    seconds,
                    attempt,
                    lease.version,
                    caller.request_id,
                )
            )

    def _counts(self, failure: Failure, *, final: bool, seconds: float) -> CallResult:
        """What an attempt of so many seconds counts that ended in `failure`."""
        call_result = call_result_of(failure)
        if call_result is CallResult.FAILURE:
            if self._counted or not (final or (seconds >= LONG and not self._way.moving)):
                return CallResult.IGNORED
            self._counted = True
        return call_result if final or self._counted else CallResult.IGNORED

    def _pause(self, failure: Failure, attempt: int) -> float | None:
        """Seconds until the next attempt, or None where this failure is final."""
        retry = TRAITS[failure.code].retry
        if retry is Retry.NEVER or attempt == MAX_ATTEMPTS or (retry is Retry.ONCE and attempt > 1):
            return None
        backoff = BACKOFF * 2 ** (attempt - 1) * (0.75 + 0.5 * self._with.jitter())
        pause: float = max(backoff, failure.retry_after or 0.0)
        return pause if trio.current_time() + pause + LEAST_TIME <= self.terms.deadline else None

    def _is_last(self, attempt: int) -> bool:
        """Whether there is no attempt left, or no time for one."""
        return attempt == MAX_ATTEMPTS or trio.current_time() + LEAST_TIME > self.terms.deadline

    def _lease(self, ticket: Ticket) -> AbstractAsyncContextManager[Lease]:
        return self._with.pool.acquire(ticket, self._waits, canary=self._opinions.canary)

    def _cap(self) -> AbstractAsyncContextManager[object]:
        """The limiter of the site, if it has one. The wait for it comes before the pool's queue, not in it.

        Raises:
            QueueFull: MAX_WAITING requests wait for the site.
        """
        cap = self._with.limits.of(self._key.site)
        if cap is None:
            return nullcontext()
        waiting = cap.statistics().tasks_waiting
        if waiting >= MAX_WAITING:
            raise QueueFull(waiting, retry_after=LEAST_TIME)
        return cap

    def _waits(self, lease: Lease) -> None:
        self._with.progress.emit(self._job, Queued(lease.position, lease.expected_wait))

    def _note_deaths(self, lease: Lease) -> None:
        if not lease.deaths:
            return
        job, client, private = self._job, self.terms.caller.client, self._job.cookies is not None
        now = trio.current_time()
        closed = self._with.quarantine.killed(job.url, client, now, lease.deaths, cookies=private)
        if not private:
            self._with.cluster.died(job.url, client, lease.deaths)
        if closed:
            self._with.bus.emit(events.UrlQuarantined(site=self._key.site, deaths=len(lease.deaths)))

    def _tell_pause(self, egress: str, place: str, seconds: float) -> None:
        if self._sent.cookies is None:  # what a site says to an account is not for all
            self._with.cluster.pause(egress, place, seconds)

    def _report(self, failure: Failure, lease: Lease) -> None:
        """Report a failure that concerns more than its caller."""
        site = self._key.site
        if TRAITS[failure.code].blame is Blame.EGRESS and self._way.last_hope:
            self._with.breakers.service_failed()
        if failure.code is Code.EXTRACTOR_BROKEN:
            self._with.bus.emit(events.ExtractorBroken(site, failure.extractor, lease.version))
        elif failure.code is Code.BLOCKED_TARGET:
            self._with.bus.emit(events.EgressDenied(site=site))

    def _answer(self, success: Success, lease: Lease) -> Answer:
        answer = Answer(
            success.body,
            success.extractor,
            queued=self._queued,
            extracted=success.usage.wall,
            position=lease.position,
            expected_wait=lease.expected_wait,
            etag=success.etag,
            lifetime=success.lifetime,
            ytdlp=lease.version,
        )
        return self._way.sign(answer)
