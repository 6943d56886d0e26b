"""Pure: the shares of a new release, which jobs get a second opinion, and what people read of it."""

from __future__ import annotations

from service.releases.judge import Evidence, Ruling
from service.releases.rollout import Canary


def canary(draw: float = 0.5) -> Canary:
    return Canary("2026.8.19", "2026.10.26", 0.0, evidence=Evidence(100, 1200.0), draw=lambda: draw)


def test_the_share_grows_with_jobs_or_with_time() -> None:
    by_jobs, by_time = canary(), canary()
    for jobs, seconds, share in ((0, 0.0, 0.01), (1, 100.0, 0.10), (10, 400.0, 0.50), (99, 1199.0, 0.50)):
        by_jobs.judge.samples = jobs
        by_jobs.verdict(0.0)
        by_time.judge.jobs = 5000  # enough traffic not to be promoted by time
        by_time.verdict(seconds)
        assert (by_jobs.share, by_time.share) == (share, share)


def test_jobs_start_on_it_with_its_share() -> None:
    assert canary(draw=0.009).first()
    assert not canary(draw=0.01).first()


def test_failures_of_either_release_get_as_many_second_opinions() -> None:
    rarely, often = canary(draw=0.02), canary(draw=0.0)
    assert rarely.second(canary=True)  # each failure of the new one is tried on the old one
    assert not rarely.second(canary=False)
    assert often.second(canary=False)


def test_only_pairs_of_its_own_two_releases_count() -> None:
    tried = canary()
    tried.differed("a.test", failed="2026.10.26", answered="2026.8.19")
    tried.differed("a.test", failed="2026.8.19", answered="2026.10.26")
    tried.differed("a.test", failed="2026.6.9", answered="2026.10.26")
    tried.ran("2026.10.26")
    tried.ran("2026.8.19")
    tried.ran("2026.6.9")
    statistics = tried.statistics(720.0)
    assert (statistics.in_favour, statistics.against, statistics.samples) == (1, 1, 1)
    assert tried.judge.jobs == 2
    assert statistics.sentence == "2026.10.26 on 1 % since 12 min: 1 pair for it, 1 against"


def test_a_promotion_leaves_the_share_alone() -> None:
    tried = canary()
    tried.judge.samples = 100
    assert tried.verdict(1200.0).ruling is Ruling.PROMOTE
    assert tried.share == 0.01
