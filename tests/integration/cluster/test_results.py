"""Contract: results and flights of several instances, against a real Valkey."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from service.cluster import results
from service.cluster.connection import Unavailable
from service.cluster.entries import FORMAT
from service.codes import Code
from service.dispatch.request import Answer
from service.errors import ExtractionError, QueueFull
from service.wire import Job, Kind
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until


@pytest.fixture(scope="module")
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


class Extraction:
    """What is run for a job, and how often it was."""

    def __init__(self, body: bytes = b'{"ok":true}', seconds: float = 0.0, ytdlp: str = "") -> None:
        self.runs = 0
        self.error: Exception | None = None
        self.begun = trio.Event()
        etag = hashlib.blake2b(body, digest_size=12).hexdigest()
        self._answer = Answer(body, "youtube", etag=etag, ytdlp=ytdlp)
        self._seconds = seconds

    async def __call__(self) -> Answer:
        self.runs += 1
        self.begun.set()
        await trio.sleep(self._seconds)
        if self.error is not None:
            raise self.error
        return self._answer


def job(name: object) -> Job:
    return Job(Kind.EXTRACT, f"https://example.com/{name}")


async def once(instance: Instance, name: object, run: Extraction, *, fresh: bool = False) -> Answer:
    return await instance.cluster.once(job(name), run, fresh=fresh)


async def test_what_one_has_extracted_all_have(valkey: Engine) -> None:
    run = Extraction(b'{"title":"' + b"a long one" * 10_000 + b'"}')
    async with instances(valkey) as (one, two):
        first = await once(one, "shared", run)
        assert first.age is None
        await until(lambda: one.cluster.statistics().stored)
        second = await once(two, "shared", run)
        assert (second.body, second.etag) == (first.body, first.etag)
        assert second.age is not None
        assert 0 <= second.age < 60
        assert run.runs == 1
        assert two.cluster.statistics().hits == 1
        third = await once(two, "shared", run, fresh=True)
        assert (third.age, run.runs) == (None, 2)


async def test_a_final_refusal_is_shared_and_others_are_not(valkey: Engine) -> None:
    run = Extraction()
    async with instances(valkey) as (one, two):
        for code, runs in ((Code.PRIVATE, 1), (Code.RATE_LIMITED, 2)):
            run.runs, run.error = 0, ExtractionError(code, "no")
            for each in (one, two):
                with pytest.raises(ExtractionError) as info:
                    await once(each, code, run)
                assert (info.value.code, str(info.value)) == (code, "no")
                await until(lambda: not valkey.ask("KEYS", "ytdlpd:1:f:*"))
            assert run.runs == runs
        assert two.cluster.statistics().refusals == 1


async def test_equal_jobs_are_extracted_once_in_the_fleet(valkey: Engine) -> None:
    run = Extraction(seconds=0.2)
    answers: list[Answer] = []
    async with instances(valkey, 3) as fleet:

        async def ask(instance: Instance) -> None:
            answers.append(await once(instance, "flight", run))

        async with trio.open_nursery() as nursery:
            for each in fleet * 10:
                nursery.start_soon(ask, each)
        assert run.runs == 1
        assert {answer.body for answer in answers} == {b'{"ok":true}'}
        assert len(answers) == 30
        counts = [each.cluster.statistics() for each in fleet]
        assert sum(each.hits for each in counts) == 29
        assert sum(each.adopted for each in counts) == sum(each.waits for each in counts) > 0


async def test_those_who_wait_get_the_site_s_answer(valkey: Engine) -> None:
    run = Extraction(seconds=0.2)
    run.error = ExtractionError(Code.RATE_LIMITED, "ask less", retry_after=5.0)
    seen: list[ExtractionError] = []
    async with instances(valkey, 3) as fleet:

        async def ask(instance: Instance) -> None:
            with pytest.raises(ExtractionError) as info:
                await once(instance, "limited", run)
            seen.append(info.value)

        async with trio.open_nursery() as nursery:
            for each in fleet:
                nursery.start_soon(ask, each)
    assert run.runs == 1
    counts = [each.cluster.statistics() for each in fleet]
    assert sum(each.adopted for each in counts) == sum(each.waits for each in counts) == 2
    assert [(error.code, error.retry_after) for error in seen] == [(Code.RATE_LIMITED, 5.0)] * 3


async def test_the_trouble_of_one_instance_is_its_own(valkey: Engine) -> None:
    full, run = Extraction(seconds=0.2), Extraction()
    full.error = QueueFull(3, 1.0)
    async with instances(valkey) as (one, two):

        async def ask() -> None:
            with pytest.raises(QueueFull):
                await once(one, "full", full)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await full.begun.wait()
            assert (await once(two, "full", run)).body == b'{"ok":true}'
        assert run.runs == 1


async def test_a_flight_that_everybody_left_is_taken_over_at_once(
    valkey: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is told; here it would find out by itself after an hour alone."""
    monkeypatch.setattr(results, "LEASE", 3600.0)
    monkeypatch.setattr(results, "LOOK", 3600.0)
    left, run = Extraction(seconds=3600), Extraction()
    async with instances(valkey) as (one, two), trio.open_nursery() as nursery:
        async with trio.open_nursery() as leaving:
            leaving.start_soon(once, one, "left", left)
            await left.begun.wait()
            nursery.start_soon(once, two, "left", run)
            await until(lambda: two.cluster.statistics().waits)
            assert not run.begun.is_set()
            leaving.cancel_scope.cancel()
        await until(run.begun.is_set)


