"""Pure: the scaler's target, knee, floor, limits and the sentence that explains them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pool.scaling import Arrived, Booted, Event, Finished, Limits, Load, Scaler, memory_cap

SAMPLES = 10  # tasks before the knee is used


def a_task(cpu: float = 2.5, wall: float = 5.0, run_delay: float = 0.0) -> Finished:
    return Finished(cpu, wall, run_delay, residence=wall)


def after(scaler: Scaler, *events: Event, now: float = 0.0) -> Scaler:
    for event in events:
        scaler.step(now, event)
    return scaler


def busy_machine(cores: float = 2.0) -> Scaler:
    """Two to ten workers whose tasks compute half of the time."""
    return after(Scaler(2, 10, cores=cores), *[a_task()] * SAMPLES)


# Demand


def test_demand_is_met_at_once_between_floor_and_ceiling() -> None:
    for queued, busy in product(range(30), range(11)):
        assert Scaler(2, 10).step(0.0, Load(queued, busy)) == min(10, max(2, queued + busy))


def test_tasks_that_end_before_a_worker_boots_are_not_worth_one() -> None:
    scaler = after(Scaler(1, 10), a_task(wall=1.0), Booted(1.0))
    assert scaler.step(0.0, Load(queued=2, busy=4)) == 4  # half of the four will have ended
    assert after(Scaler(1, 10), a_task(wall=100.0), Booted(0.01)).step(0.0, Load(2, 4)) == 6
    assert after(Scaler(1, 10), a_task(wall=1.0), Booted(9.0)).step(0.0, Load(2, 4)) == 2  # not more than all


def test_a_steady_stream_keeps_workers_although_none_is_busy_now() -> None:
    scaler = after(Scaler(1, 10), a_task(wall=4.0))
    for second in range(600):
        scaler.step(float(second), Arrived())
    assert scaler.statistics(600.0).arrival_rate == pytest.approx(1.0, rel=0.05)
    assert scaler.step(600.0, Load(0, 0)) == 4
    assert after(scaler, Booted(5.0), now=600.0).target == 6  # 4 + √4, where workers boot slowly
    assert scaler.step(900.0, Load(0, 0)) == 1  # the stream has ended


def test_the_margin_for_arrivals_grows_with_the_boot_time_to_its_full_size() -> None:
    """One arrival is 1/60 per second, so of 960 seconds it offers 16 workers' load."""
    for boot, workers in ((0.0, 16), (0.5, 18), (1.0, 20), (2.0, 20)):
        scaler = after(Scaler(1, 50), a_task(wall=960.0), Arrived(), Booted(boot))
        assert scaler.statistics(0.0).erlang == workers


def test_boot_times_and_residences_are_averaged() -> None:
    scaler = after(Scaler(1, 10), Booted(1.0), Booted(3.0), a_task(wall=1.0), a_task(wall=3.0))
    seen = scaler.statistics(0.0)
    assert seen.boot_time == 2.0
    assert seen.residence == pytest.approx((0.97 * 1 + 3) / (0.97 + 1))
    assert after(scaler, Booted(4.0)).statistics(0.0).boot_time == 3.0


def test_of_a_new_pool_nothing_is_known() -> None:
    seen = Scaler(2, 10, cores=2.0).statistics(0.0)
    assert (seen.queued, seen.busy, seen.demand, seen.erlang) == (0, 0, 0, 0)
    assert (seen.arrival_rate, seen.residence, seen.boot_time) == (0.0, None, 0.0)
    assert (seen.knee, seen.samples) == (None, 0)


def test_an_arrival_counts_for_a_minute_and_for_no_work_before_a_task_has_ended() -> None:
    seen = after(Scaler(2, 10), Arrived()).statistics(0.0)
    assert (seen.arrival_rate, seen.erlang) == (1 / 60, 0)


# The knee


