"""Pure and collaboration tests: the 32 numbered scenarios that a serious circuit breaker handles.

The story they begin with is in `tests/support/breaker_story.py`.
"""

from __future__ import annotations

import time

import pytest
import trio
import trio.testing

from service.breaker.classification import call_result_of, call_result_of_exception
from service.breaker.key import BreakerKey
from service.breaker.machine import Breaker, Change
from service.breaker.registry import Breakers
from service.breaker.settings import Mode
from service.codes import Code
from service.errors import CircuitOpen, ExtractionError, QueueFull
from service.events import BreakerChanged, Event, Events
from service.wire import Failure, Usage

from ...support.breaker_story import (
    A_SITE,
    FAILURE,
    IGNORED,
    SUCCESS,
    UNDECIDED,
    admitted,
    call,
    half_open,
    story,
    tripped,
)


def test_scenario_01_a_success_of_an_older_generation_closes_nothing() -> None:
    breaker, a = half_open()
    breaker.settle(a, SUCCESS, 7.0)
    statistics = breaker.statistics(7.0)
    assert (statistics.state, statistics.successes) == ("HALF_OPEN", 0)


def test_scenario_02_a_failure_of_an_older_generation_reopens_nothing() -> None:
    breaker, a = half_open()
    breaker.settle(a, FAILURE, 7.0)
    assert breaker.label == "HALF_OPEN"
    assert breaker.take_changes() == []


def test_scenario_03_a_late_failure_does_not_prolong_the_cooldown() -> None:
    breaker, a = tripped()
    breaker.settle(a, FAILURE, 3.0)
    assert breaker.next_deadline() == 6.0
    assert breaker.take_changes() == []  # the one event was the trip's


def test_scenario_04_a_late_success_does_not_close_an_open_breaker() -> None:
    breaker, a = tripped()
    breaker.settle(a, SUCCESS, 3.0)
    assert breaker.label == "OPEN"


def test_scenario_05_a_probe_of_an_earlier_half_open_counts_nowhere_and_refunds_nothing() -> None:
    breaker, _ = half_open()
    old = admitted(breaker, 6.0)
    breaker.tick(14.0)  # the probe hangs: open again, now for ten seconds
    new = [admitted(breaker, 24.0), admitted(breaker, 24.0)]
    breaker.settle(old, SUCCESS, 25.0)
    assert breaker.statistics(25.0).successes == 0
    assert breaker.admit(25.0) is None
    for permit in new:
        breaker.settle(permit, SUCCESS, 26.0)
    assert breaker.label == "CLOSED"


def test_scenario_06_of_100_callers_exactly_2_probe() -> None:
    breaker, _ = tripped()
    permits = [breaker.admit(6.0) for _ in range(100)]
    assert sum(permit is not None for permit in permits) == 2
    assert breaker.totals.rejected == 98


def test_scenario_07_a_cancelled_probe_frees_its_permit_at_once() -> None:
    breaker, _ = half_open()
    cancelled = admitted(breaker, 6.0)
    admitted(breaker, 6.0)
    assert breaker.admit(6.5) is None
    breaker.settle(cancelled, IGNORED, 7.0)
    assert admitted(breaker, 7.0).is_probe
    statistics = breaker.statistics(7.0)
    assert (statistics.successes, statistics.failures, statistics.probes) == (0, 0, 2)


def test_scenario_08_cancellations_leave_the_window_empty() -> None:
    breaker = Breaker(story())
    for now in range(4):
        call(breaker, IGNORED, float(now))
    statistics = breaker.statistics(4.0)
    assert (statistics.failures, statistics.successes, statistics.ignored_requests) == (0, 0, 4)
    assert breaker.label == "CLOSED"


def test_scenario_09_a_hanging_probe_opens_the_breaker_again() -> None:
    breaker, _ = half_open()
    probe = admitted(breaker, 6.0)
    assert breaker.next_deadline() == 14.0
    breaker.tick(13.999)
    assert breaker.label == "HALF_OPEN"
    breaker.tick(14.0)
    assert breaker.take_changes() == [Change("HALF_OPEN", "OPEN", "a probe gave no answer within 8 s")]
    breaker.settle(probe, SUCCESS, 15.0)
    assert breaker.label == "OPEN"
    assert breaker.statistics(15.0).total_successes == 0


