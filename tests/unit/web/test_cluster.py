"""Collaboration: what /health says of the other instances, over fakes."""

from __future__ import annotations

from dataclasses import replace

from tests.support.web_app import CLUSTER, FakeCluster, Web, web

ADMIN = {"X-API-Key": "the key of an admin"}


def clustered(**shown: object) -> Web:
    it = web(admin_key=ADMIN["X-API-Key"])
    it.cluster = FakeCluster(replace(CLUSTER, **shown))  # type: ignore[arg-type]
    it.build()
    return it


async def test_one_that_is_alone_says_nothing_of_others() -> None:
    assert (await (await web().get("/health")).get_json())["cluster"] is None


async def test_what_is_shared_is_told() -> None:
    health = await (await clustered().get("/health")).get_json()
    assert health["status"] == "healthy"
    assert (health["cluster"]["state"], health["cluster"]["hits"]) == ("ok", 5)
    assert health["cluster"]["engine"] == ""


async def test_without_the_engine_it_is_degraded_and_ready() -> None:
    it = clustered(state="degraded", problem="cache.internal:6379 does not answer")
    response = await it.get("/health")
    health = await response.get_json()
    assert (response.status_code, health["status"]) == (200, "degraded")
    assert health["cluster"]["state"] == "degraded"
    assert "internal" not in str(health)
    assert "internal" in str(await (await it.get("/health", headers=ADMIN)).get_json())
    assert (await it.get("/health/ready")).status_code == 200
