"""End-to-end: a short run of `python -m bench chaos`."""

from __future__ import annotations

from bench import chaos


def test_everything_breaks_and_everyone_is_answered() -> None:
    report = chaos.run(seconds=6, seed=4, clients=8)
    # So few requests tell nothing of memory; the whole run does.
    assert [problem for problem in report.problems if "memory" not in problem] == [], str(report)
    assert report.answers["200 OK"] > 0
    assert len(report.faults) >= 3
