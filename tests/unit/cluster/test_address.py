"""Pure: the address of the engine."""

from __future__ import annotations

import pytest

from service.cluster.address import EngineAddress, Place
from service.config import Config, ConfigError


def test_an_address_has_all_that_it_may_have() -> None:
    found = EngineAddress.parse("rediss://ytdlpd:p%40ss@[::1]:7000/2")
    assert found == EngineAddress((Place("::1", 7000),), "", "ytdlpd", "p@ss", 2, tls=True)
    assert str(found) == "[::1]:7000"
    assert "p@ss" not in repr(found)
    assert EngineAddress.parse("valkey://cache") == EngineAddress((Place("cache", 6379),))


def test_sentinels_are_several_and_name_the_engine() -> None:
    found = EngineAddress.parse("sentinels://ytdlpd:p%40ss@one,[::1]:7000,three:26380/my%20fleet/2")
    places = Place("one", 26379), Place("::1", 7000), Place("three", 26380)
    assert found == EngineAddress(places, "my fleet", "ytdlpd", "p@ss", 2, tls=True)
    assert str(found) == "my fleet of the sentinels one:26379,[::1]:7000,three:26380"
    assert EngineAddress.parse("sentinel://one/fleet") == EngineAddress((Place("one", 26379),), "fleet")


@pytest.mark.parametrize(
    "url",
    [
        "cache:6379?hush",
        "http://:hush@cache",
        "redis://:hush@",
        "redis://:hush@cache/one",
        "redis://:hush@cache:99999",
        "redis://:hush@cache?x=1",
        "redis://:hush@one,two",
        "redis://:hush@one/two/3",
        "sentinel://:hush@one",
        "sentinel://:hush@one,,two/fleet",
        "sentinel://:hush@one/fleet/two",
        "sentinel://:hush@one/fleet?x=1",
    ],
)
def test_what_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="CLUSTER_URL must look like") as info:
        Config.load(cluster_url=url)
    assert "hush" not in str(info.value)


def test_the_password_is_masked() -> None:
    assert "hush" not in str(Config.load(cluster_url="redis://:hush@cache").masked())
