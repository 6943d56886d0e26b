"""Pure: what the cache keeps, for how long, and what it lets go."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.codes import Code
from service.dispatch.cache import MARGIN, OVERHEAD, REFUSAL_TTL, STALE_FOR, Cache
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.wire import Job, Kind

TTL = 300.0
ANSWER = Answer(b'{"ok":true,"title":"x"}', "Generic", queued=1.0, extracted=2.0, etag="abc")


def job(number: int = 0, **more: Any) -> Job:
    return replace(Job(Kind.EXTRACT, f"https://site.test/{number:04d}"), **more)


def cache(entries: int = 10) -> Cache:
    size = len(ANSWER.body) + len(job().url) + OVERHEAD
    return Cache(entries * size, TTL)


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


@pytest.mark.parametrize("lifetime", [0.0, MARGIN])
def test_what_expires_at_once_is_not_kept(lifetime: float) -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=lifetime)
    assert it.statistics().entries == 0


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
    assert it.stand_in(job(), STALE_FOR) is None
    it.keep(job(1), Answer(b"{}"), 0.0, lifetime=None)
    empty = it.stand_in(job(1), 1.0)
    assert empty is not None
    assert empty.body == b'{"stale":true}'


def test_a_no_for_good_is_kept_briefly_and_raised_anew() -> None:
    it = cache()
    error = ExtractionError(Code.REMOVED, "it is gone")
    it.keep_refusal(job(), error, 0.0)
    with pytest.raises(ExtractionError, match="it is gone") as info:
        it.find(job(), REFUSAL_TTL - 1)
    assert info.value.code is Code.REMOVED
    assert info.value is not error
    assert it.stand_in(job(), 1.0) is None
    assert it.find(job(), REFUSAL_TTL) is None
    assert it.statistics().refusals == 1


@pytest.mark.parametrize(
    "code", [Code.BOT_CHECK, Code.RATE_LIMITED, Code.UPSTREAM_ERROR, Code.GEO_RESTRICTED, Code.INTERNAL]
)
def test_any_other_failure_is_not_kept(code: Code) -> None:
    it = cache()
    it.keep_refusal(job(), ExtractionError(code, "not now"), 0.0)
    assert it.find(job(), 0.0) is None


def test_the_longest_unused_makes_room() -> None:
    it = cache(entries=3)
    for number in range(3):
        it.keep(job(number), ANSWER, 0.0, lifetime=None)
    assert it.find(job(0), 1.0) is not None
    it.keep(job(3), ANSWER, 1.0, lifetime=None)
    assert [number for number in range(4) if it.find(job(number), 2.0)] == [0, 2, 3]
    assert it.statistics().evictions == 1


def test_unequal_jobs_are_kept_apart() -> None:
    it = cache()
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    for other in (job(kind=Kind.SIZE), job(fields=("title",)), job(playlist=5)):
        assert it.find(other, 0.0) is None


def test_with_no_room_nothing_is_kept() -> None:
    it = Cache(0, TTL)
    it.keep(job(), ANSWER, 0.0, lifetime=None)
    it.keep_refusal(job(1), ExtractionError(Code.REMOVED, "it is gone"), 0.0)
    assert it.find(job(), 0.0) is None
    assert it.statistics().entries == 0


def test_a_result_with_cookies_is_never_kept() -> None:
    with pytest.raises(ValueError, match="cookies"):
        cache().keep(job(cookies="# Netscape"), ANSWER, 0.0, lifetime=None)


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
