"""Pure: a breaker keeps its invariants under any sequence of calls, outcomes, pauses and admin commands."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from service.breaker.machine import Breaker, State
from service.breaker.permit import Permit
from service.breaker.settings import BreakerSettings, Mode
from service.codes import CallResult

from ...support.effort import examples

LEGAL = {
    ("CLOSED", "OPEN"),
    ("OPEN", "HALF_OPEN"),
    ("HALF_OPEN", "OPEN"),
    ("HALF_OPEN", "CLOSED"),
}
SOON = st.sampled_from([0.0, 0.1, 1.0, 2.0, 5.0, 8.0, 60.0]) | st.floats(0, 20)


class BreakerMachine(RuleBasedStateMachine):
    """Drives one breaker, and a model of what is visible from outside."""

    permits = Bundle("permits")

    @initialize(
        by_time=st.booleans(),
        slow=st.sampled_from([None, 2.0]),
        ramp=st.sampled_from([0.0, 5.0]),
        probes=st.integers(1, 3),
    )
    def build(self, by_time: bool, slow: float | None, ramp: float, probes: int) -> None:
        self.breaker = Breaker(
            BreakerSettings(
                window_calls=6,
                window_seconds=10.0 if by_time else None,
                minimum_calls=3,
                slow_after=slow,
                ramp=ramp,
                probes=probes,
                cooldown=5.0,
                cooldown_cap=20.0,
                half_open_max=8.0,
                jitter=0.5,
                memory=100.0,
            ),
            randomness=lambda: 0.5,
        )
        self.now = 0.0
        self.outstanding: list[Permit] = []
        self.asked = self.settled = 0
        self.open_until = -inf
        self.probed: list[Permit] = []  # of the current half-open time

    @rule(target=permits)
    def ask(self) -> object:
        self.asked += 1
        could = self.breaker.admits(self.now)
        permit = self.breaker.admit(self.now)
        self.step()
        if permit is None:
            return multiple()
        assert could
        assert permit.is_probe is (self.breaker.state is State.HALF_OPEN)
        self.outstanding.append(permit)
        if permit.is_probe:
            self.probed.append(permit)
        return permit

    @rule(
        permit=consumes(permits),
        call_result=st.sampled_from(CallResult),
        retry_after=st.none() | st.floats(0, 30),
    )
    def settle(self, permit: Permit, call_result: CallResult, retry_after: float | None) -> None:
        self.breaker.tick(self.now)
        self.step()
        stale = permit.generation != self.breaker._generation
        before = self.breaker.label, self.breaker.statistics(self.now)
        self.breaker.settle(permit, call_result, self.now, retry_after=retry_after)
        self.outstanding.remove(permit)
        self.settled += 1
        if stale:  # it changes no state and no count
            after = self.breaker.statistics(self.now)
            assert self.breaker.label == before[0]
            assert (after.failures, after.successes) == (before[1].failures, before[1].successes)
            assert after.streak == before[1].streak
        with pytest.raises(RuntimeError):
            self.breaker.settle(permit, call_result, self.now)
        self.step()

    @rule(seconds=SOON)
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.breaker.tick(self.now)
        self.step()

    @rule()
    def wait_for_the_timer(self) -> None:
        due = self.breaker.next_deadline()
        if due < inf:
            self.now = max(self.now, due)
            self.breaker.tick(self.now)
            self.step()
            assert self.breaker.next_deadline() > self.now  # or the cooldown task would spin

    @rule(seconds=SOON)
    def look_with_a_clock_that_went_back(self, seconds: float) -> None:
        before = self.breaker.label
        self.breaker.tick(self.now - seconds)
        assert self.breaker.label == before

    @rule(seconds=SOON | st.just(1e9))
    def adopt(self, seconds: float) -> None:
        self.breaker.tick(self.now)
        self.step()
        before = self.breaker.label
        self.breaker.adopt(self.now + seconds, self.now)
        self.step()
        assert (before, self.breaker.label) in {(before, before), ("CLOSED", "OPEN")}
        if before != self.breaker.label:
            assert self.breaker.vote(self.now) == 0.0

    @invariant()
    def only_an_open_breaker_votes(self) -> None:
        assert self.breaker.vote(self.now) == 0.0 or self.breaker.label == "OPEN"
        self.step()

    @rule(order=st.sampled_from(["reset", "close", *Mode]))
    def operate(self, order: str) -> None:
        if order == self.breaker.mode:  # the mode in force: no change
            self.breaker.set_mode(self.breaker.mode, self.now)
            assert self.breaker.take_changes() == []
            return
        if order == "reset":
            self.breaker.reset(self.now)
        elif order == "close":
            self.breaker.close(self.now)
        else:
            self.breaker.set_mode(Mode(order), self.now)
        changes = self.breaker.take_changes()
        assert len(changes) <= 1
        self.open_until = -inf
        self.probed.clear()

    def step(self) -> None:
        """The reported transitions are legal, form a chain, and end in the breaker's state."""
        changes = self.breaker.take_changes()
        for change in changes:
            assert (change.previous, change.current) in LEGAL
            assert change.reason
            self.open_until = -inf
            self.probed.clear()
        for earlier, later in pairwise(changes):
            assert earlier.current == later.previous
        if changes:
            assert changes[-1].current == self.breaker.label
        if self.breaker.label == "OPEN":
            due = self.breaker.next_deadline()
            assert due >= self.open_until  # monotone within one open time
            self.open_until = due

    @invariant()
    def counters_add_up(self) -> None:
        totals, statistics = self.breaker.totals, self.breaker.statistics(self.now)
        assert totals.requests == self.asked
        assert totals.failures + totals.successes + totals.ignored == self.settled
        assert statistics.in_flight == len(self.outstanding)
        assert self.asked == totals.rejected + self.settled + statistics.in_flight

    @invariant()
    def probes_stay_within_their_limit(self) -> None:
        statistics = self.breaker.statistics(self.now)
        self.step()
        running = [permit for permit in self.probed if permit in self.outstanding]
        assert len(running) <= self.breaker.settings.probes
        assert statistics.probes == (len(running) if statistics.state == "HALF_OPEN" else 0)

    @invariant()
    def an_open_breaker_knows_when_to_go_on(self) -> None:
        if self.breaker.label == "OPEN":
            assert self.now < self.breaker.next_deadline() < inf
            assert not self.breaker.admits(self.now)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = examples(150, stateful_step_count=40)
