"""Scaling and admission: the scaler and the admission queue of the service against common rules.

The simulation is seeded and runs the code of the service; `--real SECONDS` also runs the real pool on the
small internet; `--plot DIR` draws the results (extra `bench`).
Work is 5 s on average, lognormal; a client waits 30 s for its answer where goodput is counted.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from service.pool.scaling import Scaler
from tests.support.simulation import (
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

from ._real_pool import RealRun, real_runs

DEADLINE = 30.0  # seconds
OVERLOAD = 1.25
CAPACITY = 0.8  # requests per second of four workers, and of two cores with tasks that compute half the time
MIN_WORKERS, MAX_WORKERS = 2, 10
IDLE = 10.0  # seconds after which a worker beyond the target goes
PLENTY = Machine()
CROWDED = Machine(cores=2, crosstalk=0.05)


@dataclass(frozen=True, slots=True)
class Contender:
    """A rule for the number of workers and for admission."""

    name: str
    policy: Callable[[], Policy]
    queue: Callable[[], Queue] = UnboundedFifo
    machine: Machine = PLENTY
    deadline: float = math.inf
    interrupts: bool = False
    idle: float = IDLE

    def serve(self, pattern: Pattern, duration: float, seed: int) -> Report:
        run = Simulation(self.policy(), self.queue(), self.machine, self.deadline, self.interrupts, self.idle)
        return run.run(requests(pattern, duration, seed), duration)


def tuned() -> Policy:
    return Scaler(MIN_WORKERS, MAX_WORKERS)


def threshold() -> Policy:
    return ThresholdRule(MIN_WORKERS, MAX_WORKERS)


def four() -> Policy:
    return Scaler(MIN_WORKERS, MAX_WORKERS, fixed=4)


WAITING = (
    Contender("self-tuning", tuned),
    Contender("self-tuning, idle 120 s", tuned, idle=120.0),
    Contender("threshold rule", threshold),
)
OVERLOADED = (
    Contender("self-tuning", tuned, admission_queue, CROWDED, DEADLINE),
    Contender("threshold rule", threshold, admission_queue, CROWDED, DEADLINE),
    Contender(
        "self-tuning, work ends at deadline", tuned, admission_queue, CROWDED, DEADLINE, interrupts=True
    ),
    Contender(
        "threshold rule, work ends at deadline",
        threshold,
        admission_queue,
        CROWDED,
        DEADLINE,
        interrupts=True,
    ),
)
QUEUES = (
    Contender("admission queue", four, admission_queue, deadline=DEADLINE),
    Contender("unbounded FIFO", four, deadline=DEADLINE),
    Contender(
        "admission queue, work ends at deadline", four, admission_queue, deadline=DEADLINE, interrupts=True
    ),
    Contender("unbounded FIFO, work ends at deadline", four, deadline=DEADLINE, interrupts=True),
)


def patterns(duration: float) -> dict[str, Pattern]:
    return {
        "short bursts": bursts(0.2, 2.0, every=120, length=20),
        "long bursts": bursts(0.3, 1.6, every=300, length=60),
        "step": step(0.3, 1.2, at=duration / 2),
        "steady": steady(0.8),
    }


def compare_waiting(duration: float, seeds: Sequence[int]) -> None:
    print(f"\np95 wait in s (mean workers), {MIN_WORKERS} to {MAX_WORKERS} workers, cores never short\n")
    print(f"{'':<26}" + "".join(f"{name:>16}" for name in patterns(duration)))
    for contender in WAITING:
        cells = []
        for pattern in patterns(duration).values():
            reports = [contender.serve(pattern, duration, seed) for seed in seeds]
            wait, workers = fmean(r.p95_wait for r in reports), fmean(r.mean_workers for r in reports)
            cells.append(f"{f'{wait:.2f} ({workers:.1f})':>16}")
        print(f"{contender.name:<26}" + "".join(cells))


def compare_goodput(
    title: str,
    contenders: Sequence[Contender],
    overloads: Sequence[float],
    duration: float,
    seeds: Sequence[int],
) -> None:
    print(f"\n{title}\n")
    print(f"{'':<40}" + "".join(f"{f'{overload:g} x':>16}" for overload in overloads))
    for contender in contenders:
        cells = []
        for overload in overloads:
            load = steady(CAPACITY * overload)
            reports = [contender.serve(load, duration, seed) for seed in seeds]
            goodput, workers = fmean(r.goodput for r in reports), fmean(r.mean_workers for r in reports)
            cells.append(f"{f'{goodput:.3f} ({workers:.1f})':>16}")
        print(f"{contender.name:<40}" + "".join(cells))


def plot(directory: Path, seed: int) -> list[Path]:
    """Ten minutes of each pattern, both rules: how many workers there are and how many requests wait.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    duration = 600.0
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, pattern in {**patterns(duration), "overload": steady(CAPACITY * OVERLOAD)}.items():
        pair = OVERLOADED[:2] if name == "overload" else (WAITING[0], WAITING[2])
        figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(9, 5), layout="constrained")
        for contender in pair:
            curve = contender.serve(pattern, duration, seed).curve
            times = [moment.at for moment in curve]
            above.step(times, [moment.workers for moment in curve], where="post", label=contender.name)
            below.step(times, [moment.waiting for moment in curve], where="post")
        above.set(ylabel="workers", ylim=(0, MAX_WORKERS + 1), title=name)
        above.legend()
        below.set(ylabel="requests that wait", xlabel="seconds")
        files.append(directory / f"scaling-{name.replace(' ', '-')}.svg")
        figure.savefig(files[-1])
        plt.close(figure)
    return files


