"""Pure: when a new release is promoted, rolled back or tried on, and what of a result counts as lost."""

from __future__ import annotations

import pytest

from service.releases.judge import SITES, Contents, Evidence, Judge, Ruling

NEEDED = Evidence(samples=2000, seconds=3600.0)
WHOLE = Contents("youtube", 212.0, 20, frozenset({360, 720, 1080}))


def judge(*, samples: int = 0, jobs: int | None = None) -> Judge:
    judge = Judge(0.0, NEEDED)
    judge.samples, judge.jobs = samples, samples if jobs is None else jobs
    return judge


def test_a_release_that_fails_where_the_old_one_answers_is_rolled_back() -> None:
    judged = judge()
    for _ in range(20):
        judged.differed("a.test", against=True)
    assert judged.verdict(1.0).ruling is Ruling.WAIT
    judged.differed("b.test", against=True)
    verdict = judged.verdict(1.0)
    assert verdict.ruling is Ruling.ROLL_BACK
    assert verdict.reason == "it failed where the old one answered: 0 pairs for it, 21 against"


def test_one_broken_site_is_enough_though_the_others_are_better() -> None:
    judged = judge(samples=5000)
    for _ in range(21):
        judged.differed("broken.test", against=True)
        judged.differed("mended.test", against=False)
    verdict = judged.verdict(4000.0)
    assert verdict.ruling is Ruling.ROLL_BACK
    assert "at broken.test" in verdict.reason


def test_a_site_in_doubt_holds_the_promotion_back() -> None:
    judged = judge(samples=5000)
    for _ in range(20):
        judged.differed("mended.test", against=False)
    for _ in range(7):
        judged.differed("doubtful.test", against=True)
    assert judged.verdict(4000.0).ruling is Ruling.WAIT
    for _ in range(7):
        judged.differed("doubtful.test", against=False)
    assert judged.verdict(4000.0).ruling is Ruling.PROMOTE


def test_as_many_pairs_for_it_as_against_promote_it_after_a_quarter_of_the_jobs() -> None:
    judged = judge(samples=499)
    for _ in range(40):
        judged.differed("a.test", against=True)
        judged.differed("a.test", against=False)
    assert judged.verdict(60.0).ruling is Ruling.WAIT
    judged.ran(new=True)
    assert judged.verdict(60.0).ruling is Ruling.PROMOTE


@pytest.mark.parametrize(
    ("samples", "age", "ruling"),
    [(2000, 3599.0, Ruling.WAIT), (1999, 3600.0, Ruling.WAIT), (2000, 3600.0, Ruling.PROMOTE)],
)
def test_without_pairs_it_takes_the_jobs_and_the_time(samples: int, age: float, ruling: Ruling) -> None:
    assert judge(samples=samples).verdict(age).ruling is ruling


def test_little_traffic_promotes_by_time_and_says_so() -> None:
    verdict = judge(samples=3, jobs=100).verdict(3600.0)
    assert verdict.ruling is Ruling.PROMOTE
    assert verdict.reason == "by its rehearsal and 60 min, as there is little traffic: 3 jobs on it"


@pytest.mark.parametrize(
    "new",
    [
        Contents("youtube", 212.0, 19, WHOLE.heights),
        Contents("youtube", 212.0, 20, frozenset({360, 720})),
        Contents("youtube", 215.0, 20, WHOLE.heights),
        Contents("youtube", None, 20, WHOLE.heights),
        Contents("generic", 212.0, 20, WHOLE.heights),
    ],
)
def test_silent_loss_rolls_it_back(new: Contents) -> None:
    judged = judge()
    for _ in range(21):
        judged.compared(WHOLE, new)
    verdict = judged.verdict(1.0)
    assert verdict.ruling is Ruling.ROLL_BACK
    assert verdict.reason.startswith("its results lack what the old one found")


def test_more_than_before_is_no_loss() -> None:
    more = Contents("youtube", 212.5, 21, WHOLE.heights | {2160})
    assert not WHOLE.lost(more)
    judged = judge()
    judged.compared(WHOLE, more)
    judged.compared(WHOLE, WHOLE)
    assert (judged.contents.against, judged.contents.in_favour) == (0, 1)


def test_the_sites_that_are_remembered_are_bounded() -> None:
    judged = judge(samples=5000)
    for _ in range(20):
        judged.differed("early.test", against=True)
    for number in range(SITES):
        judged.differed(f"site{number}.test", against=False)
    judged.differed("early.test", against=True)  # its tally begins anew
    assert judged.verdict(4000.0).ruling is Ruling.PROMOTE