async def test_a_long_flight_is_renewed(valkey: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LEASE", 30.0)
    monkeypatch.setattr(results, "RENEWAL", 0.05)
    valkey.ask("FLUSHALL")
    run = Extraction(seconds=3600)
    async with instances(valkey, 1) as (one,):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(once, one, "long", run)
            await run.begun.wait()
            (lease,) = valkey.ask("KEYS", "ytdlpd:1:f:*")
            valkey.ask("PEXPIRE", lease, 5000)
            await until(lambda: valkey.ask("PTTL", lease) > 5000)
            nursery.cancel_scope.cancel()
        await until(lambda: not valkey.ask("EXISTS", lease))  # and given up when everybody has left


async def test_a_word_that_is_lost_costs_a_look(valkey: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Extraction(seconds=0.2)
    async with instances(valkey) as (one, two), trio.open_nursery() as nursery:
        monkeypatch.setattr(two.cluster._results, "hear", lambda payload: None)
        nursery.start_soon(once, one, "lost word", run)
        await run.begun.wait()
        assert (await once(two, "lost word", run)).age is not None
    assert run.runs == 1


async def test_a_dead_holder_costs_the_rest_of_the_lease(valkey: Engine) -> None:
    hung, run = Extraction(seconds=3600), Extraction()
    dead = Instance(valkey)
    async with instances(valkey, 1) as (alive,), trio.open_nursery() as nursery:
        async with trio.open_nursery() as life:
            life.start_soon(dead.cluster.run)
            await until(lambda: dead.is_up)
            nursery.start_soon(once, dead, "dead", hung)
            await hung.begun.wait()
            life.cancel_scope.cancel()  # its link ends: it can neither renew nor give up
        assert (await once(alive, "dead", run)).body == b'{"ok":true}'
        nursery.cancel_scope.cancel()
    assert run.runs == 1


async def test_without_a_cache_nothing_is_shared(valkey: Engine) -> None:
    run = Extraction()
    async with instances(valkey, cache_max_bytes=0) as fleet:
        for each in fleet:
            await once(each, "uncached", run)
    assert run.runs == 2


def entries(valkey: Engine) -> list[bytes]:
    """The keys of what is kept."""
    return list(valkey.ask("KEYS", "ytdlpd:1:r:*"))


def garbage(valkey: Engine) -> list[bytes]:
    """Those of them under which there is nothing of ours."""
    return [key for key in entries(valkey) if valkey.ask("GETRANGE", key, 0, 0) != bytes([FORMAT])]


async def test_garbage_under_our_keys_is_a_miss_and_is_replaced(valkey: Engine) -> None:
    run = Extraction()
    valkey.ask("FLUSHALL")
    async with instances(valkey) as (one, two):
        await once(one, "garbage", run)
        await once(one, "list", run)
        await until(lambda: len(entries(valkey)) == 2)
        for key in entries(valkey):
            valkey.ask("SET", key, "garbage")
        assert (await once(two, "garbage", run)).age is None
        await until(lambda: len(entries(valkey)) - 1 == len(garbage(valkey)))
        assert two.cluster.statistics().foreign == 1
        assert (await once(one, "garbage", run)).age is not None
        for key in entries(valkey):
            valkey.ask("DEL", key)
            valkey.ask("RPUSH", key, "a list")
        assert (await once(two, "list", run)).age is None
        assert two.cluster.statistics().state == "degraded"
        await until(lambda: len(garbage(valkey)) == 1)
        assert (await once(one, "list", run)).age is not None
        assert (await once(two, "another", run)).age is None
        assert two.cluster.statistics().problem is None
    valkey.ask("FLUSHALL")


async def test_an_entry_that_is_longer_than_any_of_ours_is_a_miss(valkey: Engine) -> None:
    run = Extraction()
    valkey.ask("FLUSHALL")
    async with instances(valkey) as (one, two):
        await once(one, "long", run)
        await until(lambda: entries(valkey))
        valkey.ask("SET", *entries(valkey), bytes([FORMAT]) * 6_000_000)
        assert (await once(two, "long", run)).age is None
        assert two.cluster.statistics().losses == 0
        await until(lambda: valkey.ask("STRLEN", *entries(valkey)) < 1000)


async def test_what_a_newer_instance_has_kept_is_a_miss(valkey: Engine) -> None:
    run = Extraction()
    valkey.ask("FLUSHALL")
    async with instances(valkey) as (one, two):
        await once(one, "newer", run)
        await until(lambda: entries(valkey))
        (key,) = entries(valkey)
        valkey.ask("SETRANGE", key, 0, bytes([FORMAT + 1]))
        assert (await once(two, "newer", run)).age is None
        assert two.cluster.statistics().foreign == 1
        assert two.cluster.statistics().problem is None


@pytest.mark.parametrize("what", [b"", b"x", b"\xff" * 24, b"0" * 24 + b" \x01\x00\x02{}", b" "])
async def test_garbage_on_our_channel_is_ignored(valkey: Engine, what: bytes) -> None:
    async with instances(valkey, 1) as (one,):
        valkey.ask("PUBLISH", "ytdlpd:1:done", what)
        assert (await once(one, what, Extraction())).body
        assert one.is_up


async def test_a_forgotten_script_is_sent_again(valkey: Engine) -> None:
    run = Extraction()
    async with instances(valkey) as (one, two):
        for turn in range(3):
            await once(one, f"script-{turn}", run)
            valkey.ask("SCRIPT", "FLUSH")
            assert (await once(two, f"script-{turn}", run)).age is not None
        assert run.runs == 3
        assert two.cluster.statistics().problem is None


async def test_the_link_says_why_it_cannot_be_asked() -> None:
    with engine() as gone:
        instance: Any = Instance(gone)
    with pytest.raises(Unavailable, match="not reached yet"):
        await instance.cluster.link.call("test", "PING")
