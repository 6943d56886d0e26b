"""One circuit breaker: a pure state machine on single-use permits. No clock, no I/O; every step takes `now`.

    CLOSED ──(too many failed or slow)──▶ OPEN ──(cooldown over)──▶ HALF_OPEN ──(enough successes)──▶ CLOSED
                                           ▲                            │
                                           └──(a probe fails or hangs)──┘

Each transition begins a new generation. A permit belongs to the generation that granted it, so the result of
a call that began before a transition moves nothing after it. Timed transitions happen in whichever step comes
first at or after their time; `next_deadline()` tells the cooldown task when to call `tick(now)`.

Other instances may open it, too (`adopt`); what follows is its own.

A half-open breaker without calls stays half-open: there is no evidence either way. With calls, the time limit
of each probe bounds that state.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from ..codes import CallResult
from .permit import Permit
from .settings import BreakerSettings, Mode
from .statistics import BreakerStatistics, Totals


class State(StrEnum):
    """The state of an automatic breaker."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Change:
    """A transition that happened; `reason` is a short sentence."""

    previous: str
    current: str
    reason: str


class Breaker:
    """The state machine. `randomness` gives numbers in [0, 1), for the jitter of the cooldown."""

    def __init__(self, settings: BreakerSettings, randomness: Callable[[], float] = random.random) -> None:
        self.settings = settings
        self.totals = Totals()
        self._randomness = randomness
        self._changes: list[Change] = []
        self._now = -inf
        self._generation = 0
        self._running: dict[Permit, None] = {}  # permits of this generation, the oldest first
        self._stale: set[Permit] = set()  # permits of older generations
        self._window = settings.new_window()
        self._last_outcome = -inf
        self._streak = 0
        self._state = State.CLOSED
        self._mode = settings.mode
        self._open_until = inf
        self._adopted = False  # it is open because other instances' are
        self._embargo = -inf  # the end of the site's own Retry-After
        self._next_cooldown = settings.cooldown
        self._probe_successes = 0
        self._held: list[float] = []  # when the permits of undecided probes are free again
        self._since = -inf  # the time of the last transition
        self._ramp_start = -inf
        self._ramp_credit = 0.0

    # Queries

    @property
    def state(self) -> State:
        return State.OPEN if self._mode is Mode.FORCED_OPEN else self._state

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def label(self) -> str:
        """The state for people and events, or the mode that overrules it."""
        return str(self._state if self._mode is Mode.AUTOMATIC else self._mode)

    @property
    def free_probes(self) -> int:
        """How many probes a half-open breaker would admit now; 0 in every other state."""
        if self._state is not State.HALF_OPEN:
            return 0
        probing = sum(not permit.resting for permit in self._running)
        return max(0, self.settings.probes - probing - len(self._held))

    def admits(self, now: float) -> bool:
        """Whether a call may be admitted now; true during a ramp. Takes no permit."""
        self._advance(now)
        return self.state is State.CLOSED or self.free_probes > 0

    def crowded(self, now: float) -> bool:
        """Whether it is half-open with all probe permits taken, so that waiting may help."""
        self._advance(now)
        return self._state is State.HALF_OPEN and self.free_probes == 0

    def retry_after(self, now: float) -> float | None:
        """Seconds after which a refused call may be admitted; None where the operator decides."""
        now = self._advance(now)
        if self._mode is Mode.FORCED_OPEN:
            return None
        return self._open_until - now if self._state is State.OPEN else 1.0

    def vote(self, now: float) -> float:
        """Seconds for which it stays open by its own evidence, which others may go by; else 0."""
        now = self._advance(now)
        own = self._state is State.OPEN and self._mode is Mode.AUTOMATIC and not self._adopted
        return self._open_until - now if own else 0.0

    def next_deadline(self) -> float:
        """The time of the next timed step, always later than the last step; infinite where there is none."""
        if self._mode is not Mode.AUTOMATIC:
            return inf
        if self._state is State.OPEN:
            return self._open_until
        if self._state is State.HALF_OPEN:
            hung = (permit.since + self.settings.half_open_max for permit in self._running)
            return min(*hung, *self._held, inf, inf)
        if self.settings.slow_after is None:
            return inf
        slow = (permit.since + self.settings.slow_after for permit in self._running)
        return min((moment for moment in slow if moment > self._now), default=inf)

    def forgettable(self, now: float) -> bool:
        """Whether it carries no state, so that a new breaker in its place would behave the same."""
        now = self._advance(now)
        if self._running or self._stale or self._mode is not self.settings.mode:
            return False
        if self._state is State.CLOSED:
            counts = self._window.counts(now)
            return not (counts.failures or counts.slow or self._streak) and self.ramp_share(now) == 1.0
        abandoned = now - max(self._since, self._last_outcome) > self.settings.memory
        return self._state is State.HALF_OPEN and abandoned

    def ramp_share(self, now: float) -> float:
        """The share of calls that is admitted: grows linearly after a closing, else 1."""
        elapsed, start = now - self._ramp_start, self.settings.ramp_from
        if elapsed >= self.settings.ramp:
            return 1.0
        return start + (1.0 - start) * elapsed / self.settings.ramp

    def statistics(
        self, now: float, *, site: str = "", egress: str = "", waiting: int = 0
    ) -> BreakerStatistics:
        now = self._advance(now)
        counts = self._window.counts(now)
        opened = self._state is State.OPEN and self._mode is Mode.AUTOMATIC
        half_open = self._state is State.HALF_OPEN
        return BreakerStatistics(
            site=site,
            egress=egress,
            state=str(self.state),
            mode=str(self._mode),
            failures=counts.failures,
            successes=self._probe_successes if half_open else counts.calls - counts.failures,
            slow_calls=counts.slow + (0 if half_open else self._overdue(now)),
            total_requests=self.totals.requests,
            total_failures=self.totals.failures,
            total_successes=self.totals.successes,
            rejected_requests=self.totals.rejected,
            ignored_requests=self.totals.ignored,
            opened_count=self.totals.opened,
            in_flight=len(self._running) + len(self._stale),
            probes=len(self._running) if half_open else 0,
            waiting=waiting,
            streak=self._streak,
            cooldown_remaining=self._open_until - now if opened else None,
            retry_after=None if self.admits(now) else self.retry_after(now),
            ramp_share=self.ramp_share(now),
        )

    # Calls

    def admit(self, now: float, *, spent: float = 0.0) -> Permit | None:
        """A permit, to be settled exactly once; None where the call is refused.

        Args:
            spent: seconds that the same job has waited for the site before; they count towards `slow_after`.
        """
        now = self._advance(now)
        if not self.admits(now) or not self._ramp_admits(now):
            self.reject()
            return None
        self.totals.requests += 1
        is_probe = self._state is State.HALF_OPEN
        permit = Permit(self._generation, is_probe, now if is_probe else now - spent)
        self._running[permit] = None
        return permit

    def reject(self) -> None:
        """Count a call that was refused before it asked for a permit."""
        self.totals.requests += 1
        self.totals.rejected += 1

    def settle(
        self, permit: Permit, call_result: CallResult, now: float, *, retry_after: float | None = None
    ) -> None:
        """Settle `permit` with the result of its call, and with the site's Retry-After in seconds.

        The longest Retry-After holds, also one of an older generation, because the site has said it. It holds
        from the next trip on, or at once where the breaker is open.

        Raises:
            RuntimeError: the permit was settled before, or another breaker granted it.
        """
        now = self._advance(now)
        if permit not in self._running and permit not in self._stale:
            raise RuntimeError("a permit is settled once, by the breaker that granted it")
        if retry_after is not None and call_result is CallResult.FAILURE:
            self._embargo = max(self._embargo, now + min(retry_after, self.settings.retry_after_cap))
            if self._state is State.OPEN:
                self._open_until = max(self._open_until, self._embargo)
        if permit in self._stale:
            self._stale.remove(permit)
            self.totals.ignored += 1
            return
        del self._running[permit]
        if call_result is CallResult.SUCCESS or call_result is CallResult.FAILURE:
            self._count(permit, call_result is CallResult.FAILURE, now)
            return
        self.totals.ignored += 1
        if permit.is_probe and call_result is CallResult.UNDECIDED:
            comes_back = now - permit.seconds(now) + self.settings.cooldown
            if comes_back > now:
                self._held.append(comes_back)

    def rest(self, permit: Permit, now: float) -> None:
        """The call asks another site from now on, which is neither this one's slowness nor its probe."""
        self._advance(now)
        permit.waited, permit.since = permit.seconds(now), inf

    def resume(self, permit: Permit, now: float) -> None:
        """The call asks this site again."""
        self._advance(now)
        permit.since = now - permit.seconds(now)

    def adopt(self, until: float, now: float) -> None:
        """Open until then, because other instances have; then it probes by itself.

        Only where it is closed and decides by itself, and not within a cooldown after its last transition:
        what its own probes or an operator have just said counts more.
        """
        now, settings = self._advance(now), self.settings
        settled = now - self._since >= settings.cooldown
        if self._mode is Mode.AUTOMATIC and self._state is State.CLOSED and settled and until > now:
            longest = max(settings.cooldown, settings.cooldown_cap, settings.retry_after_cap)
            self._open_until = max(min(until, now + longest), self._embargo)
            self.totals.opened += 1
            self._enter(State.OPEN, Mode.AUTOMATIC, "other instances have opened it")
            self._adopted = True

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._advance(now)

    def take_changes(self) -> list[Change]:
        """The transitions since the last call."""
        changes, self._changes = self._changes, []
        return changes

    # The operator

    def reset(self, now: float) -> None:
        """Reset to the configured mode; only the totals stay."""
        self._now = max(self._now, now)
        self._close("it was reset", self.settings.mode)
        self._ramp_start = -inf

    def close(self, now: float) -> None:
        """Close it as if it had just recovered, in automatic mode."""
        self._now = max(self._now, now)
        self._close("an operator closed it", Mode.AUTOMATIC)

    def set_mode(self, mode: Mode, now: float) -> None:
        """Give the decision to the operator, or back to the breaker, which then begins closed."""
        self._now = max(self._now, now)
        if mode is not self._mode:
            self._close(f"an operator chose {mode}", mode)

    # Steps

    def _advance(self, now: float) -> float:
        """Do what is due at `now`; returns the time, which never runs backwards."""
        now = self._now = max(self._now, now)
        if now - self._last_outcome > self.settings.memory and self._state is State.CLOSED:
            self._forget()
        if self._mode is not Mode.AUTOMATIC:
            return now
        if self._state is State.OPEN and now >= self._open_until:
            self._forget()
            self._enter(State.HALF_OPEN, Mode.AUTOMATIC, "the cooldown is over")
        elif self._state is State.HALF_OPEN:
            self._held = [moment for moment in self._held if moment > now]
            if any(now >= permit.since + self.settings.half_open_max for permit in self._running):
                self._trip(f"a probe gave no answer within {self.settings.half_open_max:g} s")
        elif self._state is State.CLOSED and self.settings.slow_after is not None:
            self._judge(now)
        return now

    def _count(self, permit: Permit, failed: bool, now: float) -> None:
        limit = self.settings.slow_after
        slow = limit is not None and permit.seconds(now) >= limit
        self._last_outcome = now
        if failed:
            self.totals.failures += 1
        else:
            self.totals.successes += 1
        if permit.is_probe:
            self._count_probe(failed, slow)
        elif self._mode is not Mode.DISABLED:
            self._window.record(now, failed=failed, slow=slow)
            self._streak = self._streak + 1 if failed else 0
            self._judge(now)

    def _count_probe(self, failed: bool, slow: bool) -> None:
        if failed or slow:
            self._trip("a probe failed" if failed else "a probe was slow")
            return
        self._probe_successes += 1
        if self._probe_successes >= self.settings.success_threshold:
            self._close(f"{self._probe_successes} probes succeeded", Mode.AUTOMATIC)

    def _judge(self, now: float) -> None:
        """Trip a closed breaker if its window, running calls or streak demand it."""
        if self._mode is not Mode.AUTOMATIC:
            return
        settings, counts, overdue = self.settings, self._window.counts(now), self._overdue(now)
        latest = self._window.counts(now, newer=overdue)  # what a site was like before it hung counts less
        seen, slow = latest.calls + overdue, latest.slow + overdue
        if self._streak >= settings.streak_limit:
            self._trip(f"{self._streak} calls failed in a row")
        elif counts.calls >= settings.minimum_calls and (
            counts.failures / counts.calls >= settings.failure_rate
        ):
            self._trip(f"{counts.failures} of {counts.calls} calls failed")
        elif slow and seen >= settings.minimum_calls and slow / seen >= settings.slow_rate:
            self._trip(f"{slow} of {seen} calls were slow")

    def _overdue(self, now: float) -> int:
        """The number of running calls of this generation that are already slow."""
        limit = self.settings.slow_after
        if limit is None:
            return 0
        return sum(now >= permit.since + limit for permit in self._running)

    def _ramp_admits(self, now: float) -> bool:
        """Admit the share evenly: each call adds credit, and a whole credit admits a call."""
        share = self.ramp_share(now)
        if share == 1.0:
            return True
        self._ramp_credit += share
        if self._ramp_credit < 1.0:
            return False
        self._ramp_credit -= 1.0
        return True

    def _trip(self, reason: str) -> None:
        rest = self._next_cooldown * (1 + self.settings.jitter * self._randomness())
        self._next_cooldown = self.settings.grown(self._next_cooldown)
        self._open_until = max(self._now + rest, self._embargo)
        self.totals.opened += 1
        self._enter(State.OPEN, Mode.AUTOMATIC, reason)

    def _close(self, reason: str, mode: Mode) -> None:
        self._forget()
        self._next_cooldown = self.settings.cooldown
        self._embargo = -inf
        self._ramp_start = self._now if mode is Mode.AUTOMATIC else -inf
        self._ramp_credit = 1.0  # the first call after a closing is admitted
        self._enter(State.CLOSED, mode, reason)

    def _forget(self) -> None:
        self._window.clear()
        self._streak = 0

    def _enter(self, state: State, mode: Mode, reason: str) -> None:
        previous = self.label
        self._state, self._mode, self._since = state, mode, self._now
        self._adopted = False
        self._generation += 1
        self._stale.update(self._running)
        self._running.clear()
        self._held.clear()
        self._probe_successes = 0
        if self.label != previous:
            self._changes.append(Change(previous, self.label, reason))
