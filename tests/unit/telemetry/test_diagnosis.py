"""Why a site fails: what follows from runs and pairs, and the bounds (pure)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from service.telemetry import diagnosis
from service.telemetry.diagnosis import BUCKET, BUCKETS, Diagnosis
from service.telemetry.measurements import CANCELLED, OK, RunEnded

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
OLD, NEW = "2026.8.19", "2026.10.26"

_jobs = itertools.count(1)


def job(known: Diagnosis, now: float, *runs: tuple[str, str, str], site: str = "youtube.com") -> None:
    """The runs of one job: outcome, release and egress of each."""
    number = next(_jobs)
    for outcome, ytdlp, egress in runs:
        known.note(now, RunEnded(ytdlp, outcome, site, egress, number))


def sentences(known: Diagnosis, now: float) -> list[str]:
    return [finding.sentence for finding in known.findings(known.cells(now), now, NOON)]


def test_some_egresses_are_blocked() -> None:
    known = Diagnosis()
    for _ in range(2):
        job(known, 0.0, ("BOT_CHECK", NEW, "fra1"), (OK, NEW, "fra2"))
        job(known, 60.0, ("BOT_CHECK", NEW, "fra3"), (OK, NEW, "fra2"))
    assert sentences(known, 3540.0) == [
        "youtube.com fails with BOT_CHECK on 2 of 3 egresses (fra1, fra3) since 11:01; "
        "fra2 works; nothing to do"
    ]


def test_an_egress_that_has_answered_no_pair_is_not_praised() -> None:
    known = Diagnosis()
    for _ in range(3):
        job(known, 0.0, ("BOT_CHECK", NEW, "fra1"))
        job(known, 0.0, (OK, NEW, "fra2"))
    (sentence,) = sentences(known, 60.0)
    assert "BOT_CHECK in 3 of 6 runs since 11:59: give it other addresses" in sentence


def test_every_egress_is_blocked() -> None:
    known = Diagnosis()
    for egress in ("fra1", "fra2", "fra3"):
        job(known, 0.0, ("BOT_CHECK", NEW, egress), ("BOT_CHECK", NEW, "fra1"))
    (sentence,) = sentences(known, 0.0)
    assert sentence.startswith("youtube.com fails with BOT_CHECK on every one of 3 egresses since 12:00: ")


@pytest.mark.parametrize(
    ("egresses", "where"), [(("",), ""), (("fra1", "fra2"), "on every egress ")], ids=["one", "several"]
)
def test_a_release_is_broken(egresses: tuple[str, ...], where: str) -> None:
    known = Diagnosis()
    for egress in egresses * 2:
        job(known, 0.0, ("EXTRACTOR_BROKEN", NEW, egress), (OK, OLD, egress))
    assert sentences(known, 120.0) == [
        f"youtube.com fails with EXTRACTOR_BROKEN {where}with release {NEW} since 11:58; "
        f"{OLD} answers the same jobs; roll back: ytdlpd releases rollback"
    ]


def test_where_both_differ_nothing_follows() -> None:
    known = Diagnosis()
    for _ in range(3):
        job(known, 0.0, ("EXTRACTOR_BROKEN", NEW, "fra1"), (OK, OLD, "fra2"))
    (sentence,) = sentences(known, 0.0)
    assert "roll back" not in sentence
    assert "nothing to do" not in sentence


def test_without_pairs_the_code_has_its_advice() -> None:
    known = Diagnosis()
    for _ in range(2):
        job(known, 0.0, ("PROXY", NEW, ""))
    assert sentences(known, 0.0) == [
        "youtube.com fails with PROXY in every run since 12:00: look at the proxy and its credentials"
    ]


def test_what_is_no_trouble_is_not_told() -> None:
    known = Diagnosis()
    for outcome in (OK, "PRIVATE", CANCELLED):
        for _ in range(5):
            job(known, 0.0, (outcome, NEW, ""))
    job(known, 0.0, ("UPSTREAM_ERROR", NEW, ""))  # once
    assert sentences(known, 0.0) == []
    assert {cell.outcome for cell in known.cells(0.0)} == {OK, "PRIVATE", "UPSTREAM_ERROR"}


def test_what_was_long_ago_is_forgotten() -> None:
    known = Diagnosis()
    for _ in range(3):
        job(known, 0.0, ("BOT_CHECK", NEW, "fra1"), (OK, NEW, "fra2"))
    assert len(sentences(known, 3600.0)) == 1
    assert sentences(known, 3601.0) == []
    assert len(known.cells((BUCKETS - 1) * BUCKET)) == 2
    assert known.cells(BUCKETS * BUCKET) == ()
    job(known, BUCKETS * BUCKET + 1, ("BOT_CHECK", NEW, "fra1"))
    (cell,) = known.cells(BUCKETS * BUCKET + 2)
    assert (cell.runs, cell.since, cell.last) == (1, 1.0, 1.0)


def test_the_most_frequent_comes_first() -> None:
    known = Diagnosis()
    for site, times in (("a.example", 2), ("b.example", 3)):
        for _ in range(times):
            job(known, 0.0, ("UPSTREAM_ERROR", NEW, ""), site=site)
    found = known.findings(known.cells(0.0), 0.0, NOON)
    assert [finding.site for finding in found] == ["b.example", "a.example"]


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("CELLS", "FAILURES", "OPEN"):
        monkeypatch.setattr(diagnosis, bound, 10)
    known = Diagnosis()
    for number in range(100):
        job(known, 0.0, ("BOT_CHECK", NEW, "fra1"), (OK, NEW, "fra2"), site=f"{number}.example")
        job(known, 0.0, ("BOT_CHECK", NEW, "fra1"), site=f"{number}.example")
    assert len(known.cells(0.0)) == 10
    assert len(known._pairs) == 10
    assert len(known._open) == 10