@pytest.mark.parametrize(
    ("cpu", "cores", "knee"), [(2.5, 2.0, 4), (5.0, 2.0, 2), (0.5, 2.0, 10), (2.5, 1.5, 3)]
)
def test_the_knee_is_where_the_cores_are_busy(cpu: float, cores: float, knee: int) -> None:
    scaler = after(Scaler(1, 10, cores=cores), *[a_task(cpu=cpu)] * SAMPLES)
    assert scaler.statistics(0.0).knee == knee
    assert scaler.limit == knee
    assert scaler.step(0.0, Load(50, 5)) == knee


def test_waiting_for_a_core_does_not_look_like_a_slow_site() -> None:
    """Ten workers on two cores: each task takes 2.5 times as long, all of it spent in the run queue."""
    crowded = [a_task(cpu=2.5, wall=12.5, run_delay=7.5)] * SAMPLES
    assert after(Scaler(2, 10, cores=2.0), *crowded).limit == 4


def test_the_knee_is_not_believed_before_ten_tasks() -> None:
    scaler = after(Scaler(2, 10, cores=2.0), *[a_task()] * (SAMPLES - 1))
    assert (scaler.limit, scaler.statistics(0.0).knee) == (10, None)
    assert after(scaler, a_task()).limit == 4


def test_short_tasks_set_a_knee_too() -> None:
    assert after(Scaler(1, 10, cores=2.0), *[a_task(cpu=0.02, wall=0.05)] * SAMPLES).limit == 5


def test_the_knee_follows_the_work() -> None:
    scaler = after(busy_machine(), *[a_task(cpu=0.5)] * 150)
    assert scaler.limit == 10
    assert after(scaler, *[a_task(cpu=5.0)] * 150).limit == 2


