"""Collaboration: a job's way to its answer, with a scripted pool, on a mock clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from service import events
from service.breaker.pacing import PaceSettings
from service.breaker.registry import Breakers, cooldowns
from service.breaker.settings import BreakerSettings
from service.breaker.statistics import BreakerStatistics
from service.codes import Code
from service.config import Config
from service.dispatch.dispatcher import Dispatcher
from service.dispatch.execution import BACKOFF
from service.dispatch.request import Answer, Caller
from service.errors import (
    CircuitOpen,
    DeadlineExceeded,
    DeadlineTooShort,
    ExtractionError,
    QueueFull,
    ShuttingDown,
    UnknownSite,
)
from service.pool.admission import Ticket
from service.pool.lease import Preempted
from service.pool.pool import Lease, Pool
from service.pool.process import Anywhere, Visits
from service.releases.trial import Trial
from service.wire import Failure, Job, Kind, Outcome, Success, Usage, Visit

CALLER = Caller("a client", tier=2, share=3.0)
JOB = Job(Kind.EXTRACT, "https://www.site.test/video")
ASKED = Usage(wall=0.5, requests=1, site_requests=1)
GOOD = Success(b"{}", "Generic", ASKED)
DIES = "the worker dies, and another runs the job"


def failure(code: Code, **more: Any) -> Failure:
    return Failure(code, "it says why", **more)


@dataclass
class FakeLease:
    """Gives the pool's next outcome after `takes` seconds."""

    pool: FakePool
    ticket: Ticket
    waited: float = 0.25
    position: int = 1
    expected_wait: float = 2.0
    deaths: list[str] = field(default_factory=list)
    interrupted: Usage | None = None
    canary: bool = False
    version: str = ""
    visits: Visits = field(default_factory=Anywhere)

    async def run(self, job: Job, timeout: float, *, tries: int = 2) -> Outcome:
        self.pool.timeouts.append(timeout)
        self.pool.jobs.append(job)
        self.version = "new" if self.canary else "old"
        self.pool.ran.append(self.version)
        began = trio.current_time()
        try:
            for endpoint, seconds in self.pool.route:
                if endpoint is DIES:
                    self.visits.begin()
                else:
                    await self.visits.enter(endpoint)
                await trio.sleep(seconds)
            await trio.sleep(self.pool.takes)
        except trio.Cancelled:
            wall = trio.current_time() - began
            self.interrupted = Usage(cpu=wall * self.pool.busy, wall=wall)
            raise
        self.deaths = ["SIGSEGV"] * self.pool.deaths
        outcome = self.pool.outcomes.pop(0) if len(self.pool.outcomes) > 1 else self.pool.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class FakePool:
    """A lease for each caller, unless it is `full`; the last outcome is given again and again."""

    outcomes: list[Outcome | Exception]
    takes: float = 0.0
    route: tuple[tuple[str, float], ...] = ()  # what a job asks, and for how long
    busy: float = 0.0
    deaths: int = 0
    full: Exception | None = None
    tickets: list[Ticket] = field(default_factory=list)
    leased: list[float] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    improved: list[tuple[Ticket, Ticket]] = field(default_factory=list)

    def improve(self, ticket: Ticket, better: Ticket) -> None:
        self.improved.append((ticket, better))

    @asynccontextmanager
    async def acquire(
        self, ticket: Ticket, waits: object = None, *, canary: bool = False
    ) -> AsyncIterator[Lease]:
        await trio.lowlevel.checkpoint()
        self.tickets.append(ticket)
        if self.full is not None:
            raise self.full
        self.leased.append(trio.current_time())
        yield cast(Lease, FakeLease(self, ticket, canary=canary))


