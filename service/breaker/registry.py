"""The breakers of all sites: a bounded registry, the service's own, waiting callers, the cooldown task.

A call takes two permits, its site's and the service's. The service's own breaker is for trouble that no site
causes: no worker boots, or the egress proxy is dead.

The registry is bounded, and only a breaker without state makes room for another, the least recently used one
first. So a flood of junk hosts cannot flush a site's failures. Where every breaker has state, further sites
share one that counts and never refuses: they lose the protection, not the service, and one host among them
cannot block the others. Closed breakers forget after `memory` seconds, so this ends by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from math import inf

import trio

from ..codes import CallResult
from ..errors import CircuitOpen, UnknownSite
from ..events import BreakerChanged, Event, Events, WorkerBootFailed, WorkerEnded, WorkerStarted
from .entry import Admission, Entry
from .key import BreakerKey
from .machine import Breaker, State
from .permit import Permit
from .settings import EVERY_SITE, BreakerSettings, Mode
from .statistics import BreakersStatistics, Totals

_BADNESS = (State.CLOSED, State.HALF_OPEN, State.OPEN)
OVERFLOW = BreakerKey("(further sites)")  # no host name has brackets


class Breakers:
    """All breakers of the service.

    Args:
        settings: of each site without settings of its own.
        overrides: settings by site.
        service: settings of the service's own breaker; None: those of a site, but automatic, without a limit
            on slow calls and without a ramp.
        capacity: breakers kept at a time.
        clock: gives seconds; Trio's clock by default, so callers run in a Trio task.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        events: Events,
        *,
        overrides: Mapping[str, BreakerSettings] | None = None,
        service: BreakerSettings | None = None,
        capacity: int = 512,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._settings = settings
        self._events = events
        self._overrides = dict(overrides or {})
        self._capacity = capacity
        self._clock = clock
        own = service or replace(settings, mode=Mode.AUTOMATIC, slow_after=None, ramp=0.0)
        self._service = Entry(None, "", Breaker(own))
        self._entries: OrderedDict[BreakerKey, Entry] = OrderedDict()
        self._overflow = Entry(OVERFLOW.site, "", Breaker(replace(settings, mode=Mode.METRICS_ONLY)))
        self._evicted = Totals()
        self._mode_for_all: Mode | None = None  # an operator's choice, which holds for new sites too
        self._modes: dict[str, Mode] = {}  # those for single sites, which hold for their new endpoints too
        self._workers: set[int] = set()
        self._due = inf
        self._rescheduled = trio.Event()

    # Calls

    def check(self, key: BreakerKey) -> None:
        """Refuse early a call that would certainly be refused later.

        Raises:
            CircuitOpen: for the site or for the service.
        """
        for entry in (self._service, self._entry(key)):
            if not self._admits(entry) and not self._may_wait(entry):
                entry.breaker.reject()
                raise self._refusal(entry)

    def admits(self, key: BreakerKey) -> bool:
        """Whether a call may be admitted now. Counts nothing."""
        return self._admits(self._service) and self._admits(self._entry(key))

    async def ready(self, key: BreakerKey) -> None:
        """`check`, after waiting for the result of the probes where a half-open breaker is busy.

        For callers that hold nothing which others could use meanwhile, such as a worker.

        Raises:
            CircuitOpen: for the site or for the service.
        """
        self.check(key)
        for entry in (self._service, self._entry(key)):
            await self._probed(entry)
            if not self._admits(entry):
                entry.breaker.reject()
                raise self._refusal(entry)

    async def admit(self, key: BreakerKey, *, wait: bool = True, spent: float = 0.0) -> Admission:
        """A permit for one call; may wait up to `probe_wait` seconds for the result of running probes.

        `spent` is what the same job has waited for the site before, in seconds.

        Raises:
            CircuitOpen: for the site or for the service.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        entry = self._entry(key)
        if wait:
            await self._probed(self._service)
            await self._probed(entry)
        now = self._clock()
        service_permit = self._service.breaker.admit(now)
        self._publish(self._service)
        if service_permit is None:
            raise self._refusal(self._service)
        permit = entry.breaker.admit(now, spent=spent)
        self._publish(entry)
        if permit is None:
            self._settle(self._service, service_permit, CallResult.IGNORED)
            raise self._refusal(entry)
        return Admission(entry, permit, service_permit)

    def visit(self, key: BreakerKey) -> Admission:
        """A permit for an endpoint that a call under way leads to. The call has the service's already.

        Raises:
            CircuitOpen: for the endpoint.
        """
        entry = self._entry(key)
        permit = entry.breaker.admit(self._clock())
        self._publish(entry)
        if permit is None:
            raise self._refusal(entry)
        return Admission(entry, permit, None)

    def rest(self, admission: Admission) -> None:
        """The call asks another endpoint from now on, and may come back."""
        admission.entry.breaker.rest(admission.permit, self._clock())
        self._publish(admission.entry)

    def resume(self, admission: Admission) -> None:
        """The call asks this endpoint from now on."""
        admission.entry.breaker.resume(admission.permit, self._clock())
        self._publish(admission.entry)

    def settle(
        self, admission: Admission, call_result: CallResult, *, retry_after: float | None = None
    ) -> None:
        """Settle the permits with the result of the call, and with the site's Retry-After in seconds.

        Only a success counts for the service too. A fault of the service settles as ignored here, and is
        reported by `service_failed`.

        Raises:
            RuntimeError: the admission was settled before.
        """
        self._settle(admission.entry, admission.permit, call_result, retry_after)
        if admission.service_permit is None:
            return
        heard = call_result if call_result is CallResult.SUCCESS else CallResult.IGNORED
        self._settle(self._service, admission.service_permit, heard)

    def service_failed(self) -> None:
        """Count trouble that no site causes: no worker boots, or the egress proxy is dead."""
        self._feed(CallResult.FAILURE)

    def service_succeeded(self) -> None:
        """Count that the service can work. This closes nothing; only probes can."""
        if self._service.breaker.state is State.CLOSED:
            self._feed(CallResult.SUCCESS)

    def on_event(self, event: Event) -> None:
        """A sink: a failed boot counts against the service while no other worker is in service."""
        if isinstance(event, WorkerStarted):
            self._workers.add(event.pid)
            self.service_succeeded()
        elif isinstance(event, WorkerEnded):
            self._workers.discard(event.pid)
        elif isinstance(event, WorkerBootFailed) and not self._workers:
            self.service_failed()

    # Among instances

    def watched(self) -> list[tuple[str, Breaker]]:
        """The breakers of sites, by name, but those of the operator's account."""
        return [(key.name, entry.breaker) for key, entry in self._entries.items() if not key.account]

    def adopt(self, name: str, seconds: float) -> None:
        """Open the breaker called `name` for so long, as other instances have; see `Breaker.adopt`."""
        if (entry := self._entries.get(BreakerKey.of(name))) is not None:
            now = self._clock()
            entry.breaker.adopt(now + seconds, now)
            self._publish(entry)

    # For the operator; each returns the worst state before and after

    def reset(self, site: str | None = None) -> tuple[str, str]:
        """Reset to the configured mode; None: every breaker, including the service's own.

        Raises:
            UnknownSite: there is no breaker for `site`.
        """
        return self._operate(site, None, lambda breaker, now: breaker.reset(now))

    def close(self, site: str | None = None) -> tuple[str, str]:
        """Close in automatic mode, with the ramp of a recovery. Arguments and errors as `reset`."""
        return self._operate(site, None, lambda breaker, now: breaker.close(now))

    def force_open(self, site: str | None = None, *, expected: bool = False) -> tuple[str, str]:
        """Refuse every call until the operator says otherwise. Arguments and errors as `reset`.

        Args:
            expected: it holds for a site that has no breaker yet, too.
        """
        return self._operate_mode(site, Mode.FORCED_OPEN, expected)

    def disable(self, site: str | None = None, *, expected: bool = False) -> tuple[str, str]:
        """Admit every call until the operator says otherwise. Arguments and errors as `force_open`."""
        return self._operate_mode(site, Mode.DISABLED, expected)

    def chosen_modes(self) -> dict[str, Mode]:
        """The operator's choices, by site; a star is all of them."""
        return {**({EVERY_SITE: self._mode_for_all} if self._mode_for_all else {}), **self._modes}

    @property
    def held_open(self) -> bool:
        """Whether the operator has opened every breaker, those of new sites included."""
        return self._mode_for_all is Mode.FORCED_OPEN

    def statistics(self) -> BreakersStatistics:
        now = self._clock()
        entries = [*self._entries.values()]
        if self._overflow.breaker.totals.requests:
            entries.append(self._overflow)
        sites = tuple(entry.statistics(now) for entry in entries)
        service = self._service.statistics(now)
        totals = Totals()
        for counted in (self._evicted, *(entry.breaker.totals for entry in entries)):
            totals.add(counted)
        for entry in (*entries, self._service):
            self._publish(entry)
        return BreakersStatistics(
            state=max((State(each.state) for each in (*sites, service)), key=_BADNESS.index),
            failures=sum(site.failures for site in sites),
            successes=sum(site.successes for site in sites),
            total_requests=totals.requests,
            total_failures=totals.failures,
            total_successes=totals.successes,
            rejected_requests=totals.rejected,
            ignored_requests=totals.ignored,
            opened_count=totals.opened,
            config=asdict(self._settings),
            sites=sites,
            service=service,
        )

    @property
    def known(self) -> int:
        """How many sites have a breaker."""
        return len(self._entries)

    # Time

    async def until_due(self) -> None:
        """Sleep until the next timed transition of any breaker is due."""
        while True:
            entries = (self._service, *self._entries.values())
            self._due = min(entry.breaker.next_deadline() for entry in entries)
            self._rescheduled = trio.Event()
            with trio.CancelScope(deadline=self._due) as sleep:
                await self._rescheduled.wait()
            if sleep.cancelled_caught:
                return

    def tick(self) -> None:
        """Do what is due, emit events, wake waiting callers."""
        now = self._clock()
        for entry in (self._service, *self._entries.values()):
            entry.breaker.tick(now)
            self._publish(entry)

    # Internals

    def _entry(self, key: BreakerKey) -> Entry:
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= self._capacity and not self._evict():
                return self._overflow
            breaker = Breaker(self._overrides.get(key.site, self._settings))
            chosen = self._modes.get(key.name) or self._modes.get(key.site) or self._mode_for_all
            if chosen is not None:
                breaker.set_mode(chosen, self._clock())
                breaker.take_changes()  # its initial mode is no transition
            entry = self._entries[key] = Entry(key.name, key.egress, breaker)
        self._entries.move_to_end(key)
        return entry

    def _evict(self) -> bool:
        now = self._clock()
        for key, entry in self._entries.items():
            if entry.breaker.forgettable(now) and not entry.waiting:
                self._evicted.add(entry.breaker.totals)
                del self._entries[key]
                return True
        return False

    def _admits(self, entry: Entry) -> bool:
        admitted = entry.breaker.admits(self._clock())
        self._publish(entry)
        return admitted

    def _may_wait(self, entry: Entry) -> bool:
        settings = entry.breaker.settings
        free = settings.probe_wait > 0 and entry.waiting < settings.probe_waiters
        return free and entry.breaker.crowded(self._clock())

    async def _probed(self, entry: Entry) -> None:
        """Wait while all probe permits are taken, if the settings allow it and a place is free."""
        if not self._may_wait(entry):
            return
        with trio.move_on_after(entry.breaker.settings.probe_wait):
            while entry.breaker.crowded(self._clock()):
                await entry.queue.park()

    def _refusal(self, entry: Entry) -> CircuitOpen:
        return CircuitOpen(entry.site, entry.breaker.retry_after(self._clock()))

    def _settle(
        self, entry: Entry, permit: Permit, call_result: CallResult, retry_after: float | None = None
    ) -> None:
        entry.breaker.settle(permit, call_result, self._clock(), retry_after=retry_after)
        self._publish(entry)

    def _feed(self, call_result: CallResult) -> None:
        """Count an observation of the service as a call of no duration."""
        breaker, now = self._service.breaker, self._clock()
        if breaker.admits(now) and (permit := breaker.admit(now)):
            breaker.settle(permit, call_result, now)
        self._publish(self._service)

    def _publish(self, entry: Entry) -> None:
        """After each step of a breaker: emit its transitions, wake its waiters, reschedule the task."""
        for change in entry.breaker.take_changes():
            self._events.emit(BreakerChanged(entry.site, change.previous, change.current, change.reason))
        if entry.breaker.state is State.HALF_OPEN:
            entry.queue.unpark(count=entry.breaker.free_probes)
        else:
            entry.queue.unpark_all()
        if entry.breaker.next_deadline() < self._due:
            self._rescheduled.set()

    def _operate(
        self,
        site: str | None,
        mode: Mode | None,
        step: Callable[[Breaker, float], None],
        *,
        expected: bool = False,
    ) -> tuple[str, str]:
        entries = [
            entry for key, entry in self._entries.items() if site is None or site in (key.site, key.name)
        ]
        if not (entries or site is None or site in self._modes or expected):
            raise UnknownSite(site)
        if site is None:
            self._mode_for_all = mode
            self._modes.clear()
            entries.append(self._service)
        elif mode is None:
            self._modes.pop(site, None)
        else:
            self._modes[site] = mode
        now = self._clock()
        before = _worst(entries)
        for entry in entries:
            step(entry.breaker, now)
        after = _worst(entries)
        for entry in entries:
            self._publish(entry)
        return before, after

    def _operate_mode(self, site: str | None, mode: Mode, expected: bool) -> tuple[str, str]:
        return self._operate(site, mode, lambda breaker, now: breaker.set_mode(mode, now), expected=expected)


def _worst(entries: list[Entry]) -> str:
    breakers = (entry.breaker for entry in entries)
    worst = max(breakers, key=lambda each: _BADNESS.index(each.state), default=None)
    return State.CLOSED.value if worst is None else worst.label


async def cooldowns(
    breakers: Breakers, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """The breaker task: applies each timed transition at its time, also without calls."""
    task_status.started()
    while True:
        await breakers.until_due()
        breakers.tick()
