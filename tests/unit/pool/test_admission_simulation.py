"""Pure: goodput under overload, simulated with the real queue (4 workers, tasks of 5 s, deadline 30 s).

Capacity is 0.8 requests per second. Work is not stopped at its deadline here, which is the hard case.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

import pytest

from service.pool.scaling import Scaler

from ...support.effort import scaled
from ...support.simulation import Queue, Report, Simulation, UnboundedFifo, admission_queue, requests, steady

CAPACITY = 0.8
DURATION = 2400.0
SEEDS = range(scaled(3))


def run(queue: Callable[[], Queue], overload: float, seed: int, *, interrupts: bool = False) -> Report:
    stream = requests(steady(CAPACITY * overload), DURATION, seed)
    scaler = Scaler(2, 4, fixed=4)
    return Simulation(scaler, queue(), deadline=30, interrupts=interrupts).run(stream, DURATION)


def served(queue: Callable[[], Queue], overload: float, *, interrupts: bool = False) -> list[Report]:
    return [run(queue, overload, seed, interrupts=interrupts) for seed in SEEDS]


@pytest.mark.parametrize(("overload", "fifo_at_most"), [(1.25, 0.5), (2.5, 0.15)])
def test_goodput_stays_at_capacity_under_overload(overload: float, fifo_at_most: float) -> None:
    fifo = fmean(report.goodput for report in served(UnboundedFifo, overload))
    ours = fmean(report.goodput for report in served(admission_queue, overload))

    assert fifo <= fifo_at_most
    assert ours >= 0.75


def test_goodput_is_no_worse_where_work_stops_at_its_deadline() -> None:
    assert fmean(report.goodput for report in served(admission_queue, 1.25, interrupts=True)) >= 0.75


def test_no_request_is_refused_at_half_load() -> None:
    for seed in range(4):  # in few of many more, so many long tasks come together that one is
        assert run(admission_queue, 0.5, seed).refused == 0


def test_a_run_repeats_exactly() -> None:
    assert run(admission_queue, 1.25, seed=0) == run(admission_queue, 1.25, seed=0)