@dataclass
class Harness:
    """A dispatcher with a fake pool and real breakers; `heard` collects its events."""

    pool: FakePool
    config: Config
    settings: BreakerSettings = field(default_factory=BreakerSettings)
    heard: list[events.Event] = field(default_factory=list)
    trial: Trial = field(default_factory=Trial)

    def __post_init__(self) -> None:
        bus = events.Events()
        bus.subscribe(self.heard.append)
        self.breakers = Breakers(self.settings, bus)
        self.dispatcher = Dispatcher(
            self.config, cast(Pool, self.pool), self.breakers, bus, jitter=lambda: 0.5, trial=self.trial
        )

    async def submit(self, job: Job = JOB, caller: Caller = CALLER) -> Answer:
        return await self.dispatcher.submit(job, caller)

    async def code(self, job: Job = JOB) -> Code:
        with pytest.raises(ExtractionError) as info:
            await self.submit(job)
        return info.value.code

    @property
    def site(self) -> BreakerStatistics:
        return self.breakers.statistics().sites[0]


def harness(*outcomes: Outcome | Exception, settings: BreakerSettings | None = None, **pool: Any) -> Harness:
    config = Config.load(ytdlp_timeout=25_000)
    return Harness(FakePool(list(outcomes), **pool), config, settings or BreakerSettings())


async def test_a_job_goes_straight_through(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    answer = await it.submit()
    assert answer == Answer(
        b"{}", "Generic", queued=0.25, extracted=0.5, position=1, expected_wait=2.0, ytdlp="old"
    )
    (ticket,) = it.pool.tickets
    assert (ticket.client, ticket.tier, ticket.share) == ("a client", 2, 3.0)
    assert ticket.deadline == trio.current_time() + 25
    assert it.pool.timeouts == [25]
    assert (it.site.site, it.site.total_successes, it.site.in_flight) == ("site.test", 1, 0)


@pytest.mark.parametrize(
    ("code", "attempts"),
    [
        (Code.UPSTREAM_ERROR, 3),
        (Code.UPSTREAM_TIMEOUT, 3),
        (Code.DNS, 3),
        (Code.FORBIDDEN, 2),
        (Code.BOT_CHECK, 1),
        (Code.RATE_LIMITED, 1),
        (Code.PRIVATE, 1),
        (Code.EXTRACTOR_BROKEN, 1),
        (Code.WORKER_CRASHED, 1),
    ],
)
async def test_a_failure_is_tried_again_as_its_code_says(
    autojump_clock: MockClock, code: Code, attempts: int
) -> None:
    it = harness(failure(code))
    assert await it.code() is code
    assert len(it.pool.leased) == attempts
    pauses = [later - earlier for earlier, later in zip(it.pool.leased, it.pool.leased[1:], strict=False)]
    assert pauses == pytest.approx([BACKOFF, 2 * BACKOFF][: attempts - 1])


async def test_a_second_attempt_may_succeed(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_ERROR), GOOD)
    answer = await it.submit()
    assert answer.body == b"{}"
    assert answer.queued == 0.5
    assert (it.site.total_failures, it.site.total_successes, it.site.ignored_requests) == (0, 1, 1)


async def test_the_sites_own_pause_is_kept_or_quoted(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_ERROR, retry_after=7.0), GOOD)
    await it.submit()
    assert it.pool.leased[1] - it.pool.leased[0] == pytest.approx(7)

    it = harness(failure(Code.UPSTREAM_ERROR, retry_after=60.0), GOOD)
    with pytest.raises(ExtractionError) as info:
        await it.submit()
    assert info.value.retry_after == 60
    assert len(it.pool.leased) == 1


async def test_a_request_counts_once_however_often_it_is_tried(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_ERROR))
    for _ in range(4):
        assert await it.code() is Code.UPSTREAM_ERROR
    assert len(it.pool.leased) == 12
    assert (it.site.state, it.site.total_failures) == ("CLOSED", 4)


