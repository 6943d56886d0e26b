"""Contract: rate limits of several instances, against a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from service.web.errors import Refused
from service.web.http.limits import RateLimits
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until

LIMIT = 20


@pytest.fixture(scope="module")
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


class Admission:
    """The limits of one instance; `admits` asks them once."""

    def __init__(self, instance: Instance, window: float = 3600.0) -> None:
        self._limits = RateLimits(
            instance.config.model_copy(
                update={"rate_limit_max_requests": LIMIT, "rate_limit_window_ms": int(window * 1000)}
            )
        )
        instance.cluster.share_limits(self._limits)

    def admits(self, client: str, count: int = 1) -> bool:
        try:
            self._limits.take(None, client, trio.current_time(), count)
        except Refused:
            return False
        return True


async def slowly(admission: Admission, client: str) -> int:
    """How many requests are admitted until one is refused, asked as slowly as the exchange takes."""
    admitted = 0
    while admission.admits(client):
        admitted += 1
        await trio.sleep(0.3)
    return admitted


async def test_what_one_admits_counts_for_all(valkey: Engine) -> None:
    async with instances(valkey) as fleet:
        one, two = (Admission(each) for each in fleet)
        assert one.admits("192.0.2.1", LIMIT)
        assert not one.admits("192.0.2.1")
        assert await slowly(two, "192.0.2.1") < LIMIT
        assert two.admits("192.0.2.2", LIMIT)
        keys = valkey.ask("KEYS", "ytdlpd:1:l:*")
        assert keys
        assert b"192.0.2" not in b"".join(keys)
        assert all(0 < valkey.ask("PTTL", key) <= 2 * 3_600_000 for key in keys)


async def test_forgotten_by_the_engine_a_client_begins_anew_elsewhere(valkey: Engine) -> None:
    async with instances(valkey) as fleet:
        one, two = (Admission(each) for each in fleet)
        assert one.admits("192.0.2.3", LIMIT)
        await until(lambda: valkey.ask("KEYS", "ytdlpd:1:l:*"))
        valkey.ask("FLUSHALL")
        assert two.admits("192.0.2.3", LIMIT)
        assert not one.admits("192.0.2.3")


@pytest.mark.parametrize("garbage", ["much", "-1", "1e300", "inf", "nan"])
async def test_garbage_is_no_budget(valkey: Engine, garbage: str) -> None:
    valkey.ask("FLUSHALL")
    async with instances(valkey, 1) as (instance,):
        one = Admission(instance)
        assert one.admits("192.0.2.4")
        await until(lambda: valkey.ask("KEYS", "ytdlpd:1:l:*"))
        (key,) = valkey.ask("KEYS", "ytdlpd:1:l:*")
        valkey.ask("SET", key, garbage)
        assert one.admits("192.0.2.4")
        await until(lambda: valkey.ask("GET", key) != garbage.encode())
        assert instance.is_up


async def test_without_the_engine_each_has_its_own() -> None:
    with engine() as valkey:
        async with instances(valkey) as fleet:
            one, two = (Admission(each) for each in fleet)
            valkey.kill()
            await until(lambda: not any(each.is_up for each in fleet))
            for each in (one, two):
                assert each.admits("192.0.2.5", LIMIT)
                assert not each.admits("192.0.2.5")
            await trio.sleep(0.3)
            valkey.start()
            await until(lambda: all(each.is_up for each in fleet))
            await trio.sleep(0.5)
            assert valkey.ask("KEYS", "ytdlpd:1:l:*") == []  # what was taken meanwhile is forgiven
