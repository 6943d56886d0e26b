"""Collaboration: the operator's cookies on their way to a job, with a scripted pool, on a mock clock."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from service.breaker.key import BreakerKey
from service.breaker.pacing import Paces
from service.codes import Code
from service.config import Config
from service.dispatch.accounts import Accounts
from service.dispatch.site_limits import SiteLimits
from service.dispatch.visits import Visits
from service.events import CookiesRead, CookiesUnusable, Event, Events
from service.wire import Job, Kind, Outcome, Permission

from .test_dispatch import GOOD, JOB, FakePool, Harness, failure

ELSEWHERE = Job(Kind.EXTRACT, "https://other.test/video")


def cookie(value: str, domain: str = ".site.test") -> str:
    return f"{domain}\tTRUE\t/\tTRUE\t2147483647\tSID\t{value}"


def harness(file: Path, *outcomes: Outcome | Exception, **options: Any) -> Harness:
    if not file.exists():
        file.write_text(cookie("first"))
    config = Config.load(ytdlp={"cookies_file": str(file), **options})
    return Harness(FakePool(list(outcomes or (GOOD,))), config)


def sent(it: Harness) -> list[str | None]:
    return [job.cookies for job in it.pool.jobs]


async def test_an_accounts_job_is_private(autojump_clock: MockClock, tmp_path: Path) -> None:
    it = harness(tmp_path / "cookies.txt")
    for _ in range(2):
        answer = await it.submit()
        assert (answer.age, answer.etag) == (None, "")
    assert sent(it) == [cookie("first")] * 2, "nothing came from the cache"


async def test_equal_jobs_of_an_account_share_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    it = harness(tmp_path / "cookies.txt")
    it.pool.takes = 1.0
    async with trio.open_nursery() as nursery:
        await nursery.start(it.dispatcher.run_flights)
        async with trio.open_nursery() as callers:
            callers.start_soon(it.submit)
            callers.start_soon(it.submit)
        nursery.cancel_scope.cancel()
    assert len(it.pool.jobs) == 2


async def test_the_operator_may_share_its_results(autojump_clock: MockClock, tmp_path: Path) -> None:
    it = harness(tmp_path / "cookies.txt", cookies_shared=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(it.dispatcher.run_flights)
        await it.submit()
        assert (await it.submit()).age is not None
        nursery.cancel_scope.cancel()
    assert sent(it) == [cookie("first")]


async def test_a_clients_cookies_win(autojump_clock: MockClock, tmp_path: Path) -> None:
    it = harness(tmp_path / "cookies.txt")
    await it.submit(replace(JOB, cookies="the client's"))
    assert sent(it) == ["the client's"]
    assert it.site.site == "site.test"


async def test_another_site_gets_no_cookies(autojump_clock: MockClock, tmp_path: Path) -> None:
    it = harness(tmp_path / "cookies.txt")
    async with trio.open_nursery() as nursery:
        await nursery.start(it.dispatcher.run_flights)
        await it.submit(ELSEWHERE)
        assert (await it.submit(ELSEWHERE)).age is not None
        nursery.cancel_scope.cancel()
    assert sent(it) == [None]


async def test_the_account_has_a_breaker_and_a_pace_of_its_own(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    it = harness(tmp_path / "cookies.txt", failure(Code.RATE_LIMITED, retry_after=5.0))
    assert await it.code() is Code.RATE_LIMITED
    assert it.site.site == "site.test (account)"
    paces = {pace.site: pace.cuts for pace in it.dispatcher.paces()}
    assert paces == {"site.test (account)": 1}
    assert it.breakers.admits(BreakerKey("site.test"))
    it.dispatcher.reset("site.test")
    assert it.dispatcher.paces() == ()


async def test_a_job_of_an_account_may_come_back_to_its_own_site(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    it = harness(tmp_path / "cookies.txt")
    key = BreakerKey.of("site.test", account=True)
    permit = await it.breakers.admit(key)
    visits = Visits(it.breakers, Paces(), SiteLimits(lambda _: None), key, permit, lambda *_: None)
    assert await visits.enter("site.test") == Permission()
    assert it.breakers.known == 1, "it has its permit"


def test_the_file_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    file, heard = tmp_path / "cookies.txt", list[Event]()
    file.write_text(cookie("first"))
    config = Config.load(site={"site.test": {"ytdlp": {"cookies_file": str(file)}}})
    bus = Events()
    bus.subscribe(heard.append)
    accounts = Accounts(config.ytdlp_options, bus)

    def text() -> str | None:
        account = accounts.of("site.test")
        return account.cookies if account else None

    assert [text(), text()] == [cookie("first")] * 2
    assert accounts.of("other.test") is None
    newer = tmp_path / "newer.txt"
    newer.write_text(cookie("second"))
    os.replace(newer, file)
    assert text() == cookie("second")
    file.write_text("SECRET")  # half written
    assert [text(), text()] == [cookie("second")] * 2, "the last good ones go on"
    file.unlink()
    assert text() == cookie("second")
    file.write_text(cookie("third"))
    assert text() == cookie("third")
    read = CookiesRead(str(file), ("site.test",))
    bad = "line 1 of {} is not in the Netscape format (seven fields between tabs)"
    assert heard == [
        *(read, read),
        CookiesUnusable(str(file), bad.format(file)),
        CookiesUnusable(str(file), f"{file} cannot be read: No such file or directory"),
        read,
    ]