async def test_an_open_breaker_refuses_before_anything_else(autojump_clock: MockClock) -> None:
    settings = BreakerSettings(window_calls=2, minimum_calls=2)
    it = harness(failure(Code.EXTRACTOR_BROKEN, usage=ASKED), failure(Code.UPSTREAM_ERROR), settings=settings)
    await it.code()
    assert await it.code() is Code.UPSTREAM_ERROR  # the failure that opens it keeps its code
    tickets = len(it.pool.tickets)
    with pytest.raises(CircuitOpen) as info:
        await it.submit()
    assert info.value.site == "site.test"
    assert len(it.pool.tickets) == tickets
    it.pool.outcomes = [GOOD]
    await it.submit(Job(Kind.EXTRACT, "https://other.test/"))


async def test_nothing_is_tried_again_once_others_have_opened_the_breaker(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_ERROR))
    codes = []

    async def caller() -> None:
        codes.append(await it.code())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        await wait_all_tasks_blocked()  # it pauses before its second attempt
        it.breakers.force_open("site.test")
    assert codes == [Code.UPSTREAM_ERROR]
    assert len(it.pool.leased) == 1


async def test_a_probe_is_not_tried_again(autojump_clock: MockClock) -> None:
    settings = BreakerSettings(window_calls=1, minimum_calls=1, failure_rate=1.0, cooldown=5)
    it = harness(failure(Code.UPSTREAM_ERROR), settings=settings)
    await it.code()
    await trio.sleep(5)
    granted = len(it.pool.leased)
    assert await it.code() is Code.UPSTREAM_ERROR
    assert len(it.pool.leased) == granted + 1
    assert (it.site.state, it.site.opened_count) == ("OPEN", 2)


async def test_a_private_video_is_an_answer(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.PRIVATE, usage=ASKED))
    for number in range(20):
        assert await it.code(replace(JOB, url=f"{JOB.url}/{number}")) is Code.PRIVATE
    assert (it.site.state, it.site.total_successes, it.site.total_failures) == ("CLOSED", 20, 0)


@pytest.mark.parametrize(("busy", "failures"), [(0.1, 1), (0.9, 0)])
async def test_a_deadline_blames_the_site_only_if_it_was_waited_for(
    autojump_clock: MockClock, busy: float, failures: int
) -> None:
    it = harness(GOOD, takes=1000, busy=busy)
    began = trio.current_time()
    with pytest.raises(DeadlineExceeded) as info:
        await it.submit()
    assert trio.current_time() - began == 25
    assert info.value.running
    assert (it.site.total_failures, it.site.in_flight) == (failures, 0)


async def test_a_deadline_in_the_queue_counts_for_no_breaker(autojump_clock: MockClock) -> None:
    it = harness(GOOD)

    @asynccontextmanager
    async def acquire(ticket: Ticket, waits: object = None, *, canary: bool = False) -> AsyncIterator[Lease]:
        await trio.sleep_forever()
        yield cast(Lease, None)

    it.pool.acquire = acquire  # type: ignore[method-assign]
    with pytest.raises(DeadlineExceeded) as info:
        await it.submit()
    assert not info.value.running
    assert it.site.total_requests == 0


async def test_a_caller_may_give_less_time_but_not_more(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=1000)
    for given, kept in ((3.0, 3.0), (1000.0, 25.0)):
        began = trio.current_time()
        with pytest.raises(DeadlineExceeded):
            await it.submit(caller=Caller("a client", timeout=given))
        assert trio.current_time() - began == kept


async def test_a_closed_port_or_another_host_closes_nothing_but_itself(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_NETWORK))
    for place in ("www.site.test:8443", "mail.site.test"):
        for number in range(10):
            await it.code(Job(Kind.EXTRACT, f"https://{place}/{number}"))
    states = {each.site: each.state for each in it.breakers.statistics().sites}
    assert states == {"site.test:8443": "OPEN", "mail.site.test": "OPEN"}
    it.pool.outcomes = [GOOD]
    await it.submit()


