"""The way out of one execution: the egress of its attempts, and another where one is to blame for a failure.

All requests of an attempt leave through one egress, and further attempts keep it. A failure that blames the
egress is tried again on another at once. One that may be the fault of either, site or egress, blames the
egress only where another succeeds with the same job.
"""

from __future__ import annotations

from dataclasses import replace

import trio

from .. import events
from ..breaker.pacing import Paces
from ..breaker.sites import site_of_endpoint
from ..codes import TRAITS, CallResult, Code, EgressBlame
from ..egress.egress import ROTATION, Egress
from ..egress.health import WHOLE, Permits
from ..egress.pool import EgressPool
from ..errors import ExtractionError
from ..wire import Failure, Job, Outcome, Success
from .request import Answer

AT_ONCE = frozenset((EgressBlame.HERE, EgressBlame.WHOLE, EgressBlame.CLASS))
BY_PAIR = frozenset((EgressBlame.PAIR, EgressBlame.REACH))


class Way:
    """The only way out there is: nothing is chosen, and nothing is told of it.

    Attributes:
        paces: of the sites, as they are asked this way.
    """

    def __init__(self, paces: Paces) -> None:
        self.paces = paces

    @property
    def moving(self) -> bool:
        """Whether the next attempt goes another way, so that this one says nothing about the site."""
        return False

    @property
    def trusted(self) -> bool:
        """Whether it works, as far as is known, so that silence is the site's."""
        return True

    @property
    def name(self) -> str:
        """The name of the egress; empty where there is only one."""
        return ""

    @property
    def last_hope(self) -> bool:
        """Whether the service reaches nothing where this way fails."""
        return True

    async def begin(self, until: float) -> None:
        """Choose, before an attempt waits for its pace and its worker."""

    def route(self, job: Job) -> Job:
        """The job for the worker, with its egress."""
        return job

    def after(self, failure: Failure, pause: float | None, *, last: bool) -> float | None:
        """The pause before the next attempt, given that of the code; None where there is none.

        Args:
            last: there is no time or no attempt left.
        """
        return pause

    def settle(self, outcome: Outcome | None) -> None:
        """Learn from an attempt, once; None: it has no outcome."""

    def sign(self, answer: Answer) -> Answer:
        """The answer, with the egress that it came through."""
        return answer

    def end(self) -> None:
        """The execution is over."""


