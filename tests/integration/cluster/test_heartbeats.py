"""Contract: instances that see each other, against a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from service.cluster import fleet
from service.cluster.messages import Member
from service.events import DrainBegan, Event, LameDuckBegan, ServiceReady
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until
from tests.unit.cluster.test_messages import ME


@pytest.fixture(scope="module")
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


def introduce(instance: Instance, name: str) -> None:
    def describe(id: str) -> Member:
        return ME.model_copy(update={"id": id, "name": name})

    instance.cluster.introduce(describe)


def names(instance: Instance) -> list[str]:
    return [each.member.name for each in instance.cluster.sightings()]


async def test_they_see_each_other(valkey: Engine) -> None:
    async with instances(valkey) as (one, two):
        introduce(one, "one")
        await until(lambda: names(one) == ["one"])
        introduce(two, "two")
        await until(lambda: names(two) == ["one", "two"])
        introduce(one, "one")
        await until(lambda: names(one) == ["one", "two"])
        assert all(0 <= each.age < 10 for each in two.cluster.sightings())
        assert {each.member.id for each in two.cluster.sightings()} == {one.cluster.id, two.cluster.id}


@pytest.mark.parametrize("event", [ServiceReady(()), LameDuckBegan(1.0), DrainBegan(0, 0, 1.0)])
async def test_a_change_of_phase_is_told_at_once(
    valkey: Engine, event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "INTERVAL", 3600.0)
    async with instances(valkey, 1) as (one,):
        phase = "before"

        def describe(id: str) -> Member:
            return ME.model_copy(update={"id": id, "phase": phase})

        def phases() -> list[str]:
            return [each.member.phase for each in one.cluster.sightings() if each.member.id == one.cluster.id]

        one.cluster.introduce(describe)
        await until(lambda: phases() == ["before"])
        assert one.cluster.statistics().instances == len(one.cluster.sightings())
        phase = "after"
        one.bus.emit(event)
        await until(lambda: phases() == ["after"])


async def test_the_dead_are_forgotten_and_garbage_is_nobody(valkey: Engine) -> None:
    valkey.ask("FLUSHALL")
    valkey.ask("ZADD", "ytdlpd:1:i", 1, "dead", 99999999999999, "garbled")
    valkey.ask("SET", "ytdlpd:1:i:dead", ME.model_dump_json())
    valkey.ask("SET", "ytdlpd:1:i:garbled", "{}")
    valkey.ask("ZADD", "ytdlpd:1:i", 99999999999999, "long")
    valkey.ask("SET", "ytdlpd:1:i:long", b"x" * 6_000_000)
    async with instances(valkey, 1) as (one,):
        introduce(one, "one")
        await until(lambda: names(one) == ["one"])
        assert one.cluster.statistics().losses == 0
        assert valkey.ask("ZSCORE", "ytdlpd:1:i", "dead") is None


async def test_garbage_in_the_place_of_the_fleet_is_replaced(valkey: Engine) -> None:
    valkey.ask("SET", "ytdlpd:1:i", "garbage")
    async with instances(valkey, 1) as (one,):
        introduce(one, "one")
        await until(lambda: names(one) == ["one"])
        assert one.cluster.statistics().problem is None


async def test_without_the_engine_they_fade_and_are_back_with_it() -> None:
    with engine() as valkey:
        async with instances(valkey, 1) as (one,):
            introduce(one, "one")
            await until(lambda: names(one) == ["one"])
            first = one.cluster.sightings()[0].age
            valkey.kill()
            await until(lambda: not one.is_up)
            await trio.sleep(0.2)
            assert one.cluster.sightings()[0].age >= first + 0.2
            valkey.start()
            await until(lambda: one.is_up and valkey.ask("ZCARD", "ytdlpd:1:i") == 1)