async def test_only_the_endpoint_that_answers_429_is_left_in_peace(autojump_clock: MockClock) -> None:
    evil = Visit("evil.test", limited=True, retry_after=9e4)
    told = failure(
        Code.RATE_LIMITED, retry_after=9e4, culprit="evil.test", usage=replace(ASKED, elsewhere=(evil,))
    )
    it = harness(told, GOOD)
    assert await it.code() is Code.RATE_LIMITED
    assert it.site.total_successes == 1
    await it.submit()
    assert await it.code(Job(Kind.EXTRACT, "https://evil.test/")) is Code.RATE_LIMITED
    assert len(it.pool.leased) == 2


@pytest.mark.parametrize(
    ("route", "slow"),
    [
        ((("popular.test", 1.0), ("site.test", 20.0)), "site.test"),
        ((("popular.test", 1.0), (DIES, 20.0)), "site.test"),
        ((("evil.test", 20.0),), "evil.test"),
        ((("popular.test", 1.0), ("evil.test", 20.0), ("site.test", 1.0)), "evil.test"),
    ],
)
async def test_only_the_endpoint_that_is_slow_is_closed_for_it(
    autojump_clock: MockClock, route: tuple[tuple[str, float], ...], slow: str
) -> None:
    it = harness(GOOD, settings=BreakerSettings(slow_after=15.0), route=route)
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(it.submit, replace(JOB, url=f"{JOB.url}/{number}"))
    states = {each.site: each.state for each in it.breakers.statistics().sites}
    assert states == {site: "OPEN" if site == slow else "CLOSED" for site in states}
    assert states.keys() == {"site.test", *dict(route)} - {DIES}


async def test_a_callers_own_short_deadline_never_counts_against_the_site(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=2.6)
    for number in range(20):
        with pytest.raises(DeadlineExceeded):
            await it.submit(replace(JOB, url=f"{JOB.url}/{number}"), Caller("a client", timeout=1.05))
    assert (it.site.state, it.site.total_failures, it.site.in_flight) == ("CLOSED", 0, 0)
    await it.submit()


async def test_a_deadline_that_no_extraction_can_keep_is_called_that(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    with pytest.raises(DeadlineTooShort, match=r"^no extraction is begun for 0\.9 s; give it at least 1 s$"):
        await it.submit(caller=Caller("a client", timeout=0.9))
    assert it.pool.tickets == []


async def test_an_operators_reset_also_ends_the_sites_pause(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.RATE_LIMITED, retry_after=900.0), GOOD)
    assert await it.code() is Code.RATE_LIMITED
    it.dispatcher.reset("site.test")
    await it.submit()
    with pytest.raises(UnknownSite):
        it.dispatcher.reset("never-seen.test")


async def test_a_client_that_leaves_says_nothing_about_the_site(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=1000)
    with trio.move_on_after(1):
        await it.submit()
    assert (it.site.total_failures, it.site.ignored_requests, it.site.in_flight) == (0, 1, 0)


async def test_scenario_23_a_probe_that_meets_a_full_pool_counts_nowhere(autojump_clock: MockClock) -> None:
    settings = BreakerSettings(window_calls=1, minimum_calls=1, failure_rate=1.0, cooldown=5)
    it = harness(failure(Code.FORBIDDEN), settings=settings)
    await it.code()
    await trio.sleep(5)
    it.pool.full = QueueFull(3, retry_after=1)
    for _ in range(5):
        with pytest.raises(QueueFull):
            await it.submit()
    assert it.site.state == "HALF_OPEN"
    assert (it.site.probes, it.site.total_failures) == (0, 1)