def test_scenario_10_ignored_probes_give_their_permits_back() -> None:
    breaker, _ = half_open()
    for now in (6.0, 6.1, 6.2, 6.3):
        call(breaker, IGNORED, now)
    assert breaker.label == "HALF_OPEN"
    call(breaker, SUCCESS, 6.4)
    call(breaker, SUCCESS, 6.5)
    assert breaker.label == "CLOSED"


def test_scenario_11_answers_that_decide_nothing_cost_2_probes_per_cooldown() -> None:
    breaker, _ = half_open()
    probed = []
    for tick in range(150):  # ten calls a second, for three cooldowns
        now = 6.0 + tick / 10
        if permit := breaker.admit(now):
            breaker.settle(permit, UNDECIDED, now)
            probed.append(now)
    assert breaker.label == "HALF_OPEN"
    assert len(probed) == 6
    assert all(later - earlier >= 5.0 for earlier, later in zip(probed, probed[2:], strict=False))


def test_scenario_12_a_private_video_twice_closes_the_breaker() -> None:
    breaker, _ = half_open()
    for _ in range(2):
        call(
            breaker,
            call_result_of(
                Failure(Code.PRIVATE, "the video is private", usage=Usage(requests=1, site_requests=1))
            ),
            7.0,
        )
    assert breaker.label == "CLOSED"


def test_scenario_13_a_streak_of_slow_failures_trips_although_the_window_forgets_them() -> None:
    breaker = Breaker(story())
    for start in (0.0, 20.0, 40.0, 60.0):
        assert breaker.statistics(start).failures <= 1
        breaker.settle(admitted(breaker, start), FAILURE, start + 20)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "4 calls failed in a row")]


def test_scenario_14_slow_calls_that_still_run_trip() -> None:
    breaker = Breaker(story(slow_after=2.0))
    for _ in range(20):
        admitted(breaker, 0.0)
    assert breaker.next_deadline() == 2.0
    breaker.tick(1.999)
    assert breaker.label == "CLOSED"
    breaker.tick(2.0)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "20 of 20 calls were slow")]


def test_scenario_15_the_cooldown_ends_on_the_dot() -> None:
    breaker, _ = tripped()
    assert breaker.admit(5.999) is None
    assert admitted(breaker, 6.0).is_probe


def test_scenario_16_a_success_can_complete_the_volume_that_trips() -> None:
    breaker = Breaker(story(minimum_calls=5))
    for call_result in (FAILURE, FAILURE, FAILURE, SUCCESS):
        call(breaker, call_result, 1.0)
        assert breaker.label == "CLOSED"
    call(breaker, SUCCESS, 1.0)
    assert breaker.take_changes() == [Change("CLOSED", "OPEN", "3 of 5 calls failed")]


def test_scenario_17_a_clock_that_goes_back_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker, a = tripped()
    breaker.tick(3.0)
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall - 10)
    breaker.settle(a, FAILURE, -7.0)
    assert breaker.admit(-7.0) is None
    assert breaker.retry_after(-7.0) == 3.0
    assert breaker.next_deadline() == 6.0
    assert admitted(breaker, 6.0).is_probe


def test_scenario_18_an_idle_hour_empties_the_window_at_once() -> None:
    breaker = Breaker(story())
    for now in (0.0, 3.0, 6.0):
        call(breaker, FAILURE, now)
    assert breaker.statistics(6.0).failures == 3
    assert breaker.statistics(3606.0).failures == 0
    call(breaker, FAILURE, 3606.0)
    assert breaker.label == "CLOSED"
    assert breaker.statistics(3606.0).failures == 1


