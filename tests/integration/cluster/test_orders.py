"""Contract: orders of operators, carried out by all instances, against a real Valkey."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pytest
import trio

from service.cluster.messages import RELEASE_ACTIONS, Action
from service.cluster.port import OrderAnswer
from service.errors import UnknownSite
from service.releases.store import StoreError
from tests.integration.cluster.test_heartbeats import introduce, names
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until
from tests.support.relay import relay


@pytest.fixture
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


class Noting:
    """An operator that notes what is ordered; it does not know the site "unknown"."""

    def __init__(self, instance: Instance, name: str, *opened: str) -> None:
        self.deaths: list[tuple[str, ...]] = []
        self.released: list[str | None] = []
        self.purged: list[str] = []
        self.ages: list[float] = []
        self.decided: list[tuple[str, str | None, str]] = []
        self.pauses: list[tuple[str, str, float]] = []
        self.ordered: list[tuple[str, str | None]] = []
        self.held: dict[str, Action] = dict.fromkeys(opened, "open")
        introduce(instance, name)
        instance.cluster.obey(self)

    async def carry_out(self, action: Action, subject: str | None, reason: str = "") -> tuple[str, str]:
        await trio.lowlevel.checkpoint()
        if subject == "unknown":
            raise UnknownSite(subject)
        if subject == "missing":
            raise StoreError("there is no release missing here; fetch it first")
        if action in RELEASE_ACTIONS:
            self.decided.append((action, subject, reason))
            return "before", "after"
        self.ordered.append((action, subject))
        before = self.held.pop(subject or "*", "CLOSED")
        if action in ("open", "disable"):
            self.held[subject or "*"] = action
        return before, action

    def note_deaths(self, url: str, client: str, causes: Sequence[str], ago: float) -> None:
        self.deaths.append((url, client, *causes))
        self.ages.append(ago)

    def note_release(self, url: str | None) -> None:
        self.released.append(url)
        self.deaths = [each for each in self.deaths if url not in (None, each[0])]

    def note_purge(self, ytdlp: str) -> None:
        self.purged.append(ytdlp)

    def note_pause(self, egress: str, place: str, seconds: float) -> None:
        self.pauses.append((egress, place, seconds))

    def modes(self) -> Mapping[str, Action]:
        return self.held


async def introduced(*fleet: Instance) -> list[Noting]:
    """An operator for each, once they all see each other."""
    operators = [Noting(each, f"instance {number}") for number, each in enumerate(fleet)]

    def all_seen() -> bool:
        for number, each in enumerate(fleet):
            introduce(each, f"instance {number}")  # at once, and not at the next heartbeat
        return all(len(names(each)) == len(fleet) for each in fleet)

    await until(all_seen)
    return operators


async def test_an_order_is_for_all_and_each_answers(valkey: Engine) -> None:
    async with instances(valkey, 3) as fleet:
        first, second, third = await introduced(*fleet)
        answers = await fleet[0].cluster.order("open", "example.com")
        assert answers == (
            OrderAnswer("instance 1", "CLOSED", "open", None),
            OrderAnswer("instance 2", "CLOSED", "open", None),
        )
        assert (first.ordered, second.ordered) == (
            [],
            [("open", "example.com")],
        )  # who gives it carries it out
        assert third.held == {"example.com": "open"}
        answers = await fleet[1].cluster.order("reset", "unknown")
        assert [(each.name, "unknown" in str(each.problem)) for each in answers] == [
            ("instance 0", True),
            ("instance 2", True),
        ]


async def test_who_starts_later_takes_over_what_lasts(valkey: Engine) -> None:
    async with instances(valkey, 1) as (one,):
        await introduced(one)
        for action, site in (
            ("disable", None),
            ("open", "a.example"),
            ("open", "b.example"),
            ("reset", "b.example"),
        ):
            await one.cluster.order(action, site)  # type: ignore[arg-type]
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late", "old.example")
            await until(lambda: len(operator.ordered) == 3)
            assert operator.ordered == [("reset", "old.example"), ("disable", None), ("open", "a.example")]
        await one.cluster.order("close", None)
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late", "old.example")
            await until(lambda: operator.ordered)
            assert operator.ordered == [("reset", "old.example")]


async def test_an_engine_that_forgot_is_told_again(valkey: Engine) -> None:
    async with instances(valkey) as fleet:
        one, two = await introduced(*fleet)
        await one.carry_out("open", "example.com")
        await fleet[0].cluster.order("open", "example.com")
        valkey.kill()
        await until(lambda: not any(each.is_up for each in fleet))
        valkey.start()
        await until(lambda: all(each.is_up for each in fleet))
        await until(lambda: valkey.ask("HGET", "ytdlpd:1:m", "example.com") == b"open")
        assert one.held == two.held == {"example.com": "open"}


async def test_without_the_engine_an_order_is_for_one_and_reaches_the_others_later() -> None:
    with engine() as valkey:
        async with relay(valkey) as way, instances(valkey, 1, cluster_url=way.url) as (near,):
            (one,) = await introduced(near)
            async with instances(valkey, 1) as (far,):
                two = Noting(far, "two", "old.example")
                way.cut()
                await until(lambda: not near.is_up)
                for action, site in (("open", "a.example"), ("disable", None), ("open", "b.example")):
                    await one.carry_out(action, site)  # type: ignore[arg-type]
                    assert await near.cluster.order(action, site) == ()  # type: ignore[arg-type]
                assert two.ordered == []
                way.is_open = True
                await until(lambda: len(two.ordered) == 2)
                assert two.ordered == [("disable", None), ("open", "b.example")]
                await until(lambda: valkey.ask("HLEN", "ytdlpd:1:m") == 3)
                assert one.held["b.example"] == "open"


async def test_an_instance_that_is_gone_is_waited_for_a_second(valkey: Engine) -> None:
    async with instances(valkey, 1) as (one,):
        async with instances(valkey, 1) as (gone,):
            await introduced(gone, one)
        assert await one.cluster.order("open", "example.com") == ()


async def test_what_is_decided_of_a_release_is_for_all(valkey: Engine) -> None:
    async with instances(valkey, 3) as fleet:
        _, second, third = await introduced(*fleet)
        fleet[0].cluster.bar("2030.1.1", "it failed where the old one answered")
        await until(lambda: second.decided and third.decided)
        barred = ("bar", "2030.1.1", "it failed where the old one answered")
        assert second.decided == third.decided == [barred]
        answers = await fleet[0].cluster.order("pin", "2030.2.1", "an admin")
        assert answers == (
            OrderAnswer("instance 1", "before", "after", None),
            OrderAnswer("instance 2", "before", "after", None),
        )
        (problem, _) = await fleet[0].cluster.order("pin", "missing")
        assert "fetch it first" in str(problem.problem)
        assert valkey.ask("PTTL", "ytdlpd:1:v") > 0


async def test_who_starts_later_takes_over_the_last_word_of_each_release(valkey: Engine) -> None:
    async with instances(valkey, 1) as (one,):
        await introduced(one)
        one.cluster.bar("2030.1.1", "worse")
        one.cluster.bar("2030.1.2", "worse")
        await one.cluster.order("unbar", "2030.1.1")
        await one.cluster.order("pin", "2030.1.3")
        await one.cluster.order("unpin", None)
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: len(operator.decided) == 3)
            assert operator.decided == [
                ("unbar", "2030.1.1", ""),
                ("bar", "2030.1.2", "worse"),
                ("unpin", None, ""),
            ]


async def test_a_verdict_without_the_engine_is_told_when_it_is_back(valkey: Engine) -> None:
    async with relay(valkey) as way, instances(valkey, 1, cluster_url=way.url) as (near,):
        await introduced(near)
        near.cluster.bar("2030.1.1", "worse")
        await until(lambda: valkey.ask("HLEN", "ytdlpd:1:v") == 1)
        way.cut()
        await until(lambda: not near.is_up)
        valkey.ask("FLUSHALL")  # what was told before is told again, too
        near.cluster.bar("2030.1.2", "worse")
        assert await near.cluster.order("pin", "2030.1.3") == ()
        async with instances(valkey, 1) as (far,):
            operator = Noting(far, "far")
            way.is_open = True
            await until(lambda: valkey.ask("HLEN", "ytdlpd:1:v") == 3)
            await until(lambda: len(operator.decided) == 2)
            assert operator.decided == [("bar", "2030.1.2", "worse"), ("pin", "2030.1.3", "")]
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: len(operator.decided) == 3)


@pytest.mark.parametrize("garbage", ["a text", "bad words", "too many"])
async def test_garbage_is_no_verdict(valkey: Engine, garbage: str) -> None:
    order = {"id": "1", "by": "x", "action": "bar", "subject": "2030.1.1", "reason": "\x1b[2J"}
    bad = ["{}", "\xff", "x" * 5000, json.dumps(order), json.dumps({**order, "action": "open", "reason": ""})]
    match garbage:
        case "a text":
            valkey.ask("SET", "ytdlpd:1:v", "garbage")
        case "bad words":
            for number, each in enumerate(bad):
                valkey.ask("HSET", "ytdlpd:1:v", number, each)
        case "too many":
            valkey.ask("HSET", "ytdlpd:1:v", *map(str, range(1000)))
    async with instances(valkey) as fleet:
        one, two = await introduced(*fleet)
        await fleet[0].cluster.order("bar", "2030.1.1", "worse")
        assert (one.decided, two.decided) == ([], [("bar", "2030.1.1", "worse")])
        assert one.ordered == two.ordered == []
        async with instances(valkey, 1) as (late,):
            operator = Noting(late, "late")
            await until(lambda: operator.decided)
            assert operator.decided == [("bar", "2030.1.1", "worse")]
            assert late.cluster.statistics().losses == 0


@pytest.mark.parametrize(
    "garbage", ["", "{}", '{"id":"1","by":"x","action":"explode","subject":null}', "\xff"]
)
async def test_garbage_is_no_order(valkey: Engine, garbage: str) -> None:
    async with instances(valkey, 1) as (one,):
        (operator,) = await introduced(one)
        valkey.ask("PUBLISH", "ytdlpd:1:orders", garbage)
        valkey.ask("PUBLISH", "ytdlpd:1:answers", garbage)
        valkey.ask("SET", "ytdlpd:1:m", "garbage")
        assert await one.cluster.order("open", "example.com") == ()
        assert operator.ordered == []
        assert one.cluster.statistics().problem is None


async def test_more_modes_than_there_can_be_are_forgotten(valkey: Engine) -> None:
    valkey.ask("HSET", "ytdlpd:1:m", "", "1", *(f"{number}" for number in range(4000)))
    async with instances(valkey, 1) as (one,):
        operator = Noting(one, "one", "ours.example")
        await until(lambda: valkey.ask("HGETALL", "ytdlpd:1:m") == [b"ours.example", b"open", b"", b"1"])
        assert operator.ordered == []