def test_the_knee_does_not_flap_between_two_numbers() -> None:
    """4.4 and 4.6 workers by turns: whatever the first rounds to stays."""
    scaler, seen = Scaler(2, 10, cores=2.0), set()
    for turn in range(300):
        cpu = 5.0 * 2 / (4.4 if turn // 10 % 2 else 4.6)
        scaler.step(0.0, a_task(cpu=cpu))
        seen.add(scaler.statistics(0.0).knee)
    assert len(seen - {None}) == 1


def test_the_knee_moves_by_one_where_the_work_is_steady() -> None:
    scaler = after(busy_machine(), *[a_task(cpu=2.0)] * 300)
    assert scaler.limit == 5


def test_tasks_without_cpu_time_set_no_knee() -> None:
    assert after(Scaler(2, 10, cores=2.0), *[a_task(cpu=0.0)] * SAMPLES).limit == 10


def test_delays_of_many_threads_do_not_add_up_to_less_than_nothing() -> None:
    assert after(Scaler(1, 10, cores=2.0), *[a_task(cpu=4.0, wall=5.0, run_delay=50.0)] * SAMPLES).limit == 2


# Limits


@pytest.mark.parametrize(
    ("limits", "target"),
    [
        (Limits(math.inf), 10),
        (Limits(math.inf, memory=6), 6),
        (Limits(math.inf, sites=5), 5),
        (Limits(math.inf, memory=6, sites=5), 5),
        (Limits(math.inf, memory=1), 2),  # the operator sets the floor
    ],
)
def test_the_tightest_limit_holds(limits: Limits, target: int) -> None:
    assert after(Scaler(2, 10), limits).step(0.0, Load(50, 0)) == target


def test_a_fixed_number_stays() -> None:
    scaler = after(Scaler(2, 10, cores=2.0, fixed=7), *[a_task()] * SAMPLES, Limits(1.0, memory=3))
    assert {scaler.step(0.0, Load(queued, 0)) for queued in (0, 5, 500)} == {7}
    assert scaler.limit == 7


@pytest.mark.parametrize(
    ("limit", "per_worker", "reserved", "workers"),
    [
        (1000, 100, 0, 10),
        (1000, 100, 50, 9),
        (1000, 300, 0, 3),
        (1000, 5000, 0, 1),
        (100, 10, 500, 1),
        (7, 0, 0, 7),
    ],
)
def test_memory_cap_less_a_reserve(limit: int, per_worker: int, reserved: int, workers: int) -> None:
    assert memory_cap(limit, per_worker, reserved) == workers


@pytest.mark.parametrize(("limit", "workers"), [(999, 9), (1000, 10)])
def test_memory_cap(limit: int, workers: int) -> None:
    assert memory_cap(limit, 100) == workers


# The sentence


def test_the_reason_is_one_sentence() -> None:
    def reason(scaler: Scaler, queued: int = 0, busy: int = 0) -> str:
        return after(scaler, Load(queued, busy)).statistics(0.0).reason

    assert reason(Scaler(2, 10)) == "2 workers: the warm floor is enough"
    assert reason(Scaler(1, 1)) == "1 worker: the warm floor is enough"
    assert reason(Scaler(2, 10), 1, 4) == "5 workers: one for each request in sight; 1 request waits"
    assert reason(Scaler(2, 10), 7, 10) == "10 workers: MAX_WORKERS is the limit; 7 requests wait"
    assert reason(busy_machine(), 0, 5) == "4 workers: the CPU is the limit"
    assert (
        reason(after(Scaler(2, 10), Limits(2, memory=3)), 9)
        == "3 workers: memory is the limit; 9 requests wait"
    )
    assert reason(after(Scaler(2, 10), Limits(2, sites=3)), 0, 9) == (
        "3 workers: the sites' own limits allow no more"
    )
    assert reason(Scaler(2, 10, fixed=4), 9) == "4 workers: SCALING fixes the number; 9 requests wait"
    assert reason(after(Scaler(1, 10), a_task(wall=300.0), *[Arrived()] * 2)) == (
        "10 workers: the arrival rate asks for them"
    )
    assert reason(after(Scaler(1, 10), a_task(wall=180.0), Arrived()), 0, 3) == (
        "3 workers: one for each request in sight"
    )


# Invariants

SECONDS = st.floats(0, 1000)
EVENTS = st.one_of(
    st.builds(Load, st.integers(0, 1000), st.integers(0, 64)),
    st.builds(Arrived),
    st.builds(Finished, SECONDS, SECONDS, SECONDS, SECONDS),
    st.builds(Booted, SECONDS),
    st.builds(
        Limits,
        st.floats(0.1, 64),
        st.none() | st.integers(1, 100),
        st.none() | st.integers(1, 100),
    ),
)
HISTORIES = st.lists(st.tuples(st.floats(0, 30), EVENTS), max_size=60)


def lived(scaler: Scaler, history: Sequence[tuple[float, Event]]) -> float:
    now = 0.0
    for pause, event in history:
        now += pause
        scaler.step(now, event)
    return now


@given(HISTORIES, st.integers(1, 20), st.integers(0, 44))
def test_the_target_is_always_within_its_bounds(
    history: list[tuple[float, Event]], floor: int, room: int
) -> None:
    scaler = Scaler(floor, floor + room, cores=2.0)
    now = 0.0
    for pause, event in history:
        now += pause
        target = scaler.step(now, event)
        seen = scaler.statistics(now)
        assert floor <= target <= scaler.limit <= floor + room
        assert (seen.target, seen.limit) == (target, scaler.limit)
        assert seen.reason.startswith(f"{target} worker")


@given(HISTORIES, st.integers(0, 200), st.integers(0, 200), st.integers(0, 10))
def test_more_waiting_never_means_fewer_workers(
    history: list[tuple[float, Event]], some: int, more: int, busy: int
) -> None:
    scaler = Scaler(2, 10, cores=2.0)
    now = lived(scaler, history)
    assert scaler.step(now, Load(some, busy)) <= scaler.step(now, Load(some + more, busy))


@given(HISTORIES, st.integers(0, 200), st.floats(0.5, 8), st.floats(0, 8))
def test_more_cores_never_mean_fewer_workers(
    history: list[tuple[float, Event]], queued: int, cores: float, more: float
) -> None:
    few, many = Scaler(2, 10, cores=cores), Scaler(2, 10, cores=cores + more)
    without_limits = [(pause, event) for pause, event in history if not isinstance(event, Limits)]
    now = lived(few, without_limits)
    lived(many, without_limits)
    assert few.step(now, Load(queued, 0)) <= many.step(now, Load(queued, 0)) + 1  # the knee has hysteresis
