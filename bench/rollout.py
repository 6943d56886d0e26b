"""Rates of false alarms and of detection of the judgement that promotes a yt-dlp release or takes it back.

    python -m bench rollout [RUNS]

A seeded simulation with the service's own `Canary`: jobs come once a second, a site answers or fails at
random, and a broken release fails more often. It prints a table and exits with 0.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.releases.judge import Evidence, Ruling
from service.releases.rollout import Canary

OLD, NEW = "old", "new"
SITES = [f"site{number}.test" for number in range(10)]
CHECKED = 10.0  # seconds between two looks at the verdict
PATIENCE = 40_000.0  # seconds after which a run counts as undecided


@dataclass(frozen=True, slots=True)
class Scenario:
    """How often a job fails on `version` at `site`, so many seconds after the beginning."""

    name: str
    rate: Callable[[str, str, float], float]
    worse: bool = False


SCENARIOS = (
    Scenario("no change, 5 %", lambda version, site, now: 0.05),
    Scenario("no change, 15 %", lambda version, site, now: 0.15),
    Scenario(
        "no change, 5 %, a site is down for 20 minutes",
        lambda version, site, now: 1.0 if site == SITES[0] and 2400 < now < 3600 else 0.05,
    ),
    Scenario("no change, all sites fail half the time", lambda version, site, now: 0.5),
    Scenario("5 → 10 %", lambda version, site, now: 0.10 if version == NEW else 0.05, worse=True),
    Scenario("5 → 20 %", lambda version, site, now: 0.20 if version == NEW else 0.05, worse=True),
    Scenario("5 → 60 %", lambda version, site, now: 0.60 if version == NEW else 0.05, worse=True),
    Scenario(
        "5 %, one site of ten broken",
        lambda version, site, now: 1.0 if version == NEW and site == SITES[0] else 0.05,
        worse=True,
    ),
    Scenario(
        "15 %, one site of ten broken",
        lambda version, site, now: 1.0 if version == NEW and site == SITES[0] else 0.15,
        worse=True,
    ),
    Scenario("15 → 5 %, better", lambda version, site, now: 0.05 if version == NEW else 0.15),
)


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: the ruling, after so many jobs on the new release and so many seconds."""

    ruling: Ruling
    samples: int
    seconds: float


def run(scenario: Scenario, seed: int) -> Run:
    """One rollout."""
    draws = random.Random(seed)
    canary = Canary(OLD, NEW, 0.0, evidence=Evidence(), draw=draws.random)
    now, look = 0.0, 0.0
    while now < PATIENCE:
        now += draws.expovariate(1.0)
        site = draws.choice(SITES)
        first, other = (NEW, OLD) if canary.first() else (OLD, NEW)
        canary.ran(first)
        if draws.random() < scenario.rate(first, site, now) and canary.second(canary=first is NEW):
            canary.ran(other)
            if draws.random() >= scenario.rate(other, site, now):
                canary.differed(site, failed=first, answered=other)
        if now >= look:
            look = now + CHECKED
            verdict = canary.verdict(now)
            if verdict.ruling is not Ruling.WAIT:
                return Run(verdict.ruling, canary.judge.samples, now)
    return Run(Ruling.WAIT, canary.judge.samples, now)


def runs(scenario: Scenario, count: int) -> list[Run]:
    return [run(scenario, seed) for seed in range(count)]


def row(scenario: Scenario, ended: Sequence[Run]) -> str:
    back = [run for run in ended if run.ruling is Ruling.ROLL_BACK]
    promoted = sum(run.ruling is Ruling.PROMOTE for run in ended)
    median = f"{statistics.median(run.samples for run in back):.0f}" if back else "none"
    minutes = statistics.median(run.seconds for run in ended) / 60
    return (
        f"| {scenario.name} | {len(back) / len(ended):.1%} | {promoted / len(ended):.1%} "
        f"| {median} | {minutes:.0f} |"
    )


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 100
    print(
        "| failures, old → new | rolled back | promoted | jobs until rolled back, median | minutes, median |"
    )
    print("|---|---|---|---|---|")
    for scenario in SCENARIOS:
        print(row(scenario, runs(scenario, count)))
    return 0
