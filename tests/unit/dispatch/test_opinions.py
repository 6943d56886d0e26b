"""Collaboration: which release runs a job, and which of two answers its client gets. Mock clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from service import events
from service.breaker.settings import BreakerSettings
from service.codes import TRAITS, Code
from service.dispatch.request import Caller
from service.errors import ExtractionError
from service.releases.judge import Contents, Evidence
from service.releases.rollout import Canary
from service.releases.trial import Trial, contents_of
from service.telemetry.measurements import RunEnded
from service.wire import Job, Kind, Success
from tests.unit.dispatch.test_dispatch import ASKED, GOOD, JOB, Harness, failure, harness

BROKEN = failure(Code.EXTRACTOR_BROKEN, usage=ASKED)
PRIVATE = failure(Code.PRIVATE, usage=ASKED)
LISTED = Success(
    b'{"duration": 212, "formats": [{"height": 720}, {"height": 720}, {"height": null}]}', "Youtube", ASKED
)


def trying(it: Harness, *, draw: float) -> Canary:
    """Begin a trial in which each draw is `draw`; with 0.0 all jobs start on the new release."""
    canary = Canary("old", "new", 0.0, evidence=Evidence(), draw=lambda: draw)
    it.trial.canary = canary
    it.trial._sampled = 0.0
    return canary


def old_first(canary: Canary) -> None:
    """Have jobs start on the release in service, and their failures tried on the new one."""
    canary.first = lambda: False  # type: ignore[method-assign]


async def test_without_a_trial_a_failure_is_final(autojump_clock: MockClock) -> None:
    it = harness(BROKEN)
    assert await it.code() is Code.EXTRACTOR_BROKEN
    assert it.pool.ran == ["old"]


@pytest.mark.parametrize("code", [code for code in Code if TRAITS[code].by_release])
async def test_a_failure_of_the_new_release_is_answered_by_the_old_one(
    code: Code, autojump_clock: MockClock
) -> None:
    it = harness(failure(code, usage=ASKED), GOOD)
    canary = trying(it, draw=0.0)
    answer = await it.submit()
    assert (answer.ytdlp, it.pool.ran, len(it.pool.leased)) == ("old", ["new", "old"], 1)
    assert (canary.judge.pairs.against, canary.judge.pairs.in_favour) == (1, 0)
    assert (it.site.total_successes, it.site.total_failures) == (1, 0)


async def test_a_failure_of_the_old_release_is_answered_by_the_new_one(autojump_clock: MockClock) -> None:
    it = harness(BROKEN, GOOD)
    canary = trying(it, draw=0.0)
    old_first(canary)
    answer = await it.submit()
    assert (answer.ytdlp, it.pool.ran) == ("new", ["old", "new"])
    assert (canary.judge.pairs.against, canary.judge.pairs.in_favour) == (0, 1)


async def test_the_sites_own_no_is_an_answer(autojump_clock: MockClock) -> None:
    it = harness(BROKEN, PRIVATE)
    canary = trying(it, draw=0.0)
    assert await it.code() is Code.PRIVATE
    assert canary.judge.pairs.against == 1


async def test_what_no_release_can_cause_is_not_asked_twice(autojump_clock: MockClock) -> None:
    it = harness(PRIVATE)
    canary = trying(it, draw=0.0)
    assert await it.code() is Code.PRIVATE
    assert it.pool.ran == ["new"]
    assert canary.judge.samples == 1


@pytest.mark.parametrize("new_first", [True, False])
async def test_where_both_fail_the_word_of_the_old_one_counts(
    new_first: bool, autojump_clock: MockClock
) -> None:
    said = [failure(Code.NO_MEDIA, usage=ASKED), failure(Code.BOT_CHECK, usage=ASKED)]
    it = harness(*said)
    canary = trying(it, draw=0.0)
    if not new_first:
        old_first(canary)
    assert await it.code() is (Code.BOT_CHECK if new_first else Code.NO_MEDIA)
    assert (canary.judge.pairs.against, canary.judge.pairs.in_favour) == (0, 0)
    assert it.site.total_failures == int(new_first)  # once, by its last word


async def test_further_attempts_are_for_the_release_in_service(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_ERROR, usage=ASKED))
    trying(it, draw=0.0)
    assert await it.code() is Code.UPSTREAM_ERROR
    assert it.pool.ran == ["new", "old", "old", "old"]
    assert it.site.total_failures == 1


async def test_a_broken_release_never_opens_a_breaker(autojump_clock: MockClock) -> None:
    settings = BreakerSettings(window_calls=4, minimum_calls=4, failure_rate=0.5)
    it = harness(
        *(said for _ in range(20) for said in (failure(Code.UPSTREAM_ERROR, usage=ASKED), GOOD)),
        settings=settings,
    )
    trying(it, draw=0.0)
    for _ in range(20):
        await it.dispatcher.submit(JOB, Caller("a client", fresh=True))
    assert (it.site.state, it.site.total_failures) == ("CLOSED", 0)


async def test_a_release_that_hangs_leaves_time_for_the_other_one(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=30.0)
    canary = trying(it, draw=0.0)
    began = trio.current_time()

    async def quick() -> None:
        await trio.sleep(10)
        it.pool.takes = 1.0

    async with trio.open_nursery() as nursery:
        nursery.start_soon(quick)
        answer = await it.submit()
    assert (answer.ytdlp, it.pool.ran) == ("old", ["new", "old"])
    assert trio.current_time() - began < 25
    assert canary.judge.pairs.against == 1


async def test_a_release_that_kills_workers_sends_no_page_to_quarantine(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.WORKER_CRASHED), GOOD, deaths=2)
    trying(it, draw=0.0)
    await it.submit()
    assert not it.dispatcher.quarantine.listed(trio.current_time())
    assert not [event for event in it.heard if isinstance(event, events.UrlQuarantined)]


async def test_each_run_is_measured_with_its_release(autojump_clock: MockClock) -> None:
    it = harness(BROKEN, GOOD)
    trying(it, draw=0.0)
    runs: list[events.Event] = []
    it.dispatcher._with.measured.subscribe(runs.append)
    await it.submit()
    first, second = (run for run in runs if isinstance(run, RunEnded))
    assert first.job == second.job > 0
    assert [first, second] == [
        RunEnded("new", "EXTRACTOR_BROKEN", "site.test", job=first.job),
        RunEnded("old", "OK", "site.test", job=first.job),
    ]


async def test_results_of_a_release_are_purged_and_those_of_another_kept(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    await it.submit()
    assert it.dispatcher.purge("new") == 0
    assert it.dispatcher.kept(JOB) is not None
    assert it.dispatcher.purge("old") == 1
    assert it.dispatcher.kept(JOB) is None
    assert it.dispatcher.cache().bytes == 0


async def test_a_refusal_is_purged_whoever_made_it(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.REMOVED, usage=ASKED), GOOD)
    assert await it.code() is Code.REMOVED
    assert it.dispatcher.purge("new") == 1
    assert (await it.submit()).body == GOOD.body


async def test_a_part_of_the_successes_is_compared(autojump_clock: MockClock) -> None:
    it = harness(LISTED)
    canary = trying(it, draw=0.5)
    it.trial._sampled = 1.0
    await it.submit()
    comparison = it.trial.comparisons.receive_nowait()
    assert (comparison.job, comparison.version) == (JOB, "old")
    assert comparison.contents == Contents("Youtube", 212, 3, frozenset({720}))
    answer = await it.dispatcher.rerun(comparison.job, canary=True)
    assert answer.ytdlp == "new"
    assert canary.judge.jobs == 1  # a comparison is no job
    with pytest.raises(trio.WouldBlock):
        it.trial.comparisons.receive_nowait()
    it.trial.compared(comparison, answer.ytdlp, Contents("Youtube", 212, 2, frozenset({720})))
    assert canary.judge.contents.against == 1


async def test_a_comparison_that_fails_says_so(autojump_clock: MockClock) -> None:
    it = harness(BROKEN)
    trying(it, draw=0.0)
    with pytest.raises(ExtractionError):
        await it.dispatcher.rerun(JOB, canary=True)
    assert it.pool.ran == ["new"]


def test_sizes_are_compared_by_their_heights() -> None:
    job = Job(Kind.SIZE, JOB.url)
    sized = Success(b'{"bytes": {"s720p": 1, "s1080p": 2, "audio": 3}, "duration": 1.5}', "Youtube")
    assert contents_of(job, sized) == Contents("Youtube", 1.5, 3, frozenset({720, 1080}))


@pytest.mark.parametrize(
    "job",
    [
        Job(Kind.EXTRACT, JOB.url, cookies="a"),
        Job(Kind.EXTRACT, JOB.url, fields=("title",)),
        Job(Kind.EXTRACT, JOB.url, playlist=5),
    ],
)
def test_private_results_parts_and_lists_are_not_compared(job: Job) -> None:
    assert contents_of(job, LISTED) is None


def test_without_a_trial_nothing_is_asked_or_noted() -> None:
    trial = Trial(sampled=1.0)
    assert not trial.first()
    assert not trial.second(canary=False)
    trial.ran(JOB, "old", LISTED)
    trial.differed("a.test", failed="old", answered="new")
    with pytest.raises(trio.WouldBlock):
        trial.comparisons.receive_nowait()
