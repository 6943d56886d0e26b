"""Collaboration: the egress of a job's attempts, with a scripted pool, on a mock clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from service import events
from service.breaker.statistics import BreakerStatistics
from service.codes import Code
from service.dispatch.request import Caller
from service.errors import DeadlineExceeded, ExtractionError, ServiceError
from service.wire import Job, Kind, Outcome, Usage, Visit
from tests.support.routed_pool import ASKED, GOOD, Harness, extraction, failure, proxies

Answers = Callable[[str, Job], Outcome]


def failing(code: Code, *names: str) -> Answers:
    return lambda way, job: failure(code) if way in names else GOOD


def site(it: Harness) -> BreakerStatistics:
    return it.breakers.statistics().sites[0]


async def blame(it: Harness, name: str, times: int = 2) -> None:
    """Let `name` be asked by so many jobs."""
    for _ in range(times):
        with pytest.raises(ServiceError):
            await it.submit(extraction(egress=name))


@pytest.mark.parametrize("code", [Code.BOT_CHECK, Code.RATE_LIMITED, Code.PROXY])
async def test_a_failure_that_blames_the_egress_is_tried_on_another_at_once(
    autojump_clock: MockClock, code: Code
) -> None:
    it = Harness(proxies("good", "bad"), failing(code, "bad"))
    for _ in range(20):
        began = trio.current_time()
        answer = await it.submit()
        assert answer.egress == "good"
        assert trio.current_time() - began == pytest.approx(0.5 * len(it.pool.ran))
        it.pool.ran.clear()
    assert (site(it).total_failures, site(it).total_successes) == (0, 20), "the site is not to blame"
    assert it.dispatcher.egresses().moves > 0


async def test_it_is_quarantined_for_that_site_and_comes_back(autojump_clock: MockClock) -> None:
    blocked = True
    it = Harness(
        proxies("a", "b", "bad"),
        lambda way, job: failure(Code.BOT_CHECK) if blocked and way == "bad" and "site" in job.url else GOOD,
    )
    await blame(it, "bad")
    (quarantined,) = it.of(events.EgressQuarantined)
    assert (quarantined.egresses, quarantined.site, quarantined.seconds) == (("bad",), "site.test", 30.0)
    it.pool.ran.clear()
    for _ in range(20):
        await it.submit()
    assert "bad" not in it.pool.ran
    assert it.dispatcher.egresses().egresses[2].quarantined[0][0] == "site.test"
    await it.submit(extraction("https://other.test/", egress="bad"))
    await trio.sleep(31)
    blocked = False
    it.pool.ran.clear()
    await it.submit()
    assert it.pool.ran == ["bad"], "the next job shows that it works again"
    assert it.of(events.EgressRecovered) == [events.EgressRecovered(("bad",), "site.test")]
    assert it.dispatcher.egresses().egresses[2].quarantined == ()


async def test_a_job_that_waits_for_a_worker_learns_of_a_quarantine(autojump_clock: MockClock) -> None:
    it = Harness(proxies("a", "b", "bad"), failing(Code.BOT_CHECK, "bad"), workers=1)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(it.submit, extraction(f"https://site.test/{number}"))
    assert it.pool.ran.count("bad") == 2


async def test_jobs_at_the_same_time_are_spread(autojump_clock: MockClock) -> None:
    it = Harness(proxies("a", "b"), lambda way, job: GOOD)
    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(it.submit, extraction(f"https://site.test/{number}"))
    assert it.pool.ran.count("a") == it.pool.ran.count("b") == 20


async def test_the_site_is_to_blame_where_every_egress_tried_fails(autojump_clock: MockClock) -> None:
    it = Harness(proxies("a", "b"), lambda way, job: failure(Code.BOT_CHECK))
    with pytest.raises(ExtractionError) as info:
        await it.submit()
    assert info.value.code is Code.BOT_CHECK
    assert sorted(it.pool.ran) == ["a", "b"]
    assert site(it).total_failures == 1


async def test_panic_uses_all_and_the_breaker_of_the_site_decides(autojump_clock: MockClock) -> None:
    down = True
    it = Harness(proxies("a", "b", "c", "d"), lambda way, job: failure(Code.BOT_CHECK) if down else GOOD)
    codes = []
    for _ in range(20):
        with pytest.raises(ServiceError) as info:
            await it.submit()
        codes.append(info.value.code)
    assert it.dispatcher.egresses().panics > 0
    assert codes[-1] is Code.CIRCUIT_OPEN
    down = False
    await trio.sleep(61)
    await it.submit()  # a probe of the site, although every egress is quarantined for it
    await it.submit()
    assert site(it).state == "CLOSED"


async def test_a_dead_proxy_is_left_out_for_every_site_with_its_results(autojump_clock: MockClock) -> None:
    dead = False
    it = Harness(
        proxies("good", "bad"), lambda way, job: failure(Code.PROXY) if dead and way == "bad" else GOOD
    )
    kept, shared = extraction(egress="bad"), Job(Kind.SIZE, "https://site.test/video")
    await it.submit(kept, fresh=False)
    await it.submit(shared, fresh=False)
    assert it.dispatcher.kept(kept) is not None
    dead = True
    it.pool.ran.clear()
    await blame(it, "bad", times=1)
    assert it.pool.ran == ["bad"] * 2, "a third attempt at what is known to be dead would be in vain"
    assert it.of(events.EgressQuarantined)[-1].site is None
    assert it.dispatcher.kept(kept) is None, "its media URLs hold for an address that is gone"
    assert it.dispatcher.kept(shared) is not None, "sizes do not care"
    assert it.dispatcher.egresses().egresses[1].state == "quarantined"
    assert all(breaker.total_failures == 0 for breaker in it.breakers.statistics().sites)
    it.pool.ran.clear()
    for number in range(10):
        await it.submit(extraction(f"https://site{number}.test/"))
    assert it.pool.ran == ["good"] * 10


async def test_a_client_that_asks_for_a_dead_egress_does_not_close_the_service(
    autojump_clock: MockClock,
) -> None:
    it = Harness(proxies("good", "bad"), failing(Code.PROXY, "bad"))
    await blame(it, "bad", times=30)
    assert it.breakers.statistics().service.state == "CLOSED"
    assert (await it.submit()).egress == "good"

    it = Harness(proxies("bad1", "bad2"), failing(Code.PROXY, "bad1", "bad2"))
    for number in range(30):
        with pytest.raises(ServiceError):
            await it.submit(extraction(f"https://site{number}.test/"))
    assert it.breakers.statistics().service.state == "OPEN"


async def test_a_slow_failure_of_an_egress_is_not_the_sites(autojump_clock: MockClock) -> None:
    """A failed attempt of over five seconds counts at once, but not where the next one goes another way."""
    it = Harness(proxies("good", "bad"), failing(Code.UPSTREAM_TIMEOUT, "bad"), takes=6.0)
    for number in range(20):
        assert (await it.submit(extraction(f"https://site.test/{number}"))).egress == "good"
        await trio.sleep(120)
    assert "bad" in it.pool.ran
    assert site(it).total_failures == 0


async def test_an_egress_that_hangs_is_not_the_sites_fault(autojump_clock: MockClock) -> None:
    """Its job meets the deadline without an outcome; before, it has failed as a dead proxy does."""
    it = Harness(proxies("good", "bad"), failing(Code.PROXY, "bad"), takes=13.0)
    with pytest.raises(DeadlineExceeded):  # in the second attempt
        await it.submit(extraction(egress="bad"))
    assert site(it).total_failures == 0
    it = Harness(proxies("good"), lambda way, job: GOOD, takes=30.0)
    with pytest.raises(ServiceError):
        await it.submit()
    assert site(it).total_failures == 1, "nothing is known against the egress, so the site is silent"


async def test_a_403_blames_the_egress_only_where_another_succeeds(autojump_clock: MockClock) -> None:
    it = Harness(proxies("a", "b"), lambda way, job: failure(Code.FORBIDDEN))
    for number in range(4):
        with pytest.raises(ExtractionError):
            await it.submit(extraction(f"https://site.test/{number}"))
    assert it.of(events.EgressQuarantined) == []

    it = Harness(proxies("good", "bad"), failing(Code.FORBIDDEN, "bad"))
    for _ in range(10):
        assert (await it.submit()).egress == "good"
        await trio.sleep(300)  # until the failure is forgotten for the most part
    (quarantined, *_) = it.of(events.EgressQuarantined)
    assert (quarantined.egresses, quarantined.site) == (("bad",), "site.test")


async def test_an_egress_that_reaches_no_site_is_left_out_for_all(autojump_clock: MockClock) -> None:
    it = Harness(proxies("good", "bad"), failing(Code.UPSTREAM_TIMEOUT, "bad"))
    for number in range(40):
        await it.submit(extraction(f"https://site{number % 4}.test/"))
        await trio.sleep(60)
    assert None in [event.site for event in it.of(events.EgressQuarantined)]
    assert all(breaker.total_failures == 0 for breaker in it.breakers.statistics().sites)


async def test_another_country_is_tried_once_and_remembered(autojump_clock: MockClock) -> None:
    tables = proxies(de1={"class": "de"}, de2={"class": "de"}, us1={"class": "us"}, fr1={"class": "fr"})
    it = Harness(tables, lambda way, job: GOOD if way == "us1" else failure(Code.GEO_RESTRICTED))
    for _ in range(40):
        it.pool.ran.clear()
        with suppress(ExtractionError):
            await it.submit()
            if len(it.pool.ran) == 2:
                break
            continue
        assert len({way[:2] for way in it.pool.ran}) == len(it.pool.ran) == 2, "two countries, once each"
    assert it.pool.ran[-1] == "us1"
    it.pool.ran.clear()
    await it.submit()
    assert it.pool.ran == ["us1"]
    assert it.of(events.EgressQuarantined) == []


async def test_all_attempts_leave_through_one_egress(autojump_clock: MockClock) -> None:
    seen = 0

    def answers(way: str, job: Job) -> Outcome:
        nonlocal seen
        seen += 1
        return failure(Code.UPSTREAM_ERROR) if seen % 3 else GOOD

    it = Harness(proxies(*"abcdef"), answers)
    await it.submit()
    assert len(it.pool.ran) == 3
    assert len(set(it.pool.ran)) == 1


async def test_a_cookie_jar_keeps_its_egress(autojump_clock: MockClock) -> None:
    it = Harness(proxies(*"abcdef"), lambda way, job: failure(Code.BOT_CHECK))
    ways = {}
    for number in range(30):
        jar = f".site.test\tTRUE\t/\tTRUE\t0\tSID\t{number}"
        it.pool.ran.clear()
        for _ in range(2):
            it.dispatcher.reset()
            with pytest.raises(ExtractionError):
                await it.submit(extraction(f"https://site.test/{number}", cookies=jar))
        assert len(it.pool.ran) == 2, "an account that moves is suspicious: no other egress is tried"
        (ways[jar],) = set(it.pool.ran)
    assert len(set(ways.values())) > 2


async def test_a_client_gets_the_egress_that_it_asks_for(autojump_clock: MockClock) -> None:
    tables = proxies(de1={"class": "de"}, de2={"class": "de"}, us1={"class": "us", "sites": ["site.test"]})
    it = Harness(tables, failing(Code.BOT_CHECK, "de1"))
    assert (await it.submit(extraction(egress="us"))).egress == "us1"
    for _ in range(5):
        assert (await it.submit(extraction(egress="de"))).egress == "de2"
    it.pool.ran.clear()
    await blame(it, "de1", times=1)
    assert it.pool.ran == ["de1"], "not another"
    with pytest.raises(ExtractionError, match="the egress us1 does not take") as info:
        await it.submit(extraction("https://other.test/", egress="us1"))
    assert info.value.code is Code.INVALID_REQUEST


async def test_a_kept_result_is_for_those_who_would_get_its_egress(autojump_clock: MockClock) -> None:
    tables = proxies(de1={"class": "de"}, us1={"class": "us"})
    it = Harness(tables, lambda way, job: GOOD)
    egress = (await it.submit(fresh=False)).egress
    same, other = ("de", "us") if egress == "de1" else ("us", "de")
    it.pool.ran.clear()
    assert (await it.submit(extraction(egress=same), fresh=False)).age is not None
    assert (await it.submit(extraction(egress=egress), fresh=False)).age is not None
    assert it.pool.ran == []
    assert (await it.submit(extraction(egress=other), fresh=False)).age is None
    assert len(it.pool.ran) == 1


async def test_a_rate_spreads_jobs_and_then_makes_them_wait(autojump_clock: MockClock) -> None:
    it = Harness(proxies(slow={"max_rate": 0.5}), lambda way, job: GOOD)
    began = trio.current_time()
    for number in range(3):
        await it.submit(extraction(f"https://site.test/{number}"))
    assert trio.current_time() - began == pytest.approx(2 * 2 + 0.5)

    it = Harness(proxies("fast", slow={"max_rate": 0.5}), lambda way, job: GOOD)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(it.submit, extraction(f"https://site.test/{number}"))
    assert trio.current_time() - began == pytest.approx(0.5)
    assert it.pool.ran.count("slow") <= 1


async def test_a_rate_that_leaves_no_time_is_refused(autojump_clock: MockClock) -> None:
    it = Harness(proxies(slow={"max_rate": 0.01}), lambda way, job: GOOD)
    await it.submit()
    with pytest.raises(ExtractionError, match="no egress may be used more often") as info:
        await it.submit()
    assert info.value.code is Code.RATE_LIMITED
    assert info.value.retry_after == pytest.approx(99.5)


async def test_an_embed_that_is_blocked_blames_the_egress_at_that_site(autojump_clock: MockClock) -> None:
    usage = Usage(requests=2, site_requests=1, elsewhere=(Visit("embed.test", failed=True),))
    bad = failure(Code.BOT_CHECK, culprit="embed.test", usage=usage)
    it = Harness(proxies("good", "bad"), lambda way, job: bad if way == "bad" else GOOD)
    await blame(it, "bad")
    assert [event.site for event in it.of(events.EgressQuarantined)] == ["embed.test"]


async def test_addresses_of_one_network_share_their_fate(autojump_clock: MockClock) -> None:
    tables = {
        "six1": {"source": "2001:db8::1"},
        "six2": {"source": "2001:db8::2"},
        "four": {"source": "10.0.0.1"},
    }
    it = Harness(tables, lambda way, job: failure(Code.BOT_CHECK) if ":" in way else GOOD)
    for _ in range(20):
        await it.submit()
        await trio.sleep(1)
    assert {event.egresses for event in it.of(events.EgressQuarantined)} <= {("six1", "six2")}
    pairs = zip(it.pool.ran, it.pool.ran[1:], strict=False)
    assert all("10.0.0.1" in pair for pair in pairs), "the other address is no other egress"


async def test_a_network_sends_from_one_address_of_it_for_each_site(autojump_clock: MockClock) -> None:
    it = Harness({"home": {"source": "2001:db8::/64"}}, lambda way, job: GOOD)
    for name in ("a", "b", "a"):
        answer = await it.submit(extraction(f"https://{name}.test/"))
        assert answer.lifetime is not None
        assert 0 < answer.lifetime <= 3600
    first, second, third = it.pool.ran
    assert first == third != second


async def test_a_job_that_is_over_holds_no_egress(autojump_clock: MockClock) -> None:
    it = Harness(proxies("a", "b"), lambda way, job: GOOD, takes=100.0)
    with trio.move_on_after(1):
        await it.submit()
    with pytest.raises(ServiceError):
        await it.dispatcher.submit(extraction(), Caller("a client", timeout=2.0))
    assert [each.in_flight for each in it.dispatcher.egresses().egresses] == [0, 0]


async def test_a_429_slows_down_the_site_through_that_egress_alone(autojump_clock: MockClock) -> None:
    limited = failure(Code.RATE_LIMITED, retry_after=60.0)
    it = Harness(
        proxies("good", "bad"),
        lambda way, job: limited if way == "bad" else GOOD,
    )
    await blame(it, "bad", times=1)
    began = trio.current_time()
    await it.submit(extraction(egress="good"))
    assert trio.current_time() - began == pytest.approx(0.5)
    (pace,) = it.dispatcher.paces()
    assert (pace.site, pace.cuts) == ("site.test", 1)
    it.dispatcher.reset("site.test")
    assert it.dispatcher.paces() == ()


async def test_an_answer_of_the_site_is_no_sign_against_the_egress(autojump_clock: MockClock) -> None:
    it = Harness(proxies("a", "b"), lambda way, job: failure(Code.PRIVATE, usage=ASKED))
    for _ in range(10):
        with pytest.raises(ExtractionError):
            await it.submit()
    assert len(it.pool.ran) == 10
    assert it.of(events.EgressQuarantined) == []
