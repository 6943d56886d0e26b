"""The other endpoints that one attempt is led to: what it may ask, and what they are told of it afterwards.

A redirect, an embed or a manifest may lead a job anywhere. Each endpoint that it asks gives it a permit and a
turn like that of any other job, and counts what it did itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from ..breaker.classification import call_result_of_visit
from ..breaker.entry import Admission
from ..breaker.key import BreakerKey
from ..breaker.pacing import Pace, Paces
from ..breaker.registry import Breakers
from ..codes import CallResult, Code
from ..errors import CircuitOpen, ExtractionError
from ..wire import Failure, Outcome, Permission
from .site_limits import SiteLimits

LOOK_AGAIN = 1.0  # seconds after which a turn looks again whether it is due
PATIENCE = 2.0  # seconds that a job may wait for a turn elsewhere, while it holds a worker


async def take_turn(pace: Pace, site: str, until: float) -> None:
    """Wait for a turn. Raises ExtractionError (RATE_LIMITED) where that would take longer than `until`."""
    turn = pace.take(trio.current_time())
    try:
        while wait := pace.wait(trio.current_time(), turn):  # a 429 in the meantime makes it longer
            if trio.current_time() + wait > until:
                message = f"{site} asks to be left in peace for a while; try again later"
                raise ExtractionError(Code.RATE_LIMITED, message, retry_after=wait)
            await trio.sleep(min(wait, LOOK_AGAIN))
    except BaseException:
        pace.give_back(trio.current_time())
        raise
    pace.go(trio.current_time())


class Visits:
    """The endpoints of one attempt, from its first request to its settlement.

    Args:
        own: the endpoint of the job's URL.
        permit: the attempt's permit for it. Like those of others, it rests while the job asks elsewhere.
        limits: of how many extractions of one site run at a time.
        tell: called with each place that says how long to leave it alone, and the seconds.

    Attributes:
        asking: the endpoint that is being asked.
    """

    def __init__(
        self,
        breakers: Breakers,
        paces: Paces,
        limits: SiteLimits,
        own: BreakerKey,
        permit: Admission,
        tell: Callable[[str, float], None],
    ) -> None:
        self.asking = own.place
        self._breakers = breakers
        self._paces = paces
        self._limits = limits
        self._own = own
        self._permit = permit
        self._tell = tell
        self._admissions: dict[str, Admission] = {}
        self._held: dict[str, trio.CapacityLimiter] = {}

    @property
    def probing(self) -> bool:
        """Whether a half-open breaker depends on the result."""
        return any(admission.is_probe for admission in self._admissions.values())

    def begin(self) -> None:
        """A run begins at the own endpoint; a worker before may have died while it asked another."""
        if self.asking != self._own.place:
            with self._moving():
                self.asking = self._own.place

    async def enter(self, endpoint: str) -> Permission:
        """Whether the job may ask `endpoint` from now on."""
        with self._moving():
            permission = await self._admit(endpoint)
            if permission.code is None:
                self.asking = endpoint
            return permission

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """Let the permit of the endpoint that was asked rest, until that of the next one goes on."""
        self._breakers.rest(self._permit_for(self.asking))
        try:
            yield
        finally:
            self._leave_places(BreakerKey.of(self.asking).site)
            self._breakers.resume(self._permit_for(self.asking))

    async def _admit(self, endpoint: str) -> Permission:
        if endpoint == self._own.place:
            return Permission()
        key = BreakerKey.of(endpoint)
        if not self._take_place(key.site):
            return Permission(Code.QUEUE_FULL, f"{key.site} is asked by others already; try again later", 1.0)
        if endpoint not in self._admissions:
            pace = self._paces.pace(endpoint, trio.current_time())
            try:
                await take_turn(pace, endpoint, trio.current_time() + PATIENCE)
                self._admissions[endpoint] = self._breakers.visit(key)
            except (ExtractionError, CircuitOpen) as error:
                return Permission(error.code, str(error), error.retry_after)
        return Permission()

    def settle(
        self, outcome: Outcome | None, *, counts: bool, silent: CallResult = CallResult.IGNORED
    ) -> None:
        """Settle every permit, once, and slow down where an endpoint was asked too often.

        Args:
            outcome: the attempt's, if it has one.
            counts: it is the last attempt.
            silent: what counts for the endpoint that was being asked, where there is no outcome.
        """
        self._leave_places()
        told = {visit.endpoint: visit for visit in outcome.usage.elsewhere} if outcome is not None else {}
        for endpoint, admission in self._admissions.items():
            visit, result = told.get(endpoint), CallResult.IGNORED
            if outcome is None and endpoint == self.asking:
                result = silent
            elif outcome is not None and visit is not None and counts:
                result = call_result_of_visit(visit, outcome)
            self._breakers.settle(admission, result, retry_after=visit.retry_after if visit else None)
        self._admissions.clear()
        self._slow_down(outcome)

    def _slow_down(self, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        limited = {visit.endpoint: visit.retry_after for visit in outcome.usage.elsewhere if visit.limited}
        asked = {self._own.name, *(visit.endpoint for visit in outcome.usage.elsewhere)}
        if isinstance(outcome, Failure) and outcome.code is Code.RATE_LIMITED:
            said = outcome.culprit or self._own.name
            if said in asked:  # not where a turn was refused
                limited[said] = outcome.retry_after
        now = trio.current_time()
        for endpoint, retry_after in limited.items():
            self._paces.pace(endpoint, now).slow_down(now, retry_after=retry_after)
            if retry_after:
                self._tell(endpoint, retry_after)

    def _permit_for(self, endpoint: str) -> Admission:
        return self._admissions.get(endpoint, self._permit)

    def _leave_places(self, but: str | None = None) -> None:
        """Leave the places that it has among those who ask a site, except at the site `but`."""
        for site in [site for site in self._held if site != but]:
            self._held.pop(site).release_on_behalf_of(self)

    def _take_place(self, site: str) -> bool:
        """A place among those who ask `site` at a time. Without waiting: the job holds a worker."""
        limiter = self._limits.of(site)
        if limiter is None or site == self._own.site or site in self._held:
            return True
        try:
            limiter.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            return False
        self._held[site] = limiter
        return True
