"""The straight line that every extraction takes, from the accepted request to its answer.

a result that was kept → share an equal job in flight → the quarantine → the breaker's glance → the site's
pace → a seat in the pool (waiting its turn) → the breaker's permit, settled exactly once → the worker → again
after a pause, where the failure is worth it. The one deadline is set here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import trio

from . import events
from .admission import Ticket
from .breaker import Verdict
from .breakers import BreakerKey, Breakers
from .cache import Cache, CacheStatistics
from .config import Config
from .errors import Blame, CircuitOpen, Code, DeadlineExceeded, ExtractionError, Retry, ShuttingDown, traits
from .measurements import CANCELLED, OK, AttemptEnded, job_measured
from .pacing import Paces, PaceStatistics
from .pool import Pool, Seat
from .progress import Follower, Followers, Queued, Retrying, Started
from .quarantine import Quarantine
from .request import Answer, Caller
from .sharing import Sharing
from .sites import site_of
from .verdicts import verdict_of, verdict_of_exception
from .wire import Failure, Job, Outcome, Success

MAX_ATTEMPTS = 3
BACKOFF = 0.5  # seconds before the second attempt; doubled for each further one, spread by ±25 %
LEAST_TIME = 1.0  # seconds that must be left for another attempt to be worth it


class Dispatcher:
    """Takes jobs to the pool under the breakers' permits.

    Args:
        jitter: a number from 0 to 1, drawn for each pause.
        measured: is told how long each job and each of its attempts took.
    """

    def __init__(
        self,
        config: Config,
        pool: Pool,
        breakers: Breakers,
        bus: events.Events,
        *,
        jitter: Callable[[], float] = random.random,
        measured: events.Events | None = None,
    ) -> None:
        self._config = config
        self._pool = pool
        self._breakers = breakers
        self._events = bus
        self._jitter = jitter
        self._measured = measured or events.Events()
        self._paces = Paces()
        self._quarantine = Quarantine()
        self._sharing: Sharing[Answer] = Sharing()
        self._cache = Cache(config.cache_max_bytes, config.cache_ttl)
        self._followers = Followers()
        self._running: set[trio.CancelScope] = set()
        self._emptied = trio.Event()
        self._interrupted = False

    @property
    def quarantine(self) -> Quarantine:
        """The URLs that kill workers."""
        return self._quarantine

    def cache(self) -> CacheStatistics:
        """How the kept results do."""
        return self._cache.statistics()

    def paces(self) -> tuple[PaceStatistics, ...]:
        """The pace of each site that was asked lately."""
        return self._paces.statistics(trio.current_time())

    def interrupt(self) -> int:
        """Stop every extraction, now and from now on, with ShuttingDown; tells how many ran."""
        self._interrupted = True
        for scope in self._running:
            scope.cancel()
        return len(self._running)

    async def idle(self) -> None:
        """Return as soon as nothing is under way."""
        while self._running:
            self._emptied = trio.Event()
            await self._emptied.wait()

    async def submit(self, job: Job, caller: Caller, *, progress: Follower | None = None) -> Answer:
        """The answer to `job`; `progress` is told how far it has come, and must not raise.

        Cancelled, it stops the extraction, unless another caller waits for an equal one.

        Raises:
            ServiceError: as typed: the failure of the extraction, CircuitOpen, QueueFull, ShuttingDown or
                DeadlineExceeded.
        """
        if job.cookies is not None:  # somebody's own view of the site, never kept
            with self._followers.follow(job, progress):
                return await self._shared(job, caller)
        if not caller.fresh and (kept := self._cache.find(job, trio.current_time())) is not None:
            return kept
        try:
            with self._followers.follow(job, progress):
                return await self._shared(job, caller)
        except CircuitOpen:
            if (kept := self._cache.stand_in(job, trio.current_time())) is not None:
                return kept
            raise

    async def _shared(self, job: Job, caller: Caller) -> Answer:
        timeout = min(self._config.job_timeout, caller.timeout)
        deadline = trio.current_time() + timeout
        run = partial(self._run, job, caller, deadline, timeout)
        with job_measured(self._measured, site_of(job.url)):
            if job.cookies is not None:  # somebody's own view of the site, never another's
                return await run()
            return await self._sharing.share(job, run, deadline=deadline, timeout=timeout)

    async def _run(self, job: Job, caller: Caller, deadline: float, timeout: float) -> Answer:
        if self._interrupted:
            raise ShuttingDown
        self._quarantine.check(job.url, trio.current_time())
        seat: Seat | None = None

        def seated(taken: Seat) -> None:
            nonlocal seat
            seat = taken

        with trio.CancelScope(deadline=deadline) as scope:
            self._running.add(scope)
            try:
                return await self._attempts(job, caller, deadline, seated)
            finally:
                self._running.discard(scope)
                self._followers.ended(job)
                if not self._running:
                    self._emptied.set()
        if self._interrupted:
            raise ShuttingDown
        raise DeadlineExceeded(timeout, running=seat is not None)

    async def _attempts(
        self, job: Job, caller: Caller, deadline: float, seated: Callable[[Seat], None]
    ) -> Answer:
        key = BreakerKey(site_of(job.url))
        queued = 0.0

        def waits(seat: Seat) -> None:
            self._followers.tell(job, Queued(seat.position, seat.expected_wait))

        for attempt in range(1, MAX_ATTEMPTS + 1):
            await self._breakers.ready(key)
            await self._keep_pace(key, deadline)
            ticket = Ticket(caller.client, tier=caller.tier, deadline=deadline, share=caller.share)
            async with self._pool.seat(ticket, waits) as seat:
                seated(seat)
                self._followers.tell(job, Started(attempt))
                queued += seat.waited
                try:
                    outcome = await self._permitted(job, key, seat, deadline)
                finally:
                    self._note_deaths(job, key, seat)
            self._set_pace(key, outcome)
            if isinstance(outcome, Success):
                answer = Answer(
                    outcome.body,
                    outcome.extractor,
                    queued=queued,
                    extracted=outcome.usage.wall,
                    position=seat.position,
                    expected_wait=seat.expected_wait,
                    etag=outcome.etag,
                )
                if job.cookies is not None:
                    return replace(answer, etag="")
                self._cache.keep(job, answer, trio.current_time(), lifetime=outcome.lifetime)
                return answer
            self._report(outcome, key)
            pause = self._pause(outcome, attempt)
            if (
                pause is None
                or trio.current_time() + pause + LEAST_TIME > deadline
                or not self._breakers.admits(key)
            ):
                error = ExtractionError(outcome.code, outcome.message, retry_after=outcome.retry_after)
                if job.cookies is None:
                    self._cache.keep_refusal(job, error, trio.current_time())
                raise error
            self._followers.tell(job, Retrying(attempt + 1, pause, outcome.code, outcome.message))
            await trio.sleep(pause)
        raise AssertionError("the last attempt has no pause")

    async def _permitted(self, job: Job, key: BreakerKey, seat: Seat, deadline: float) -> Outcome:
        """Run `job` under the breakers' permit, settled whatever happens."""
        permit = await self._breakers.admit(key, wait=False)  # the seat is not for waiting
        verdict, retry_after = Verdict.IGNORED, None
        began, ended = trio.current_time(), CANCELLED
        try:
            outcome = await seat.run(job, deadline - began)
            ended = OK if isinstance(outcome, Success) else outcome.code.value
            verdict = verdict_of(outcome)
            retry_after = outcome.retry_after if isinstance(outcome, Failure) else None
            return outcome
        except BaseException as error:
            verdict = verdict_of_exception(error)
            cost = seat.interrupted
            if cost is not None and trio.current_time() >= deadline:
                # The deadline, not a client that left; it blames the site only if the site was waited for.
                ended = Code.DEADLINE.value
                verdict = verdict_of(Failure(Code.DEADLINE, "", waiting=cost.cpu < cost.wall / 2))
            raise
        finally:
            self._breakers.settle(permit, verdict, retry_after=retry_after)
            seconds = trio.current_time() - began
            self._measured.emit(AttemptEnded(key.site, ended, seat.ticket.tier, seat.waited, seconds))

    async def _keep_pace(self, key: BreakerKey, deadline: float) -> None:
        """Wait for the site's pace. Raises ExtractionError (RATE_LIMITED) where that would take too long."""
        now = trio.current_time()
        pace = self._paces.pace(key.site, now)
        wait = pace.wait(now)
        if now + wait + LEAST_TIME > deadline:
            message = f"{key.site} asks to be left in peace for a while; try again later"
            raise ExtractionError(Code.RATE_LIMITED, message, retry_after=wait)
        pace.reserve(now)
        try:
            await trio.sleep(wait)
        except trio.Cancelled:
            pace.refund(trio.current_time())
            raise

    def _set_pace(self, key: BreakerKey, outcome: Outcome) -> None:
        now = trio.current_time()
        if isinstance(outcome, Failure) and outcome.code is Code.RATE_LIMITED:
            self._paces.pace(key.site, now).slow_down(now, retry_after=outcome.retry_after)
        elif verdict_of(outcome) is Verdict.SUCCESS:
            self._paces.pace(key.site, now).speed_up(now)

    def _note_deaths(self, job: Job, key: BreakerKey, seat: Seat) -> None:
        if seat.deaths and self._quarantine.killed(job.url, trio.current_time(), seat.deaths):
            self._events.emit(events.UrlQuarantined(site=key.site, deaths=seat.deaths))

    def _report(self, failure: Failure, key: BreakerKey) -> None:
        if traits(failure.code).blame is Blame.SERVICE:
            self._breakers.service_failed()
        if failure.code is Code.EXTRACTOR_BROKEN:
            self._events.emit(events.ExtractorBroken(site=key.site, extractor=failure.extractor))
        elif failure.code is Code.BLOCKED_TARGET:
            self._events.emit(events.EgressDenied(site=key.site))

    def _pause(self, failure: Failure, attempt: int) -> float | None:
        """Seconds until the next attempt, or None where this failure was the last word."""
        retry = traits(failure.code).retry
        if retry is Retry.NEVER or attempt == MAX_ATTEMPTS or (retry is Retry.ONCE and attempt > 1):
            return None
        backoff: float = BACKOFF * 2 ** (attempt - 1) * (0.75 + 0.5 * self._jitter())
        return max(backoff, failure.retry_after or 0.0)
