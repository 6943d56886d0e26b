"""Contract: what instances tell each other of sites, URLs and releases, also those that were away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from service.cluster import journal
from tests.integration.cluster.test_orders import Noting, introduced
from tests.integration.cluster.test_results import Extraction, once
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until
from tests.support.relay import relay

URL = "https://example.com"
NOTE = "0123456789abcdef 0 "  # what a message begins with
GARBAGE = ("a text", "the last id", "long words", "many words", "no words", "bad words")
JOURNALS = ("deaths", "pauses", "purges")


@pytest.fixture
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


def tell(instance: Instance) -> None:
    """One of everything."""
    instance.cluster.died(URL, "a client", ["SIGSEGV", "SIGKILL"])
    instance.cluster.pause("fra", "example.com", 30.0)
    instance.cluster.purge("bad")


def heard(operator: Noting) -> tuple[int, int, int]:
    return len(operator.deaths), len(operator.pauses), len(operator.purged)


async def test_deaths_are_told_to_the_others(valkey: Engine) -> None:
    async with instances(valkey) as fleet:
        one, two = await introduced(*fleet)
        for garbage in (
            "",
            "{}",
            NOTE,
            NOTE + '{"by":"x","url":"u","client":"c","causes":[]}',
            NOTE + "\xff",
        ):
            valkey.ask("PUBLISH", "ytdlpd:1:deaths", garbage)
        fleet[0].cluster.died("https://example.com", "a client", ["SIGSEGV", "SIGKILL"])
        await until(lambda: two.deaths)
        assert two.deaths == [("https://example.com", "a client", "SIGSEGV", "SIGKILL")]
        assert one.deaths == []


async def test_pauses_are_told_to_those_who_leave_the_same_way(valkey: Engine) -> None:
    async with instances(valkey) as fleet, instances(valkey, 1, egress_proxy="http://p:1") as (elsewhere,):
        one, two = await introduced(*fleet)
        far = Noting(elsewhere, "far")
        garbage = '{"by":"x","way":"w","egress":"","place":"example.com","seconds":"NaN"}'
        for each in ("", "{}", NOTE, NOTE + garbage):
            valkey.ask("PUBLISH", "ytdlpd:1:pauses", each)
        fleet[0].cluster.pause("fra", "example.com", 30.0)
        elsewhere.cluster.pause("", "elsewhere.example", 30.0)
        fleet[0].cluster.pause("fra", "example.com", 1e9)
        await until(lambda: len(two.pauses) == 2)
        assert two.pauses == [("fra", "example.com", 30.0), ("fra", "example.com", 86_400.0)]
        fleet[1].cluster.pause("", "last.example", 1.0)
        await until(lambda: one.pauses == [("", "last.example", 1.0)])
        fleet[1].cluster.died("https://example.com", "a client", ["SIGSEGV"])
        await until(lambda: far.deaths)  # so it heard what was told before
        assert far.pauses == []


async def test_a_user_with_the_least_rights_may_tell_and_learn_everything(valkey: Engine) -> None:
    rights = (
        "on >secret ~ytdlpd:* &ytdlpd:* +@read +@write +@connection +eval +evalsha +time +publish +subscribe"
    )
    rights += " -@dangerous -function"
    assert valkey.ask("ACL", "SETUSER", "ytdlpd", *rights.split()) in (b"OK", "OK")
    url = f"redis://ytdlpd:secret@{valkey.host}:{valkey.port}"
    async with instances(valkey, cluster_url=url) as fleet:
        one, two = await introduced(*fleet)
        tell(fleet[0])
        fleet[0].cluster.bar("2030.1.1", "worse")
        assert [each.after for each in await fleet[1].cluster.order("open", "a.example")] == ["open"]
        await until(lambda: heard(two) == (1, 1, 1) and two.decided)
        async with instances(valkey, 1, cluster_url=url) as (late,):
            operator = Noting(late, "late")
            await until(lambda: heard(operator) == (1, 1, 1) and operator.decided and operator.ordered)
            for each in (*fleet, late):
                assert each.cluster.statistics().problem is None
        assert one.ordered == [("open", "a.example")]


async def test_who_starts_later_learns_what_stands(valkey: Engine) -> None:
    async with instances(valkey, 1) as (one,):
        tell(one)
        one.cluster.pause("fra", "over.example", 0.05)
        await once(one, "bad", Extraction(ytdlp="bad"))
        await until(lambda: valkey.ask("XLEN", "ytdlpd:1:pauses") == 2)
        for name in JOURNALS:
            assert 0 < valkey.ask("PTTL", f"ytdlpd:1:{name}") <= 3_600_000
        await trio.sleep(0.1)
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: heard(operator) == (1, 1, 1))
            assert operator.deaths == [(URL, "a client", "SIGSEGV", "SIGKILL")]
            assert operator.ages[0] >= 0.1
            (pause,) = operator.pauses
            assert pause[:2] == ("fra", "example.com")
            assert 0 < pause[2] <= 29.9
            assert (await once(late, "bad", Extraction(ytdlp="good"))).age is None
    async with instances(valkey, 1) as (restarted,):
        operator = Noting(restarted, "restarted")
        await until(lambda: heard(operator) == (1, 1, 1))


async def test_what_an_operator_has_released_is_released_for_those_who_come_later(valkey: Engine) -> None:
    async with instances(valkey, 1) as (one,):
        await introduced(one)
        one.cluster.died(URL, "a client", ["SIGSEGV"])
        one.cluster.died("https://another.example", "a client", ["SIGSEGV"])
        await one.cluster.order("release", URL)
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: operator.released == [URL])
            assert operator.deaths == [("https://another.example", "a client", "SIGSEGV")]


async def test_who_was_away_learns_what_it_missed_and_nothing_twice(valkey: Engine) -> None:
    async with (
        relay(valkey) as way,
        instances(valkey, 1, cluster_url=way.url) as (near,),
        instances(valkey, 1) as (far,),
    ):
        one, two = Noting(near, "near"), Noting(far, "far")
        tell(far)
        tell(near)
        await until(lambda: heard(one) == heard(two) == (1, 1, 1))
        way.cut()
        await until(lambda: not near.is_up)
        tell(far)
        tell(near)  # it is told when the link is back
        assert heard(two) == (1, 1, 1)
        await trio.sleep(0.1)
        way.is_open = True
        await until(lambda: heard(one) == heard(two) == (2, 2, 2))
        assert one.ages[0] < 0.1 <= one.ages[1]
        assert two.ages[0] < 0.1 <= two.ages[1]
        assert two.pauses[1][2] <= 29.9
        way.cut()
        await until(lambda: not near.is_up)
        way.is_open = True
        await until(lambda: near.is_up)
        far.cluster.purge("last")
        await until(lambda: one.purged[-1] == "last")
        assert heard(one) == (2, 2, 3)


async def test_what_a_bad_release_made_is_used_nowhere(valkey: Engine) -> None:
    run = Extraction(ytdlp="bad")
    async with instances(valkey) as (one, two):
        await introduced(one, two)
        await once(one, "bad", run)
        assert (await once(two, "bad", run)).age is not None
        one.cluster.purge("bad")
        assert (await once(one, "bad", run)).age is None

        async def extracts() -> bool:
            return (await once(two, "bad", run)).age is None

        with trio.fail_after(10):
            while not await extracts():  # noqa: ASYNC110  (what it waits for has no event)
                await trio.sleep(0.01)
        good = Extraction(ytdlp="good")
        await once(one, "good", good)
        assert (await once(two, "good", good)).age is not None


async def test_the_engine_keeps_the_newest_alone(valkey: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST", 3)
    async with instances(valkey, 1) as (one,):
        for turn in range(5):
            one.cluster.purge(f"release {turn}")
        await until(lambda: valkey.ask("XLEN", "ytdlpd:1:purges") == 3)
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: len(operator.purged) == 3)
            assert operator.purged == ["release 2", "release 3", "release 4"]


@pytest.mark.parametrize("name", JOURNALS)
@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_in_a_journal_is_left_out_and_makes_room(
    valkey: Engine, name: str, garbage: str
) -> None:
    key = f"ytdlpd:1:{name}"
    match garbage:
        case "a text":
            valkey.ask("SET", key, "garbage")
        case "the last id":
            valkey.ask("XADD", key, "18446744073709551615-18446744073709551615", "m", "x")
        case "long words":
            for _ in range(3):
                valkey.ask("XADD", key, "*", "m", b"x" * 2_000_000)
        case "many words":
            for _ in range(100):
                valkey.ask("XADD", key, "*", "m", b"x" * 60_000)
        case "no words":
            valkey.ask("XADD", key, "*", "x", "")
        case "bad words":
            for word in ("", "{}", NOTE, NOTE + "{}", NOTE.replace(" 0 ", " 99999999999 "), b"\xff" * 30):
                valkey.ask("XADD", key, "*", "m", word)
    async with instances(valkey) as fleet:
        _, two = await introduced(*fleet)
        tell(fleet[0])
        await until(lambda: heard(two) == (1, 1, 1))
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: heard(operator) == (1, 1, 1))
            assert late.cluster.statistics().losses == 0
            assert late.cluster.statistics().problem is None