async def test_an_unexpected_error_frees_the_permit(autojump_clock: MockClock) -> None:
    it = harness(RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        await it.submit()
    assert (it.site.in_flight, it.site.total_failures) == (0, 1)


async def test_equal_jobs_share_but_not_with_cookies(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=1)
    mine = Job(Kind.EXTRACT, JOB.url, cookies="# mine")
    async with trio.open_nursery() as nursery:
        for job in (JOB, JOB, mine, mine):
            nursery.start_soon(it.submit, job)
    assert len(it.pool.leased) == 3


async def test_a_preempted_job_waits_for_its_turn_again(autojump_clock: MockClock) -> None:
    it = harness(Preempted(), Preempted(), GOOD)
    answer = await it.submit()
    assert answer.body == b"{}"
    assert len(it.pool.leased) == 3
    assert (it.site.total_successes, it.site.total_failures, it.site.ignored_requests) == (1, 0, 2)


async def test_an_interruption_answers_every_caller(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=1000)
    refused = []

    async def caller(job: Job) -> None:
        with pytest.raises(ShuttingDown):
            await it.submit(job)
        refused.append(job)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller, JOB)
        nursery.start_soon(caller, Job(Kind.SIZE, JOB.url))
        await wait_all_tasks_blocked()
        assert it.dispatcher.interrupt() == 2
        await it.dispatcher.idle()
    assert len(refused) == 2
    with pytest.raises(ShuttingDown):
        await it.submit()


async def test_a_url_that_kills_two_workers_is_refused_without_one(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.WORKER_CRASHED), deaths=2)
    assert await it.code() is Code.WORKER_CRASHED
    assert events.UrlQuarantined("site.test", deaths=2) in it.heard
    assert await it.code() is Code.QUARANTINED
    assert len(it.pool.leased) == 1
    it.dispatcher.quarantine.clear(JOB.url)
    assert await it.code() is Code.WORKER_CRASHED


async def test_deaths_by_cookies_close_nothing_to_others(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.WORKER_CRASHED), deaths=2)
    deadly = replace(JOB, cookies="# Netscape HTTP Cookie File")
    for number in range(5):
        with pytest.raises(ExtractionError):
            await it.submit(deadly, Caller(f"client {number}"))
    it.pool.outcomes, it.pool.deaths = [GOOD], 0
    await it.submit(caller=Caller("client 0"))
    with pytest.raises(ExtractionError) as info:
        await it.submit(deadly, Caller("client 0"))
    assert info.value.code is Code.QUARANTINED


async def test_a_client_that_is_refused_takes_no_other_with_it(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=1)
    it.dispatcher.quarantine.killed(JOB.url, "killer", trio.current_time(), ["SIGKILL"] * 2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.submit)
        await wait_all_tasks_blocked()
        with pytest.raises(ExtractionError) as info:
            await it.submit(caller=Caller("killer"))  # although it could join the flight
    assert info.value.code is Code.QUARANTINED
    assert len(it.pool.leased) == 1


async def test_a_429_slows_down_the_calls_that_follow(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.RATE_LIMITED, retry_after=30.0), GOOD)
    assert await it.code() is Code.RATE_LIMITED
    assert await it.code() is Code.RATE_LIMITED  # refused by the pace: the pause is longer than the deadline
    assert len(it.pool.leased) == 1
    await trio.sleep(20)
    began = trio.current_time()
    await it.submit()
    assert it.pool.leased[1] - began == pytest.approx(10 + 1 / PaceSettings().slowest)
    (pace,) = it.dispatcher.paces()
    assert (pace.site, pace.cuts) == ("site.test", 1)


async def test_a_dead_proxy_opens_the_services_own_breaker(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.PROXY))
    for number in range(10):
        assert await it.code(Job(Kind.EXTRACT, f"https://site-{number}.test/")) is Code.PROXY
    with pytest.raises(CircuitOpen) as info:
        await it.submit()
    assert info.value.site is None
    assert all(site.state == "CLOSED" for site in it.breakers.statistics().sites)


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (
            failure(Code.EXTRACTOR_BROKEN, extractor="Youtube"),
            events.ExtractorBroken("site.test", "Youtube", "old"),
        ),
        (failure(Code.BLOCKED_TARGET), events.EgressDenied("site.test")),
        (failure(Code.NOT_FOUND, unsolved="why"), events.ChallengeUnsolved("site.test", "why")),
        (failure(Code.NOT_FOUND, usage=Usage(sidecars=(("a", "why"),))), events.SidecarFailed("a", "why")),
    ],
)
async def test_what_an_operator_should_know_is_an_event(
    autojump_clock: MockClock, outcome: Failure, event: events.Event
) -> None:
    it = harness(outcome)
    await it.code()
    assert it.heard == [event]


