"""Pure: the fleet benchmark's arithmetic (a trace, a share of CPU, what the engine costs) and its report."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import _fleet_report
from bench._cpu_share import SAVED, Allowance
from bench._fleet_measures import admissions, zipf
from bench._fleet_report import markdown, shares
from bench._generator import Samples

HEAD = {
    "machine": {"cores": 2, "cpu": "some", "python": "3.11", "load": 0.5},
    "date": "2026-01-01",
    "seconds": 1,
    "quick": False,
}


def test_a_trace_is_the_same_each_time_and_prefers_few_urls() -> None:
    one, other = zipf("one", 50, 400), zipf("other", 50, 400)
    assert [url.replace("one", "other") for url in one] == other
    assert not set(one) & set(other)
    counted = [count for _, count in Counter(one).most_common()]
    assert counted[0] > 3 * counted[len(counted) // 4]


@given(
    share=st.floats(0.05, 1.0),
    looks=st.lists(st.tuples(st.floats(0.001, 0.1), st.floats(0.0, 0.2)), min_size=1, max_size=100),
)
def test_a_family_uses_its_share_and_at_most_one_look_more(
    share: float, looks: list[tuple[float, float]]
) -> None:
    """It computes only while it may, however much it gets done between two looks."""
    allowance, now, used, most = Allowance(share, 0.0, 0.0), 0.0, 0.0, 0.0
    runs = True
    for pause, work in looks:
        now += pause
        if runs:
            used += work
            most = max(most, work)
        runs = allowance.may_run(now, used)
        assert used <= share * now + SAVED + most + 1e-9


def test_a_family_that_made_up_for_it_goes_on() -> None:
    allowance = Allowance(0.25, 0.0, 0.0)
    assert not allowance.may_run(1.0, 1.0)
    assert not allowance.may_run(4.8, 1.0)
    assert allowance.may_run(5.0, 1.0)


def test_only_good_answers_are_admissions() -> None:
    assert admissions(Samples([0.1, 0.2, 0.3], [0.1] * 3, [200, 429, 200], [0] * 3)) == [0.1, 0.3]


COST: dict[str, Any] = {
    "rounds": 1,
    "videos": 1,
    "idle": {"alone": 0.01, "shared": 0.02, "engine": 0.01},
    "alone_all": 50.0,
    "alone_server": 5.0,
    "alone_engine": 0.0,
    "kept_all": 52.0,
    "kept_server": 5.5,
    "kept_engine": 0.25,
    "shared_all": 1.5,
    "shared_server": 1.5,
    "shared_engine": 0.25,
    "own_all": 0.5,
    "own_server": 0.5,
    "own_engine": 0.0,
}


def test_the_engine_costs_what_the_servers_take_more_and_what_it_takes_itself() -> None:
    wanted = {"kept": 0.01, "kept, engine": 0.005, "taken": 0.02, "taken, engine": 0.005}
    assert shares(COST) == pytest.approx(wanted)


def loss(name: str, failed: int, p99: float) -> dict[str, Any]:
    answers = [[0.0, 0.1, 200]] * (9 - failed) + [[0.0, 0.1, 503]] * failed
    times = {"p50": 5.0, "p95": 6.0, "p99": p99}
    problems = {"SHUTTING_DOWN": failed} if failed else {}
    row = {"name": name, "balancer": "fleet", "failed": failed, "problems": problems, "answers": answers}
    return {**row, **times, "span": [2.0, 4.0]}


def trace(engine: bool, extractions: int) -> dict[str, Any]:
    row = {"engine": engine, "balancing": "hash", "requests": 100, "distinct": 40}
    return {**row, "extractions": extractions, "statuses": {"200": 100}}


def test_the_report_says_which_claims_hold() -> None:
    rates = [{"instances": count, "rate": 10.0 * count, "share": 0.2} for count in (1, 2, 3)]
    results = {
        **HEAD,
        "scaling": {"share": 0.2, "rows": rates},
        "sharing": {"rows": [trace(True, 42), trace(False, 70)]},
        "limit": {
            "limit": 20,
            "window": 5.0,
            "windows": 10,
            "demand": 45.0,
            "engine": [0.0] * 50 + [6.0] * 170,
            "none": [0.0] * 660,
        },
        "cost": COST,
        "losses": {
            "latency": 0.5,
            "rate": 12.0,
            "kills": 3,
            "rows": [loss("nothing", 0, 100.0), loss("rolling restart", 2, 160.0)],
        },
    }
    report = markdown(results)
    for line in (
        "| extractions per second of 3 instances, of one | ≥ 2.7 | 3.00 | yes |",
        "| extractions of a distinct URL with the engine, hash | 1.00 | 1.05 | **no** |",
        "| no | hash | 100 | 40 | 70 | 1.75 | 0.300 |",
        "in the long run | ≤ 23 | 22.0 | yes |",
        "| each by itself | 660 | 66.0 |",
        "| CPU to keep a result in the engine, of an extraction | ≤ 5% | 1.5% | yes |",
        "| CPU to take a result from the engine, of an extraction | ≤ 5% | 2.5% | yes |",
        "| failed requests: nothing | 0 | 0 of 9 | yes |",
        "| failed requests: rolling restart | 0 | 2 of 9 | **no** |",
        "| rolling restart | 9 | 2 | 5 | 160 | +60 | 2 of SHUTTING_DOWN |",
    ):
        assert line in report


def test_a_lost_request_or_an_error_is_a_failure() -> None:
    calm = {"latency": 0.5, "rate": 12.0, "kills": 1, "rows": [loss("nothing", 0, 1.0)]}
    assert not _fleet_report.failed({**HEAD, "losses": calm})
    assert _fleet_report.failed({**HEAD, "losses": {**calm, "rows": [loss("nothing", 1, 1.0)]}})
    assert _fleet_report.failed({**HEAD, "cost": {"error": "OSError: no"}})
    assert "Failed: OSError: no" in markdown({**HEAD, "cost": {"error": "OSError: no"}})