class ChosenWay(Way):
    """The egresses of one execution, one after the other."""

    def __init__(self, pool: EgressPool, job: Job, site: str, bus: events.Events) -> None:
        self._pool = pool
        self._job = job
        self._site = site
        self._bus = bus
        self._egress: Egress | None = None
        self._next: Egress | None = None
        self._permits: Permits | None = None
        self._tried: set[str] = set()
        self._shunned: set[str] = set()
        self._suspects: list[tuple[str, str, EgressBlame]] = []  # identity, site

    @property
    def moving(self) -> bool:
        return self._next is not None

    @property
    def trusted(self) -> bool:
        return not self._pool.health.failing(WHOLE, self._held.identity, trio.current_time())

    @property
    def name(self) -> str:
        return self._held.name

    @property
    def last_hope(self) -> bool:
        return not self._pool.is_alive(trio.current_time())

    async def begin(self, until: float) -> None:
        """Raises ExtractionError: no egress may be used for this, or none before `until`."""
        chosen = self._next or self._egress or self._choose()
        self._next = None
        if chosen is None:
            message = f"the egress {self._job.egress} does not take {self._site}; leave the field egress out"
            raise ExtractionError(Code.INVALID_REQUEST, message)
        self._hold(chosen)
        now = trio.current_time()
        wait = self._pool.wait(chosen, now)
        if wait and now + wait > until:
            message = "no egress may be used more often at the moment; try again later"
            raise ExtractionError(Code.RATE_LIMITED, message, retry_after=wait)
        self._pool.take_turn(chosen, now)
        if wait:
            await trio.sleep(wait)

    def route(self, job: Job) -> Job:
        now, egress = trio.current_time(), self._held
        bound = job.cookies is not None
        if not bound and not self._pool.suits(egress, self._site, now):  # it was quarantined meanwhile
            self._hold(self._choose() or egress)
            egress = self._held
        self._permits = self._pool.health.begin(self._site, egress.identity, now)
        return replace(job, route=self._pool.route(egress, self._site, now))

    def after(self, failure: Failure, pause: float | None, *, last: bool) -> float | None:
        blame = TRAITS[failure.code].egress
        may_move = blame in AT_ONCE or (blame in BY_PAIR and pause is not None)
        if last or not may_move or self._job.cookies is not None:
            return pause
        if blame is EgressBlame.CLASS:
            if self._shunned:  # it has been to another country already
                return pause
            self._shunned.add(self._held.egress_class)
        self._tried.add(self._held.identity)
        self._next = self._choose()
        if self._next is None:
            identity, now = self._held.identity, trio.current_time()
            return pause if self._pool.health.usable(WHOLE, identity, now) else None
        self._pool.moved()
        return 0.0 if blame in AT_ONCE else pause

    def settle(self, outcome: Outcome | None) -> None:
        if self._permits is None:
            return
        permits, self._permits = self._permits, None
        now, health = trio.current_time(), self._pool.health
        site, whole = _verdict(outcome)
        failure = outcome if isinstance(outcome, Failure) else None
        asked = failure.retry_after if failure is not None and not failure.culprit else None
        health.end(permits, now, site=site, whole=whole, retry_after=asked)
        blame = TRAITS[failure.code].egress if failure is not None else EgressBlame.NONE
        if failure is not None:
            self._suspect(failure, blame, now)
        elif outcome is not None:
            self._clear_up(now)
        if outcome is not None:
            self._pool.count(self._held, failed=blame in (EgressBlame.HERE, EgressBlame.WHOLE))
        self._publish()

    def sign(self, answer: Answer) -> Answer:
        egress, lifetime = self._held, answer.lifetime
        if egress.rotates:  # its media URLs hold for an address that the next hour replaces
            left = ROTATION - trio.current_time() % ROTATION
            lifetime = left if lifetime is None else min(lifetime, left)
        return replace(answer, egress=egress.name, lifetime=lifetime)

    def end(self) -> None:
        if self._egress is not None:
            self._pool.let_go(self._egress)
            self._egress = None

    @property
    def _held(self) -> Egress:
        assert self._egress is not None
        return self._egress

    def _hold(self, egress: Egress) -> None:
        if egress is not self._egress:
            self.end()
            self._egress = egress
            self.paces = self._pool.paces(egress)
            self._pool.hold(egress)

    def _choose(self) -> Egress | None:
        job = self._job
        return self._pool.choose(
            self._site,
            trio.current_time(),
            url=job.url,
            wanted=job.egress,
            jar=job.cookies,
            tried=self._tried,
            shunned=self._shunned,
        )

    def _suspect(self, failure: Failure, blame: EgressBlame, now: float) -> None:
        site = site_of_endpoint(failure.culprit) if failure.culprit else self._site
        if blame in BY_PAIR:
            self._suspects.append((self._held.identity, site, blame))
        # Not where a turn elsewhere was refused here, and nobody was asked.
        elif blame is EgressBlame.HERE and failure.culprit in {it.endpoint for it in failure.usage.elsewhere}:
            self._pool.health.blame(site, self._held.identity, now)

    def _clear_up(self, now: float) -> None:
        """The job has succeeded here, so those that failed it are to blame."""
        health = self._pool.health
        for identity, site, blame in self._suspects:
            if identity != self._held.identity:
                (health.unreached if blame is EgressBlame.REACH else health.blame)(site, identity, now)
        self._suspects.clear()
        if self._shunned:
            self._pool.remember_place(self._job.url, self._held.egress_class)

    def _publish(self) -> None:
        for change in self._pool.health.take_changes():
            names, site = self._pool.sharing(change.egress), change.site or None
            if change.seconds is None:
                self._bus.emit(events.EgressRecovered(names, site))
            else:
                self._bus.emit(events.EgressQuarantined(names, site, change.reason, change.seconds))


def _verdict(outcome: Outcome | None) -> tuple[CallResult, CallResult]:
    """What an attempt says of its egress at the site of the job, and as a whole."""
    if outcome is None:
        return CallResult.IGNORED, CallResult.IGNORED
    if isinstance(outcome, Success):
        return CallResult.SUCCESS, CallResult.SUCCESS
    traits = TRAITS[outcome.code]
    if traits.egress is EgressBlame.WHOLE:
        return CallResult.IGNORED, CallResult.FAILURE
    if traits.egress is EgressBlame.HERE and not outcome.culprit:
        return CallResult.FAILURE, CallResult.SUCCESS
    if traits.counts is CallResult.SUCCESS and not outcome.culprit and outcome.usage.site_requests:
        return CallResult.SUCCESS, CallResult.SUCCESS
    return CallResult.UNDECIDED, CallResult.UNDECIDED