async def test_a_kept_result_needs_no_worker(autojump_clock: MockClock) -> None:
    it = harness(replace(GOOD, etag="abc"))
    first = await it.submit()
    await trio.sleep(10)
    again = await it.submit()
    assert (first.age, again.age) == (None, 10.0)
    assert (again.body, again.etag) == (first.body, "abc")
    assert len(it.pool.tickets) == 1
    assert (await it.submit(caller=replace(CALLER, fresh=True))).age is None
    assert len(it.pool.tickets) == 2
    await trio.sleep(it.config.cache_ttl)
    assert (await it.submit()).age is None
    assert it.dispatcher.cache().hits == 1


async def test_a_result_with_cookies_is_not_shared(autojump_clock: MockClock) -> None:
    it = harness(replace(GOOD, etag="abc"))
    with_cookies = replace(JOB, cookies="# Netscape HTTP Cookie File")
    await it.submit()
    answer = await it.submit(with_cookies)
    assert (answer.age, answer.etag) == (None, "")
    await it.submit(with_cookies)
    assert len(it.pool.tickets) == 3
    assert it.dispatcher.cache().entries == 1


async def test_a_permanent_failure_is_not_requested_again(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.REMOVED))
    assert await it.code() is Code.REMOVED
    assert await it.code() is Code.REMOVED
    assert len(it.pool.tickets) == 1
    assert it.site.total_requests == 1


async def test_a_stale_result_is_better_than_an_open_breaker(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    await it.submit()
    await trio.sleep(it.config.cache_ttl)
    it.breakers.force_open("site.test")
    answer = await it.submit()
    assert answer.stale
    assert answer.age == it.config.cache_ttl
    with pytest.raises(CircuitOpen):
        await it.submit(replace(JOB, url="https://www.site.test/another"))


async def test_a_live_result_is_extracted_each_time(autojump_clock: MockClock) -> None:
    it = harness(replace(GOOD, lifetime=0.0))
    await it.submit()
    assert (await it.submit()).age is None
    assert len(it.pool.tickets) == 2


async def test_all_sites_may_be_limited_alike(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=2)
    it.config = Config.load(ytdlp_timeout=25_000, site={"*": {"concurrency": 1}})
    it.__post_init__()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for url in ("https://a.test/1", "https://a.test/2", "https://b.test/1", "https://b.test/2"):
            nursery.start_soon(it.submit, Job(Kind.EXTRACT, url))
    assert sorted(granted - began for granted in it.pool.leased) == pytest.approx([0, 0, 2, 2])


async def test_a_long_attempt_counts_at_once_and_only_once(autojump_clock: MockClock) -> None:
    it = harness(failure(Code.UPSTREAM_TIMEOUT), takes=7.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.code)
        await trio.sleep(7.1)
        assert it.site.total_failures == 1
    assert len(it.pool.leased) == 3
    assert (it.site.total_failures, it.site.ignored_requests) == (1, 2)


async def test_a_dripping_site_opens_its_breaker_while_its_calls_still_run(autojump_clock: MockClock) -> None:
    it = harness(GOOD)
    it.settings = it.config.breaker
    it.__post_init__()
    for number in range(10):
        await it.submit(Job(Kind.EXTRACT, f"{JOB.url}/{number}"))
    it.pool.takes = 20.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cooldowns, it.breakers)
        for number in range(10, 15):
            nursery.start_soon(it.submit, Job(Kind.EXTRACT, f"{JOB.url}/{number}"))
        await trio.sleep(16)
        assert it.site.state == "OPEN"
        nursery.cancel_scope.cancel()