def test_scenario_19_a_reset_makes_a_pending_timer_a_no_op() -> None:
    breaker, _ = half_open()
    probe = admitted(breaker, 6.0)
    breaker.reset(7.0)
    assert breaker.take_changes() == [Change("HALF_OPEN", "CLOSED", "it was reset")]
    breaker.tick(14.0)
    breaker.settle(probe, FAILURE, 15.0)
    assert breaker.label == "CLOSED"
    assert breaker.take_changes() == []


def test_scenario_20_forced_open_outlasts_the_cooldown() -> None:
    breaker, _ = tripped()
    breaker.set_mode(Mode.FORCED_OPEN, 3.0)
    breaker.tick(6.0)
    assert breaker.admit(6.0) is None
    assert breaker.label == "FORCED_OPEN"


def test_scenario_21_two_tripping_failures_in_one_tick_are_one_event_and_one_timer() -> None:
    breaker = Breaker(story())
    permits = [admitted(breaker, 0.0) for _ in range(5)]
    for permit in permits:
        breaker.settle(permit, FAILURE, 1.0)
    assert len(breaker.take_changes()) == 1
    assert breaker.next_deadline() == 6.0
    assert breaker.totals.opened == 1


def test_scenario_22_rejections_never_dilute_the_rate() -> None:
    breaker, _ = half_open(minimum_calls=9, streak=100)
    call(breaker, FAILURE, 6.0)
    for _ in range(20):
        assert breaker.admit(7.0) is None
    call(breaker, SUCCESS, 16.0)
    call(breaker, SUCCESS, 16.0)
    assert breaker.label == "CLOSED"
    for call_result in (SUCCESS, *[FAILURE] * 8):
        call(breaker, call_result, 17.0)
    assert breaker.take_changes()[-1] == Change("CLOSED", "OPEN", "8 of 9 calls failed")


def test_scenario_23_a_probe_that_meets_a_full_pool_frees_its_permit() -> None:
    breaker, _ = half_open()
    call(breaker, call_result_of_exception(QueueFull(100, retry_after=1.0)), 6.0)
    statistics = breaker.statistics(6.0)
    assert (statistics.state, statistics.probes, breaker.totals.failures) == ("HALF_OPEN", 0, 4)
    assert breaker.free_probes == 2


def test_scenario_24_a_classifier_that_raises_is_a_failure_and_frees_the_permit() -> None:
    def classify(failure: Failure) -> None:
        raise LookupError("no such code")

    def dispatched(breaker: Breaker) -> None:
        """One call as the dispatcher makes it."""
        permit, call_result = admitted(breaker, 1.0), IGNORED
        try:
            classify(Failure(Code.PRIVATE, "private"))
        except Exception as error:
            call_result = call_result_of_exception(error)
            raise
        finally:
            breaker.settle(permit, call_result, 1.0)

    breaker = Breaker(story())
    with pytest.raises(LookupError, match="no such code"):
        dispatched(breaker)
    statistics = breaker.statistics(1.0)
    assert (statistics.failures, statistics.in_flight) == (1, 0)


async def test_scenario_25_a_listener_that_raises_does_not_stop_the_transition(
    mock_clock: trio.testing.MockClock,  # to log a traceback may take as long as the cooldown
) -> None:
    heard: list[Event] = []

    def raises(event: Event) -> None:
        raise RuntimeError("the listener is broken")

    events = Events()
    events.subscribe(raises)
    events.subscribe(heard.append)
    breakers = Breakers(story(), events)
    for _ in range(4):
        breakers.settle(await breakers.admit(A_SITE), FAILURE)
    assert heard == [BreakerChanged("site.test", "CLOSED", "OPEN", "4 calls failed in a row")]
    with pytest.raises(CircuitOpen):
        breakers.check(A_SITE)


async def test_scenario_26_a_thousand_rejections_do_not_grow_tracebacks() -> None:
    breakers = Breakers(story(), Events())
    await breakers.admit(A_SITE)
    breakers.force_open(A_SITE.site)
    lengths = set()
    for _ in range(1000):
        try:
            breakers.check(A_SITE)
        except CircuitOpen as error:
            depth, traceback = 0, error.__traceback__
            while traceback is not None:
                depth, traceback = depth + 1, traceback.tb_next
            lengths.add((depth, error.__context__))
    assert len(lengths) == 1


