"""Collaboration: what the dispatcher asks of the other instances, with a scripted pool, on a mock clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from service.cluster.port import Alone, Run
from service.codes import Code
from service.dispatch.dispatcher import Dispatcher
from service.dispatch.operator import Operator
from service.dispatch.request import Answer, Caller
from service.errors import DeadlineExceeded, ExtractionError, ShuttingDown
from service.events import Events
from service.pool.pool import Pool
from service.releases.store import ReleaseStore
from service.wire import Job, Outcome
from tests.unit.dispatch.test_dispatch import CALLER, GOOD, JOB, FakePool, Harness, failure, harness

THEIRS = Answer(b'{"of":"another"}', "Generic", etag="abc", age=100.0, lifetime=3600.0, ytdlp="theirs")


class Others(Alone):
    """Other instances, which have `found`, or hang, or have nothing."""

    def __init__(self, found: Answer | Exception | None = None, *, hangs: bool = False) -> None:
        self.asked: list[tuple[Job, bool]] = []
        self.purged: list[str] = []
        self.deaths: list[tuple[str, str, int]] = []
        self.pauses: list[tuple[str, str, float]] = []
        self._found = found
        self._hangs = hangs

    def purge(self, ytdlp: str) -> None:
        self.purged.append(ytdlp)

    def died(self, url: str, client: str, causes: Sequence[str]) -> None:
        self.deaths.append((url, client, len(causes)))

    def pause(self, egress: str, place: str, seconds: float) -> None:
        self.pauses.append((egress, place, seconds))

    async def once(self, job: Job, run: Run, *, fresh: bool) -> Answer:
        self.asked.append((job, fresh))
        if self._hangs:
            await trio.sleep_forever()
        if isinstance(self._found, Exception):
            raise self._found
        return self._found or await run()


def among(others: Others, *outcomes: Outcome) -> Harness:
    it = harness(*(outcomes or (GOOD,)))
    it.dispatcher = Dispatcher(it.config, cast(Pool, it.pool), it.breakers, Events(), cluster=others)
    return it


async def test_a_result_of_another_instance_is_kept_with_its_age(autojump_clock: MockClock) -> None:
    others = Others(THEIRS)
    it = among(others)
    assert await it.submit() == THEIRS
    await trio.sleep(50)
    again = await it.submit()
    assert again.body == THEIRS.body
    assert again.age == pytest.approx(150)
    assert (it.pool.leased, others.asked) == ([], [(JOB, False)])
    await trio.sleep(151)  # CACHE_TTL_MS counts from the extraction
    await it.submit()
    assert len(others.asked) == 2


async def test_their_refusal_is_ours(autojump_clock: MockClock) -> None:
    others = Others(ExtractionError(Code.PRIVATE, "the video is private"))
    it = among(others)
    for _ in range(2):
        assert await it.code() is Code.PRIVATE
    assert len(others.asked) == 1


async def test_who_wants_a_new_one_says_so(autojump_clock: MockClock) -> None:
    others = Others()
    it = among(others)
    await it.submit(caller=replace(CALLER, fresh=True))
    assert others.asked == [(JOB, True)]


async def test_a_job_with_cookies_stays_here(autojump_clock: MockClock) -> None:
    others = Others(THEIRS)
    it = among(others)
    assert (await it.submit(replace(JOB, cookies="a cookie"))).body == b"{}"
    assert others.asked == []


async def test_waiting_for_another_instance_has_the_deadline_of_the_job(autojump_clock: MockClock) -> None:
    it = among(Others(hangs=True))
    with pytest.raises(DeadlineExceeded):
        await it.submit(caller=Caller("hurried", timeout=10))
    assert trio.current_time() == pytest.approx(10)


async def test_the_drain_ends_those_who_wait_for_another_instance(autojump_clock: MockClock) -> None:
    it = among(Others(hangs=True))
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ShuttingDown):
                await it.submit()

        nursery.start_soon(ask)
        await trio.sleep(1)
        assert it.dispatcher.interrupt() == 1
        await it.dispatcher.idle()


async def test_with_nobody_it_is_extracted(autojump_clock: MockClock) -> None:
    it = among(Others())
    assert (await it.submit()).body == b"{}"
    assert isinstance(it.pool, FakePool)
    assert len(it.pool.leased) == 1


async def test_deaths_are_told_but_not_those_of_jobs_with_cookies(autojump_clock: MockClock) -> None:
    others = Others()
    it = among(others)
    it.pool.deaths = 1
    await it.submit()
    await it.submit(replace(JOB, cookies="a cookie"))
    assert others.deaths == [(JOB.url, CALLER.client, 1)]


async def test_a_retry_after_is_told_but_not_one_to_an_account(autojump_clock: MockClock) -> None:
    others = Others()
    it = among(others, *[failure(Code.RATE_LIMITED, retry_after=10.0)] * 2)
    assert await it.code() is Code.RATE_LIMITED
    assert others.pauses == [("", "site.test", 10.0)]
    with pytest.raises(ExtractionError):
        await it.submit(replace(JOB, cookies="a cookie"))
    assert len(others.pauses) == 1


async def test_a_pause_that_is_heard_of_holds_here(autojump_clock: MockClock) -> None:
    others = Others()
    it = among(others)
    Operator(it.breakers, it.dispatcher, ReleaseStore(None)).note_pause("", "site.test", 20.0)
    Operator(it.breakers, it.dispatcher, ReleaseStore(None)).note_pause("another way", "site.test", 25.0)
    await it.submit()
    assert trio.current_time() == pytest.approx(20)
    assert others.pauses == []  # it is not sent in circles


async def test_a_bad_release_is_purged_everywhere(autojump_clock: MockClock) -> None:
    others = Others(THEIRS)
    it = among(others)
    await it.submit()
    assert it.dispatcher.purge("theirs") == 1
    assert others.purged == ["theirs"]
    await it.submit()
    Operator(it.breakers, it.dispatcher, ReleaseStore(None)).note_purge("theirs")
    assert others.purged == ["theirs"]  # it is not sent in circles
    assert it.dispatcher.purge("theirs") == 0