async def test_a_hanging_site_opens_its_breaker_although_calls_are_tried_again(
    autojump_clock: MockClock,
) -> None:
    """The ten calls before were fine, and each attempt that times out is to be followed by another."""
    it = harness(GOOD)
    it.settings = it.config.breaker
    it.__post_init__()
    for number in range(10):
        await it.submit(Job(Kind.EXTRACT, f"{JOB.url}/{number}"))
    it.pool.outcomes, it.pool.takes = [failure(Code.UPSTREAM_TIMEOUT)], 8.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cooldowns, it.breakers)
        for number in range(10, 15):
            nursery.start_soon(it.code, Job(Kind.EXTRACT, f"{JOB.url}/{number}"))
        await trio.sleep(9)
        assert it.site.state == "OPEN"
        nursery.cancel_scope.cancel()


async def test_a_site_may_limit_how_many_ask_it_at_a_time(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=2)
    it.config = Config.load(ytdlp_timeout=25_000, site={"site.test": {"concurrency": 2}})
    it.__post_init__()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(it.submit, Job(Kind.EXTRACT, f"https://site.test/{number}"))
        nursery.start_soon(it.submit, Job(Kind.EXTRACT, "https://other.test/"))
    moments = sorted(granted - began for granted in it.pool.leased)
    assert moments == pytest.approx([0, 0, 0, 2, 2, 4, 4])


async def test_a_place_at_a_limited_site_is_left_with_it(autojump_clock: MockClock) -> None:
    it = harness(GOOD, route=(("popular.test", 1.0), ("evil.test", 20.0), ("popular.test", 1.0)))
    it.config = Config.load(ytdlp_timeout=25_000, site={"popular.test": {"concurrency": 1}})
    it.__post_init__()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.submit, Job(Kind.EXTRACT, "https://evil.test/"))
        await trio.sleep(0.5)
        it.pool.route = ()
        await it.submit(Job(Kind.EXTRACT, "https://popular.test/"))
        assert trio.current_time() - began == pytest.approx(1.0)


async def test_one_who_joins_brings_a_later_deadline_and_a_better_place(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=5)
    hasty, patient = Caller("hasty", tier=9, timeout=1.1), Caller("patient", tier=0)
    answers: list[str] = []

    async def ask(caller: Caller) -> None:
        began = trio.current_time()
        try:
            await it.submit(caller=caller)
            answers.append(f"{caller.client}: served")
        except DeadlineExceeded:
            answers.append(f"{caller.client}: none in {trio.current_time() - began:.1f} s")

    async with trio.open_nursery() as nursery:
        await nursery.start(it.dispatcher.run_flights)
        async with trio.open_nursery() as callers:
            callers.start_soon(ask, hasty)
            await wait_all_tasks_blocked()
            callers.start_soon(ask, patient)
        nursery.cancel_scope.cancel()
    assert answers == ["hasty: none in 1.1 s", "patient: served"]
    assert len(it.pool.leased) == 1
    [(ticket, better)] = it.pool.improved
    assert ticket is it.pool.tickets[0]
    assert (better.client, better.tier) == ("patient", 0)
    assert better.deadline == pytest.approx(ticket.deadline - 1.1 + 25)


async def test_a_flight_that_nobody_waits_for_any_more_is_cancelled(autojump_clock: MockClock) -> None:
    it = harness(GOOD, takes=5)
    async with trio.open_nursery() as nursery:
        await nursery.start(it.dispatcher.run_flights)
        with pytest.raises(DeadlineExceeded):
            await it.submit(caller=Caller("hasty", timeout=2.0))
        await it.dispatcher.idle()
        assert it.site.in_flight == 0
        await it.submit()
        nursery.cancel_scope.cancel()
    assert len(it.pool.leased) == 2
