"""Pure: which results the cache keeps, for how long, and which it evicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.codes import Code
from service.dispatch.cache import Cache, CacheStatistics
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.wire import Job, Kind

TTL = 300.0
# The cache's documented limits, in seconds and bytes.
REFUSAL_TTL = 60.0
MARGIN = 60.0
STALE_FOR = 21_600.0
OVERHEAD = 1024
ANSWER = Answer(
    b'{"ok":true,"title":"x"}',
    "Generic",
    queued=1.0,
    extracted=2.0,
    etag="abc",
    position=3,
    expected_wait=4.0,
)
SIZE = len(ANSWER.body) + len("https://site.test/0000") + OVERHEAD


def job(number: int = 0, **more: Any) -> Job:
    return replace(Job(Kind.EXTRACT, f"https://site.test/{number:04d}"), **more)


def cache(entries: int = 10) -> Cache:
    return Cache(entries * SIZE, TTL)


def test_a_result_is_given_again_with_its_age_until_its_time_is_over() -> None:
    it = cache()
    assert it.find(job(), 0.0) is None
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    found = it.find(job(), TTL - 1)
    assert found == Answer(ANSWER.body, "Generic", etag="abc", age=TTL - 1)
    assert it.find(job(), TTL) is None
    counts = it.statistics()
    assert (counts.hits, counts.misses, counts.entries) == (1, 2, 1)


def test_media_urls_that_expire_sooner_end_it_sooner_with_a_margin() -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=MARGIN + 100)
    assert it.find(job(), 99.0) is not None
    assert it.find(job(), 100.0) is None
    assert it.stand_in(job(), 100.0) is None, "its URLs are of no use"


@pytest.mark.parametrize(("lifetime", "entries"), [(0.0, 0), (59.5, 0), (60.0, 0), (60.5, 1)])
def test_a_result_that_expires_at_once_is_not_kept(lifetime: float, entries: int) -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=lifetime)
    assert it.statistics().entries == entries


def test_a_newer_result_takes_the_place_of_the_older_though_it_is_not_kept() -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    it.keep(job(), replace(ANSWER, body=b"{}"), 1.0, lifetime=None)
    assert it.statistics().bytes == SIZE - len(ANSWER.body) + 2
    it.keep(job(), ANSWER, 2.0, lifetime=0.0)
    assert it.find(job(), 3.0) is None
    assert (it.statistics().bytes, it.statistics().entries) == (0, 0)


def test_past_its_time_it_stands_in_marked() -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    found = it.stand_in(job(), TTL + 1)
    assert found is not None
    assert (found.body, found.stale, found.age) == (
        b'{"stale":true,"ok":true,"title":"x"}',
        True,
        TTL + 1,
    )
    assert found.etag != ANSWER.etag
    assert it.statistics().stale == 1
    again = it.stand_in(job(), STALE_FOR - 1)
    assert again is not None
    assert again.body is found.body, "all who get it share its bytes"
    assert it.stand_in(job(), STALE_FOR) is None
    it.keep(job(1), Answer(b"{}"), 10.0, lifetime=None)
    empty = it.stand_in(job(1), 11.0)
    assert empty is not None
    assert (empty.body, empty.age) == (b'{"stale":true}', 1.0)


def test_a_no_for_good_is_kept_briefly_and_raised_anew() -> None:
    it = cache()
    error = ExtractionError(Code.REMOVED, "it is gone", about={"title": "A title"})
    it.keep_refusal(job(), error, 0.0)
    with pytest.raises(ExtractionError, match="it is gone") as info:
        it.find(job(), REFUSAL_TTL - 1)
    assert info.value.code is Code.REMOVED
    assert info.value.about == {"title": "A title"}
    assert info.value is not error
    assert it.stand_in(job(), 1.0) is None
    assert it.find(job(), REFUSAL_TTL) is None
    assert it.statistics().refusals == 1


def test_a_no_is_kept_no_longer_than_a_result() -> None:
    it = Cache(10_000, 10.0)
    it.keep_refusal(job(), ExtractionError(Code.REMOVED, "it is gone"), 0.0)
    with pytest.raises(ExtractionError):
        it.find(job(), 9.0)
    assert it.find(job(), 10.0) is None


@pytest.mark.parametrize(
    "code",
    [
        Code.NOT_FOUND,
        Code.REMOVED,
        Code.PRIVATE,
        Code.AGE_RESTRICTED,
        Code.PAID,
        Code.DRM,
        Code.UNSUPPORTED_URL,
    ],
)
def test_each_no_for_good_is_kept(code: Code) -> None:
    it = cache()
    it.keep_refusal(job(), ExtractionError(code, "no"), 0.0)
    with pytest.raises(ExtractionError):
        it.find(job(), 0.0)


@pytest.mark.parametrize(
    "code", [Code.BOT_CHECK, Code.RATE_LIMITED, Code.UPSTREAM_ERROR, Code.GEO_RESTRICTED, Code.INTERNAL]
)
def test_any_other_failure_is_not_kept(code: Code) -> None:
    it = cache()
    it.keep_refusal(job(), ExtractionError(code, "not now"), 0.0)
    assert it.find(job(), 0.0) is None


def kept(it: Cache, numbers: range) -> list[int]:
    """Which of the jobs are kept; looking does not count as use."""
    return [number for number in numbers if job(number) in it._entries]


@pytest.mark.parametrize("use", [Cache.find, Cache.fresh, Cache.stand_in])
def test_the_least_recently_used_entry_is_evicted(use: Callable[[Cache, Job, float], Answer | None]) -> None:
    it = cache(entries=3)
    for number in range(3):
        it.keep(job(number), ANSWER, 0.0, lifetime=None)
    assert kept(it, range(3)) == [0, 1, 2]
    assert use(it, job(0), 1.0) is not None
    it.keep(job(3), ANSWER, 1.0, lifetime=None)
    assert kept(it, range(4)) == [0, 2, 3]
    assert it.statistics().evictions == 1
    it.keep(job(2), ANSWER, 2.0, lifetime=None)  # kept again, it is the newest
    it.keep(job(4), replace(ANSWER, body=ANSWER.body + b" "), 2.0, lifetime=None)
    assert kept(it, range(5)) == [2, 4]
    assert it.statistics() == CacheStatistics(
        hits=int(use is not Cache.stand_in),
        misses=0,
        refusals=0,
        stale=int(use is Cache.stand_in),
        evictions=3,
        entries=2,
        bytes=2 * SIZE + 1,
        max_bytes=3 * SIZE,
    )


def test_a_kept_no_that_is_asked_for_is_used() -> None:
    it = Cache(3 * (SIZE - len(ANSWER.body)), TTL)
    for number in range(3):
        it.keep_refusal(job(number), ExtractionError(Code.REMOVED, "no"), 0.0)
    with pytest.raises(ExtractionError):
        it.find(job(0), 1.0)
    it.keep_refusal(job(3), ExtractionError(Code.REMOVED, "no"), 0.0)
    assert kept(it, range(4)) == [0, 2, 3]
    assert it.statistics().bytes == it.statistics().max_bytes


def test_a_stale_result_is_neither_returned_nor_counted_as_a_miss() -> None:
    it = cache()
    it.keep(job(0), ANSWER, 0.0, lifetime=None)
    it.keep_refusal(job(1), ExtractionError(Code.REMOVED, "no"), 0.0)
    assert [it.fresh(job(number), 1.0) is not None for number in range(3)] == [True, False, False]
    assert it.fresh(job(0), TTL) is None
    counts = it.statistics()
    assert (counts.hits, counts.misses, counts.refusals) == (1, 0, 0)


def test_a_result_that_fills_the_cache_exactly_is_kept_and_a_larger_one_is_not() -> None:
    it = cache(entries=1)
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    assert it.statistics().entries == 1
    it.keep(job(1), replace(ANSWER, body=ANSWER.body + b" "), 0.0, lifetime=None)
    assert kept(it, range(2)) == [0]


def test_unequal_jobs_are_kept_apart() -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    for other in (job(kind=Kind.SIZE), job(fields=("title",)), job(playlist=5)):
        assert it.find(other, 0.0) is None


def test_with_a_capacity_of_zero_nothing_is_kept() -> None:
    it = Cache(0, TTL)
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    it.keep_refusal(job(1), ExtractionError(Code.REMOVED, "it is gone"), 0.0)
    assert it.find(job(), 0.0) is None
    assert it.statistics().entries == 0


def test_a_result_with_cookies_is_never_kept() -> None:
    with pytest.raises(ValueError, match="cookies"):
        cache().keep(job(cookies="# Netscape"), ANSWER, 0.0, lifetime=None)
    with pytest.raises(ValueError, match="cookies"):
        cache().keep_refusal(job(cookies="# Netscape"), ExtractionError(Code.REMOVED, "no"), 0.0)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.none() | st.floats(0, 1e6))
def test_nothing_is_given_past_its_time(since: float, later: float, lifetime: float | None) -> None:
    it = cache()
    it.keep(job(), ANSWER, since, lifetime=lifetime)
    useful = math.inf if lifetime is None else lifetime - MARGIN
    now = since + later
    assert (it.find(job(), now) is not None) == (now < since + min(TTL, useful))
    assert (it.stand_in(job(), now) is not None) == (now < since + min(STALE_FOR, useful))


class Machine(RuleBasedStateMachine):
    """Whatever is kept and found, the bytes are counted and bounded."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache(5000, TTL)
        self.now = 0.0

    @rule(seconds=st.floats(0, 1000))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=st.integers(0, 9), size=st.integers(2, 6000), lifetime=st.none() | st.floats(0, 1000))
    def keep(self, number: int, size: int, lifetime: float | None) -> None:
        body = b"{" + b" " * (size - 2) + b"}"
        self.cache.keep(job(number), Answer(body), self.now, lifetime=lifetime)

    @rule(number=st.integers(0, 9))
    def refuse(self, number: int) -> None:
        self.cache.keep_refusal(job(number), ExtractionError(Code.PRIVATE, "no"), self.now)

    @rule(number=st.integers(0, 9))
    def find(self, number: int) -> None:
        try:
            found = self.cache.find(job(number), self.now)
        except ExtractionError:
            return
        assert found is None or (found.age is not None and found.age < TTL)

    @invariant()
    def bytes_are_counted(self) -> None:
        entries = self.cache._entries
        counts = self.cache.statistics()
        assert counts.bytes == sum(entry.bytes for entry in entries.values()) <= counts.max_bytes
        assert counts.entries == len(entries)


TestMachine = Machine.TestCase
