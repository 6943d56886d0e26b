"""Pure: false alarms and detections of the judgement, in seeded rollouts (`python -m bench rollout`)."""

from __future__ import annotations

import pytest

from bench.rollout import SCENARIOS, Scenario, row, runs
from service.releases.judge import Ruling

RUNS = 20


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_it_neither_cries_wolf_nor_sleeps(scenario: Scenario) -> None:
    ended = runs(scenario, RUNS)
    print(row(scenario, ended))
    expected = Ruling.ROLL_BACK if scenario.worse else Ruling.PROMOTE
    assert sum(run.ruling is expected for run in ended) >= RUNS - 1
