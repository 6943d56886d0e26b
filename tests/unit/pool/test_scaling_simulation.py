"""Pure: the scaler against a threshold rule (poll 5 s, cooldown 10 s), simulated with the service's code."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

import pytest

from service.pool.scaling import Scaler

from ...support.effort import scaled
from ...support.simulation import (
    Machine,
    Pattern,
    Policy,
    Queue,
    Report,
    Simulation,
    ThresholdRule,
    UnboundedFifo,
    admission_queue,
    bursts,
    requests,
    steady,
    step,
)

DURATION = 2400.0
SEEDS = range(scaled(3))


def served(
    policy: Callable[[int, int], Policy],
    queue: Callable[[], Queue],
    pattern: Pattern,
    machine: Machine,
    *,
    deadline: float = float("inf"),
    interrupts: bool = False,
) -> list[Report]:
    def once(seed: int) -> Report:
        run = Simulation(policy(2, 10), queue(), machine, deadline, interrupts)
        return run.run(requests(pattern, DURATION, seed), DURATION)

    return [once(seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "pattern",
    [bursts(0.2, 2.0, every=120, length=20), bursts(0.3, 1.6, every=300, length=60)],
    ids=["short bursts", "long bursts"],
)
def test_bursts_wait_less_than_a_third_for_the_same_worker_seconds(pattern: Pattern) -> None:
    ours = served(Scaler, UnboundedFifo, pattern, Machine())
    rule = served(ThresholdRule, UnboundedFifo, pattern, Machine())

    assert fmean(r.p95_wait for r in ours) <= 0.3 * fmean(r.p95_wait for r in rule)
    assert fmean(r.worker_seconds for r in ours) <= 1.1 * fmean(r.worker_seconds for r in rule)


@pytest.mark.parametrize("pattern", [step(0.3, 1.2, DURATION / 2), steady(0.8)], ids=["step", "steady"])
def test_other_loads_wait_less_too(pattern: Pattern) -> None:
    ours = served(Scaler, UnboundedFifo, pattern, Machine())
    rule = served(ThresholdRule, UnboundedFifo, pattern, Machine())

    assert fmean(r.p95_wait for r in ours) < fmean(r.p95_wait for r in rule)
    assert fmean(r.worker_seconds for r in ours) <= 1.1 * fmean(r.worker_seconds for r in rule)


@pytest.mark.parametrize(("interrupts", "gain"), [(False, 1.4), (True, 1.15)])
def test_the_knee_keeps_goodput_up_when_the_cpu_is_overloaded(interrupts: bool, gain: float) -> None:
    """Two cores carry four tasks that compute half the time, 0.8/s; 1.0/s come, and excess costs 5 % each.

    Where work is stopped at its deadline, which frees the cores early, there is less to gain.
    """
    machine = Machine(cores=2, crosstalk=0.05)
    load = steady(1.0)
    ours = served(Scaler, admission_queue, load, machine, deadline=30, interrupts=interrupts)
    rule = served(ThresholdRule, admission_queue, load, machine, deadline=30, interrupts=interrupts)

    assert fmean(r.goodput for r in ours) >= gain * fmean(r.goodput for r in rule)
    assert fmean(r.goodput for r in ours) >= 0.7
    assert 3.5 <= fmean(r.mean_workers for r in ours) <= 4.5
