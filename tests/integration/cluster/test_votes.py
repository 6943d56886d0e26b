"""Contract: votes of breakers, by which those of other instances open, against a real Valkey."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

from service.breaker.key import BreakerKey
from service.breaker.registry import Breakers
from service.breaker.settings import BreakerSettings
from service.codes import CallResult
from service.dispatch.voter import BreakerVoter
from service.events import Events
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until
from tests.support.relay import relay

SITE = BreakerKey("example.com")
ACCOUNT = BreakerKey("example.com", account=True)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.cluster.votes.INTERVAL", 0.05)


@pytest.fixture
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


class Asking:
    """One instance's breakers, which have asked the site and were answered."""

    def __init__(self, instance: Instance, cooldown: float = 60.0) -> None:
        self.instance = instance
        self.breakers = Breakers(BreakerSettings(cooldown=cooldown), Events())
        instance.cluster.share_breakers(BreakerVoter(self.breakers))

    async def asks(self, key: BreakerKey = SITE, result: CallResult = CallResult.SUCCESS) -> None:
        self.breakers.settle(await self.breakers.admit(key), result)

    async def trips(self, key: BreakerKey = SITE) -> None:
        while self.states.get(key.name) != "OPEN":
            await self.asks(key, CallResult.FAILURE)

    async def follows(self) -> None:
        """Ask until the others' votes open it."""
        with trio.fail_after(30):
            while self.states["example.com"] == "CLOSED":
                await self.asks()
                await trio.sleep(0.05)

    @property
    def states(self) -> dict[str, str]:
        return {each.site: each.state for each in self.breakers.statistics().sites}


@asynccontextmanager
async def asking(valkey: Engine, count: int = 3) -> AsyncIterator[list[Asking]]:
    """So many instances, once the engine knows that they ask the site."""
    async with instances(valkey, count) as fleet:
        found = [Asking(each) for each in fleet]
        for each in found:
            await each.asks()
        await until(lambda: votes(valkey) == count)
        yield found


def votes(valkey: Engine) -> int:
    """The instances that the engine knows at all places."""
    return sum(valkey.ask("HLEN", key) for key in valkey.ask("KEYS", "ytdlpd:1:b:*"))


def open_votes(valkey: Engine) -> int:
    """Those that vote."""
    found = [valkey.ask("HVALS", key) for key in valkey.ask("KEYS", "ytdlpd:1:b:*")]
    now = valkey.ask("TIME")
    milliseconds = int(now[0]) * 1000 + int(now[1]) // 1000
    return sum(int(each.split()[1]) > milliseconds for values in found for each in values)


async def test_most_open_it_for_the_others_that_ask(valkey: Engine) -> None:
    async with asking(valkey) as (one, two, three):
        await one.trips()
        await until(lambda: open_votes(valkey) == 1)
        await two.trips()
        await until(lambda: open_votes(valkey) == 2)
        assert three.states == {"example.com": "CLOSED"}  # it says and hears nothing until it asks
        await three.follows()
        assert three.breakers.statistics().sites[0].cooldown_remaining == pytest.approx(60, abs=30)
        assert open_votes(valkey) == 2  # who only follows does not vote
        key, *_ = valkey.ask("KEYS", "ytdlpd:1:b:*")
        assert b"example" not in key
        assert valkey.ask("PTTL", key) > 0


async def test_one_alone_opens_it_for_nobody(valkey: Engine) -> None:
    async with asking(valkey, 2) as (one, two):
        await one.trips()
        await until(lambda: open_votes(valkey) == 1)
        before = two.instance.cluster.link.calls
        await two.asks()
        await until(lambda: two.instance.cluster.link.calls > before)
        await two.asks(BreakerKey("another.example"))
        await until(lambda: votes(valkey) == 3)
        assert two.states["example.com"] == "CLOSED"


async def test_a_vote_is_withdrawn(valkey: Engine) -> None:
    async with asking(valkey, 2) as (one, _):
        await one.trips()
        await until(lambda: open_votes(valkey) == 1)
        valkey.ask("FLUSHALL")  # what the engine forgets is said again
        await until(lambda: open_votes(valkey) == 1)
        one.breakers.reset("example.com")
        await until(lambda: open_votes(valkey) == 0)


async def test_what_an_operator_opens_is_no_vote_and_an_account_s_breaker_neither(valkey: Engine) -> None:
    async with asking(valkey, 2) as (one, _):
        await one.trips(ACCOUNT)
        one.breakers.force_open("example.com")
        await one.trips(BreakerKey("another.example"))
        await until(lambda: open_votes(valkey) == 1)
        assert votes(valkey) == 3


async def test_behind_another_way_out_nobody_hears_it(valkey: Engine) -> None:
    async with asking(valkey, 2) as (one, two), instances(valkey, 1, egress_proxy="http://p:1") as (far,):
        other = Asking(far)
        await one.trips()
        await two.trips()
        await until(lambda: open_votes(valkey) == 2)
        await other.asks()
        await until(lambda: votes(valkey) == 3)
        await other.asks(BreakerKey("another.example"))
        await until(lambda: votes(valkey) == 4)  # so the first reply is there
        assert other.states["example.com"] == "CLOSED"


@pytest.mark.parametrize("garbage", ["", "open", "1 99999999999999999999", "99999999999999 99999999999999"])
async def test_garbage_is_no_vote(valkey: Engine, garbage: str) -> None:
    async with asking(valkey, 1) as (one,):
        (key,) = valkey.ask("KEYS", "ytdlpd:1:b:*")
        valkey.ask("HSET", key, "garbage", garbage, "\xff", garbage)
        await one.asks()
        await until(lambda: votes(valkey) == 1)
        valkey.ask("SET", key, garbage)
        await one.asks()
        await until(lambda: valkey.ask("TYPE", key) == b"hash")
        assert one.states == {"example.com": "CLOSED"}
        assert one.instance.cluster.statistics().problem is None


async def test_the_vote_of_one_that_is_cut_off_ends_with_its_cooldown(valkey: Engine) -> None:
    async with (
        relay(valkey) as way,
        instances(valkey, 1, cluster_url=way.url) as (cut,),
        instances(valkey, 1) as (alone,),
    ):
        one, two = Asking(cut, cooldown=2.0), Asking(alone)
        for each in (one, two):
            await each.asks()
        await until(lambda: votes(valkey) == 2)
        await one.trips()
        await until(lambda: open_votes(valkey) == 1)
        way.cut()
        await until(lambda: open_votes(valkey) == 0)
        assert two.states["example.com"] == "CLOSED"


async def test_without_the_engine_each_goes_by_its_own_and_says_it_again_later() -> None:
    with engine() as valkey:
        async with asking(valkey) as (one, two, three):
            valkey.kill()
            await until(lambda: not any(each.instance.is_up for each in (one, two, three)))
            await one.trips()
            await two.trips()
            await three.asks()
            assert three.states == {"example.com": "CLOSED"}
            valkey.start()
            await until(lambda: open_votes(valkey) == 2)
            await three.follows()