def test_scenario_27_the_cooldown_grows_to_a_cap_and_starts_afresh_after_closing() -> None:
    breaker, _ = tripped()
    now, cooldowns_seen = 1.0, []
    for _ in range(6):
        cooldowns_seen.append(breaker.next_deadline() - now)
        now = breaker.next_deadline()
        call(breaker, FAILURE, now)
    assert cooldowns_seen == [5, 10, 20, 40, 40, 40]
    now = breaker.next_deadline()
    for call_result in (SUCCESS, SUCCESS, FAILURE, FAILURE, FAILURE, FAILURE):
        call(breaker, call_result, now)
    assert breaker.next_deadline() - now == 5


def test_scenario_28_retry_after_tells_what_is_known() -> None:
    breaker, _ = tripped()
    assert breaker.retry_after(2.0) == 4.0
    admitted(breaker, 6.0)
    admitted(breaker, 6.0)
    assert breaker.crowded(6.0)
    assert (breaker.retry_after(6.0) or 0) >= 1
    breaker.set_mode(Mode.FORCED_OPEN, 7.0)
    assert breaker.retry_after(7.0) is None


def test_scenario_29_the_sites_longest_retry_after_stands() -> None:
    breaker = Breaker(story())
    late = admitted(breaker, 0.0)
    call(breaker, FAILURE, 0.0, retry_after=60.0)
    for _ in range(3):
        call(breaker, FAILURE, 0.0, retry_after=5.0)
    assert breaker.next_deadline() == 60.0
    breaker.settle(late, FAILURE, 1.0, retry_after=5.0)
    assert breaker.next_deadline() == 60.0


async def test_scenario_30_junk_hosts_do_not_flush_a_site_that_carries_failures() -> None:
    breakers = Breakers(story(), Events(), capacity=64)
    for _ in range(3):
        breakers.settle(await breakers.admit(A_SITE), FAILURE)
    for number in range(1000):
        breakers.settle(await breakers.admit(BreakerKey(f"junk{number}.test")), IGNORED)
    statistics = breakers.statistics()
    assert len(statistics.sites) == 64
    assert {site.site: site.failures for site in statistics.sites}["site.test"] == 3
    assert statistics.total_requests == 1003  # evicted breakers stay in the total


async def test_scenario_31_a_group_with_an_upstream_error_is_one_failure() -> None:
    caught: list[trio.Cancelled] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            caught.append(error)
            raise
    upstream = ExtractionError(Code.UPSTREAM_ERROR, "the site answers 500")
    breaker = Breaker(story())
    call(breaker, call_result_of_exception(BaseExceptionGroup("", [upstream, *caught])), 1.0)
    call(breaker, call_result_of_exception(BaseExceptionGroup("", [*caught, *caught])), 1.0)
    statistics = breaker.statistics(1.0)
    assert (statistics.failures, statistics.ignored_requests) == (1, 1)


async def test_scenario_32_capacity_is_held_until_the_child_is_reaped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    breakers, limiter = Breakers(story(), Events()), trio.CapacityLimiter(1)
    reaped = trio.Event()
    seen: list[tuple[float, int, int]] = []

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):  # kill and reap; the sleep bounds it
                await trio.sleep(2)
                reaped.set()

    async def caller() -> None:
        with trio.move_on_after(1):
            permit = await breakers.admit(A_SITE)
            call_result = IGNORED
            try:
                async with limiter:
                    await child()
            except BaseException as error:
                call_result = call_result_of_exception(error)
                raise
            finally:
                assert reaped.is_set()
                breakers.settle(permit, call_result)

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        for moment in (0.5, 2.5, 3.5):
            await trio.sleep_until(start + moment)
            statistics = breakers.statistics().sites[0]
            seen.append((moment, limiter.borrowed_tokens, statistics.in_flight))
    assert seen == [(0.5, 1, 1), (2.5, 1, 1), (3.5, 0, 0)]
    assert breakers.statistics().sites[0].ignored_requests == 1
