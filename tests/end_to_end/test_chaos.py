"""End-to-end: a short run of `python -m bench chaos`, and a wall clock that jumps."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import chaos
from bench._fault_environment import jumping_clock
from tests.internet import Internet
from tests.support.running_service import Service


def test_everything_breaks_and_everyone_is_answered() -> None:
    report = chaos.run(seconds=6, seed=4, clients=8)
    # So few requests say nothing about memory; the whole benchmark does.
    assert [problem for problem in report.problems if "memory" not in problem] == [], str(report)
    assert report.answers.total() > 0
    assert len(report.faults) >= 3


def test_no_decision_is_taken_by_the_wall_clock(internet: Internet, tmp_path: Path) -> None:
    clock = jumping_clock(tmp_path)
    settings = {
        "PYTHONPATH": clock,
        "SCALING": "fixed:2",
        "RATE_LIMIT_MAX_REQUESTS": 4,
        "RATE_LIMIT_WINDOW_MS": 3_600_000,
    }
    with Service.run(internet, settings=settings) as service:
        before = {worker["pid"] for worker in service.pool()["workers"]}
        internet.set_latency("clock.example", 1.0)
        for jump in (86_400, -86_400, 3_600, -3_600):
            with ThreadPoolExecutor(1) as threads:
                under_way = threads.submit(service.extract, f"https://clock.example/html5?{jump}")
                time.sleep(0.3)
                (clock / "offset").write_text(str(jump))
                answer = under_way.result()
            assert answer.status_code == 200
            assert abs(answer.json()["epoch"] - time.time() - jump) < 600, "it did jump"
            assert service.get("/health").json()["status"] == "healthy"
        assert service.extract("https://clock.example/html5?fifth").status_code == 429, "no time has passed"
        assert {worker["pid"] for worker in service.pool()["workers"]} == before
        assert service.get("/health").json()["uptime"]["seconds"] < 600
