"""Pure: the address of the engine."""

from __future__ import annotations

import pytest

from service.cluster.address import EngineAddress
from service.config import Config, ConfigError


def test_an_address_has_all_that_it_may_have() -> None:
    found = EngineAddress.parse("rediss://ytdlpd:p%40ss@[::1]:7000/2")
    assert found == EngineAddress("::1", 7000, "ytdlpd", "p@ss", 2, tls=True)
    assert str(found) == "[::1]:7000"
    assert "p@ss" not in repr(found)
    assert EngineAddress.parse("valkey://cache") == EngineAddress("cache")


@pytest.mark.parametrize(
    "url",
    [
        "cache:6379?hush",
        "http://:hush@cache",
        "redis://:hush@",
        "redis://:hush@cache/one",
        "redis://:hush@cache:99999",
        "redis://:hush@cache?x=1",
    ],
)
def test_what_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="CLUSTER_URL must look like") as info:
        Config.load(cluster_url=url)
    assert "hush" not in str(info.value)


def test_the_password_is_masked() -> None:
    assert "hush" not in str(Config.load(cluster_url="redis://:hush@cache").masked())
