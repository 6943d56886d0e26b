"""Where every extraction begins: what is kept, what is shared, and the one deadline of the rest.

a result that was kept → an equal job in flight → an errand (`errand.py`) under the deadline that is set here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import trio

from .breaker.pacing import PaceStatistics
from .breaker.registry import Breakers
from .breaker.sites import site_of
from .cache import Cache, CacheStatistics
from .config import Config
from .errand import Desk, Errand
from .errors import CircuitOpen, DeadlineExceeded, ExtractionError, ShuttingDown
from .events import Events
from .pool.pool import Pool
from .progress import Follower
from .quarantine import Quarantine
from .request import Answer, Caller
from .sharing import Sharing
from .telemetry.measurements import job_measured
from .wire import Job


class Dispatcher:
    """Takes jobs to the pool, and knows which are under way.

    Args:
        jitter: a number from 0 to 1, drawn for each pause between attempts.
        measured: is told how long each job and each of its attempts took.
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
    ) -> None:
        self._timeout = config.job_timeout
        caps = {site: trio.CapacityLimiter(places) for site, places in config.site_caps.items()}
        self._desk = Desk(pool, breakers, bus, measured or Events(), jitter, caps)
        self._sharing: Sharing[Answer] = Sharing()
        self._cache = Cache(config.cache_max_bytes, config.cache_ttl)
        self._running: set[trio.CancelScope] = set()
        self._emptied = trio.Event()
        self._interrupted = False

    @property
    def quarantine(self) -> Quarantine:
        """The URLs that kill workers."""
        return self._desk.quarantine

    def cache(self) -> CacheStatistics:
        """How the kept results do."""
        return self._cache.statistics()

    def kept(self, job: Job) -> Answer | None:
        """A fresh result that was kept, if there is one."""
        return self._cache.fresh(job, trio.current_time())

    def paces(self) -> tuple[PaceStatistics, ...]:
        """The pace of each site that was asked lately."""
        return self._desk.paces.statistics(trio.current_time())

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
        with job_measured(self._desk.measured, site_of(job.url)):
            return await self._answer(job, caller, progress)

    async def _answer(self, job: Job, caller: Caller, progress: Follower | None) -> Answer:
        private = job.cookies is not None  # somebody's own view of the site: never kept, never shared
        if not private and not caller.fresh and (kept := self._cache.find(job, trio.current_time())):
            return kept
        timeout = min(self._timeout, caller.timeout)
        deadline = trio.current_time() + timeout
        with self._desk.followers.follow(job, progress):
            if private:
                return replace(await self._run(job, caller, deadline, timeout), etag="")
            run = partial(self._keep, job, caller, deadline, timeout)
            try:
                return await self._sharing.share(job, run, deadline=deadline, timeout=timeout)
            except CircuitOpen:
                if stale := self._cache.stand_in(job, trio.current_time()):
                    return stale
                raise

    async def _keep(self, job: Job, caller: Caller, deadline: float, timeout: float) -> Answer:
        """What `_run` brings, kept for those who ask next; also a refusal that is final."""
        try:
            answer = await self._run(job, caller, deadline, timeout)
        except ExtractionError as error:
            self._cache.keep_refusal(job, error, trio.current_time())
            raise
        self._cache.keep(job, answer, trio.current_time(), lifetime=answer.lifetime)
        return answer

    async def _run(self, job: Job, caller: Caller, deadline: float, timeout: float) -> Answer:
        """One errand, under its deadline."""
        if self._interrupted:
            raise ShuttingDown
        errand = Errand(self._desk, job, caller, deadline)
        with trio.CancelScope(deadline=deadline) as scope:
            self._running.add(scope)
            try:
                return await errand.run()
            finally:
                self._running.discard(scope)
                self._desk.followers.ended(job)
                if not self._running:
                    self._emptied.set()
        if self._interrupted:
            raise ShuttingDown
        raise DeadlineExceeded(timeout, running=errand.running)