def compare_real(seconds: float) -> tuple[RealRun, ...]:
    print(f"\nreal workers, {seconds:.0f} s of short bursts for a site that takes 1 s to answer\n")
    runs = real_runs(seconds, {"self-tuning": tuned(), "threshold rule": threshold()})
    print(f"{'':<26}{'requests':>10}{'p50 wait':>10}{'p95 wait':>10}{'mean workers':>14}")
    for run in runs:
        print(f"{run.name:<26}{run.requests:>10}{run.p50:>9.2f}s{run.p95:>9.2f}s{run.mean_workers:>14.1f}")
    return runs


def plot_real(directory: Path, runs: Sequence[RealRun]) -> list[Path]:
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(9, 5), layout="constrained")
    for run in runs:
        times = [sample.at for sample in run.curve]
        above.step(times, [sample.workers for sample in run.curve], where="post", label=run.name)
        below.step(times, [sample.waiting for sample in run.curve], where="post")
    above.set(ylabel="workers", ylim=(0, MAX_WORKERS + 1), title="real workers, short bursts")
    above.legend()
    below.set(ylabel="requests that wait", xlabel="seconds")
    file = directory / "scaling-real.svg"
    figure.savefig(file)
    plt.close(figure)
    return [file]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scaling", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="simulated time of a run (default: 60)")
    parser.add_argument("--seeds", type=int, default=5, help="runs to average over (default: 5)")
    parser.add_argument(
        "--real",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="run both rules on real workers, so long each",
    )
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw ten minutes of each pattern into DIR")
    options = parser.parse_args(arguments)

    duration, seeds = options.minutes * 60, range(1, options.seeds + 1)
    compare_waiting(duration, seeds)
    compare_goodput(
        "goodput per second (mean workers), 2 cores, tasks compute half the time, 5 % crosstalk; ceiling 0.8",
        OVERLOADED,
        (OVERLOAD,),
        duration,
        seeds,
    )
    compare_goodput(
        "goodput per second (mean workers), 4 workers; capacity 0.8", QUEUES, (OVERLOAD, 2.5), duration, seeds
    )
    runs = compare_real(options.real) if options.real else ()
    if options.plot is not None:
        try:
            files = plot(options.plot, seed=1)
            files += plot_real(options.plot, runs) if runs else []
        except ImportError:
            print("\nno plots: matplotlib is not installed; pip install 'ytdlpd[bench]'")
            return 1
        print("\ndrawn: " + ", ".join(map(str, files)))
    return 0
