"""The dispatcher, where every extraction begins. It sets the one deadline of a job.

It tries a cached result, asks the quarantine, then tries an equal job in flight, here or at another instance,
then an execution (`execution.py`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import trio

from ..breaker.key import BreakerKey
from ..breaker.machine import State
from ..breaker.pacing import PaceStatistics
from ..breaker.registry import Breakers
from ..breaker.sites import endpoint_of, site_of_endpoint
from ..cluster.port import Alone, Cluster
from ..config import Config
from ..egress.pool import EgressPool, EgressPoolStatistics
from ..errors import CircuitOpen, DeadlineExceeded, ExtractionError, ShuttingDown, UnknownSite
from ..events import EgressQuarantined, Event, Events
from ..pool.pool import Pool
from ..releases.trial import Trial
from ..telemetry.measurements import job_measured
from ..wire import Job
from .accounts import Accounts
from .cache import Cache, CacheStatistics
from .execution import Collaborators, Execution, JobContext
from .progress import ProgressListener
from .quarantine import Quarantine
from .request import Answer, Caller
from .single_flight import SingleFlight
from .site_limits import SiteLimits
from .terms import Terms

COMPARISON = "comparison of releases"  # a client whose tier comes after all others


class Dispatcher:
    """Answers jobs, and knows which executions are under way.

    Args:
        jitter: a number from 0 to 1, drawn for each pause between attempts.
        measured: the bus that gets the measurements of jobs and attempts.
        trial: the release of yt-dlp that is being tried, if there is one.
        cluster: the other instances, if there are any.
        egresses: the ways out, where there are several.
    """

    def __init__(
        self,
        config: Config,
        pool: Pool,
        breakers: Breakers,
        bus: Events,
        *,
        jitter: Callable[[], float] = random.random,
        measured: Events | None = None,
        trial: Trial | None = None,
        cluster: Cluster | None = None,
        egresses: EgressPool | None = None,
    ) -> None:
        self._timeout = config.job_timeout
        limits = SiteLimits(config.site_limit)
        self._with = Collaborators(
            pool,
            breakers,
            bus,
            measured or Events(),
            jitter,
            limits,
            trial or Trial(),
            egresses=egresses,
            cluster=cluster or Alone(),
        )
        self._egresses = egresses
        bus.subscribe(self._on_event)
        self._flights: SingleFlight[Answer] = SingleFlight()
        self._accounts = Accounts(config.ytdlp_options, bus)
        self._cache = Cache(config.cache_max_bytes, config.cache_ttl)
        self._shared: dict[Job, Execution] = {}  # those of the flights, which others may join
        self._running: set[trio.CancelScope] = set()
        self._emptied = trio.Event()
        self._interrupted = False

    @property
    def quarantine(self) -> Quarantine:
        """The URLs that kill workers."""
        return self._with.quarantine

    def cache(self) -> CacheStatistics:
        """A snapshot of the cache."""
        return self._cache.statistics()

    def kept(self, job: Job) -> Answer | None:
        """A fresh result from the cache, if there is one."""
        return self._cache.fresh(job, trio.current_time()) or self._kept_for_any(job)

    def purge(self, ytdlp: str) -> int:
        """Forget the results of a release of yt-dlp, at every instance; returns how many were here."""
        self._with.cluster.purge(ytdlp)
        return self.forget(ytdlp)

    def forget(self, ytdlp: str) -> int:
        """As `purge`, for this instance."""
        return self._cache.purge(ytdlp)

    async def rerun(self, job: Job, *, canary: bool) -> Answer:
        """The answer of one release to `job`, neither from the cache nor for it.

        Raises:
            ServiceError: as for `submit`.
        """
        key = BreakerKey.of(endpoint_of(job.url))
        caller = Caller(COMPARISON, tier=9)
        terms = Terms(caller, trio.current_time() + self._timeout, self._timeout)
        return await self._run(job, Execution(self._with, JobContext(job, key, terms, canary)))

    def paces(self) -> tuple[PaceStatistics, ...]:
        """The pace of each site that was requested lately."""
        now = trio.current_time()
        return self._egresses.pace_statistics(now) if self._egresses else self._with.paces.statistics(now)

    def pause(self, egress: str, place: str, seconds: float) -> None:
        """Let nobody ask `place` through `egress` for so long; "" is the only one there is."""
        now = trio.current_time()
        if self._egresses is not None:
            self._egresses.pause(egress, place, seconds, now)
        elif not egress:
            self._with.paces.pace(place, now).pause(now, seconds)

    def egresses(self) -> EgressPoolStatistics:
        """A snapshot of the egress pool, if there is one."""
        return self._egresses.statistics(trio.current_time()) if self._egresses else EgressPoolStatistics()

    def reset(self, site: str | None = None) -> tuple[str, str]:
        """Reset the breaker of `site`, or all, and forget how fast it may be asked.

        Returns the worst state before and after. Raises UnknownSite.
        """
        forgotten = self._with.paces.forget(site)
        if self._egresses is not None:
            forgotten = self._egresses.reset(site, trio.current_time())
        try:
            return self._with.breakers.reset(site)
        except UnknownSite:
            if not forgotten:
                raise
            return State.CLOSED, State.CLOSED

    def interrupt(self) -> int:
        """Stop every execution, now and from now on, with ShuttingDown; returns how many ran."""
        self._interrupted = True
        for scope in self._running:
            scope.cancel()
        return len(self._running)

    async def idle(self) -> None:
        """Return as soon as no execution is under way."""
        while self._running:
            self._emptied = trio.Event()
            await self._emptied.wait()

    async def run_flights(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The task that shared executions run in, so that each caller may leave at its own deadline."""
        await self._flights.run(task_status=task_status)

    async def submit(self, job: Job, caller: Caller, *, progress: ProgressListener | None = None) -> Answer:
        """The answer to `job`; `progress` gets its progress, and must not raise.

        Cancellation stops the extraction, unless another caller waits for an equal one.

        Raises:
            ServiceError: as typed: the failure of the extraction, CircuitOpen, QueueFull, ShuttingDown or
                DeadlineExceeded.
        """
        timeout = min(self._timeout, caller.timeout)
        endpoint = endpoint_of(job.url)
        account = self._accounts.of(site_of_endpoint(endpoint)) if job.cookies is None else None
        key = BreakerKey.of(endpoint, account=account is not None)
        hurried = timeout < self._timeout
        terms = Terms(caller, trio.current_time() + timeout, timeout, hurried=hurried)
        context = JobContext(job, key, terms)
        if account is not None:
            cookies = None if account.shared else account.cookies  # those make a job private
            context = replace(context, job=replace(job, cookies=cookies), cookies=account.cookies)
        caller.tally.begin(key.site, "hit")
        with job_measured(self._with.measured, key.site, caller.request_id):
            return await self._answer(context, progress)

    async def _answer(self, context: JobContext, progress: ProgressListener | None) -> Answer:
        job, terms, now = context.job, context.terms, trio.current_time()
        private = job.cookies is not None  # never cached, never shared
        fresh = private or terms.caller.fresh
        if not fresh and (kept := self._kept_for_any(job) or self._cache.find(job, now)):
            return kept
        tally = terms.caller.tally
        tally.cache = "miss"
        # Before a flight is joined, which may be that of a client whom the quarantine lets through.
        self._with.quarantine.check(job.url, terms.caller.client, now, cookies=private)
        with self._with.progress.subscribe(job, progress):
            if private:
                return replace(await self._run(job, Execution(self._with, context)), etag="")
            tally.cache = "shared"  # unless it runs for this caller
            deadline, timeout = terms.deadline, terms.timeout  # its own; those of the flight may get better
            shared = self._shared.get(job)
            if shared is not None and self._flights.joinable(job):
                shared.join(terms)
            else:
                shared = self._shared[job] = Execution(self._with, context)
            running = partial(getattr, shared.terms, "running")
            run = partial(self._run_and_keep, job, shared)
            try:
                return await self._flights.do(job, run, deadline=deadline, timeout=timeout, running=running)
            except CircuitOpen:
                if stale := self._cache.stand_in(job, trio.current_time()):
                    tally.cache = "stale"
                    return stale
                raise

    def _kept_for_any(self, job: Job) -> Answer | None:
        """A result for clients that want no particular egress, which came through one that `job` asks for."""
        if not job.egress or self._egresses is None:
            return None
        names = self._egresses.meant(job.egress)
        return self._cache.fresh(replace(job, egress=""), trio.current_time(), names)

    def _on_event(self, event: Event) -> None:
        """A sink: an egress that is gone takes its media URLs along."""
        if isinstance(event, EgressQuarantined) and event.site is None:
            self._cache.purge_egresses(event.egresses)

    async def _run_and_keep(self, job: Job, execution: Execution) -> Answer:
        """The answer, which is also cached, as is a final refusal."""
        try:
            fresh = execution.terms.caller.fresh
            answer = await self._run(
                job, execution, partial(self._with.cluster.once, job, execution.run, fresh=fresh)
            )
        except ExtractionError as error:
            self._cache.keep_refusal(job, error, trio.current_time())
            raise
        finally:
            if self._shared.get(job) is execution:
                del self._shared[job]
        self._cache.keep(job, answer, trio.current_time(), lifetime=answer.lifetime)
        return answer

    async def _run(
        self, job: Job, execution: Execution, run: Callable[[], Awaitable[Answer]] | None = None
    ) -> Answer:
        """One execution, or `run`, which may do without one, under its deadline."""
        if self._interrupted:
            raise ShuttingDown
        terms = execution.terms
        terms.caller.tally.cache = "miss"
        with terms.scope as scope:
            self._running.add(scope)
            try:
                answer = await (run or execution.run)()
                if answer.age is not None:
                    terms.caller.tally.cache = "hit"
                return answer
            finally:
                self._running.discard(scope)
                self._with.progress.ended(job)
                if not self._running:
                    self._emptied.set()
        if self._interrupted:
            raise ShuttingDown
        raise DeadlineExceeded(terms.timeout, running=terms.running)
