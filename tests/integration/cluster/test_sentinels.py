"""Contract: an engine with sentinels, and servers that are no engine, against real ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trustme

from service.events import ClusterLost
from tests.integration.cluster.test_failing_engine import kinds, shared
from tests.integration.cluster.test_results import Extraction, once
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until
from tests.support.reverse_proxies import own_address
from tests.support.sentinel import NAME, replica, sentinel


@pytest.fixture
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


def problem(instance: Instance) -> str:
    return str(instance.cluster.statistics().problem)


async def test_a_failover_is_followed_and_what_was_lost_does_no_harm(valkey: Engine, tmp_path: Path) -> None:
    with replica(valkey) as second, sentinel(tmp_path, valkey) as watch:
        await until(lambda: watch.ask("SENTINEL", "REPLICAS", NAME))
        async with instances(valkey, cluster_url=watch.url) as (one, two), trio.open_nursery() as nursery:
            assert await shared(one, two, "before")
            run = Extraction(seconds=0.5)
            nursery.start_soon(once, one, "under way", run)
            await run.begun.wait()
            valkey.kill()
            assert (await once(two, "under way", run)).body
            await until(lambda: not one.is_up and not two.is_up)
            assert not await shared(one, two, "between")
            await until(lambda: one.is_up and two.is_up, within=90)
            assert second.ask("ROLE")[0] == b"master"
            assert await shared(one, two, "after")
            assert run.runs <= 2


async def test_another_master_is_followed_while_the_old_one_lives(valkey: Engine, tmp_path: Path) -> None:
    with engine() as other, sentinel(tmp_path, valkey) as watch:
        async with instances(valkey, cluster_url=watch.url) as (one, two):
            assert await shared(one, two, "before")
            watch.ask("SENTINEL", "REMOVE", NAME)
            watch.ask("SENTINEL", "MONITOR", NAME, other.host, str(other.port), "1")
            await until(lambda: ClusterLost in kinds(one) and ClusterLost in kinds(two))
            await until(lambda: one.is_up and two.is_up)
            assert await shared(one, two, "after")
            assert other.ask("DBSIZE") > 0


async def test_one_sentinel_of_several_is_enough(valkey: Engine, tmp_path: Path) -> None:
    with sentinel(tmp_path, valkey) as watch:
        url = watch.url.replace("sentinel://", f"sentinel://127.0.0.1:1,{valkey.host}:{valkey.port},")
        async with instances(valkey, cluster_url=url) as (one, two):
            assert await shared(one, two, "several")
            watch.kill()
            await trio.sleep(2.5)  # they are asked, and none answers
            assert one.is_up
            assert two.is_up


async def test_a_sentinel_that_asks_for_a_password_gets_that_of_the_engine(tmp_path: Path) -> None:
    with engine("--requirepass", "right") as locked:
        options = f"sentinel auth-pass {NAME} right", "requirepass right"
        with sentinel(tmp_path, locked, *options) as watch:
            url = watch.url.replace("sentinel://", "sentinel://:right@")
            async with instances(locked, cluster_url=url) as (one, two):
                assert await shared(one, two, "locked")


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="Debian's redis-server is not installed")
async def test_sentinel_and_engine_over_tls(tmp_path: Path) -> None:
    authority, address = trustme.CA(), own_address()
    ca, key, chain = (tmp_path / name for name in ("ca.pem", "key.pem", "chain.pem"))
    certificate = authority.issue_cert(address)
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(chain)
    tls = {"cert-file": chain, "key-file": key, "ca-cert-file": ca, "auth-clients": "no"}

    def program() -> object:
        return shutil.which("redis-server")

    with engine(
        *(word for name, file in tls.items() for word in (f"--tls-{name}", str(file))), program=program
    ) as old:
        assert old.ask("CONFIG", "SET", "tls-port", str(old.port + 500)) in (b"OK", "OK")
        lines = [f"tls-{name} {file}" for name, file in tls.items()]
        lines += [f"tls-port {old.port + 600}", "tls-replication yes"]
        lines += [f"sentinel monitor secure {address} {old.port + 500} 1"]
        with sentinel(tmp_path, old, *lines, program=program):
            url = f"sentinels://{address}:{old.port + 600}/secure"
            async with instances(old, cluster_url=url, cluster_ca_file=ca) as (one, two):
                assert await shared(one, two, "tls")
            async with instances(old, 1, up=False, cluster_url=url) as (one,):
                await until(lambda: ClusterLost in kinds(one))
                assert "TLS" in problem(one)


async def test_sentinels_that_cannot_say_are_a_problem_that_is_named(valkey: Engine, tmp_path: Path) -> None:
    async def check(url: str, said: str) -> None:
        async with instances(valkey, 1, up=False, cluster_url=url) as (one,):
            await until(lambda: ClusterLost in kinds(one))
            assert said in problem(one)
            assert (await once(one, said, Extraction())).age is None

    with sentinel(tmp_path, valkey) as watch:
        await check(watch.url + "s", "it knows no 'fleets'; check the name")
        await check(watch.url.replace("sentinel://", "redis://").removesuffix(f"/{NAME}"), "it is a sentinel")
        with watch.paused():
            await check(watch.url, "it does not answer in time")
    await check("sentinel://127.0.0.1:1/fleet", "no connection")
    await check(valkey.url.replace("redis://", "sentinel://").replace("/0", "/fleet"), "it refuses")


async def test_a_server_that_becomes_a_replica_is_left_until_it_is_master_again(valkey: Engine) -> None:
    async with instances(valkey) as (one, two):
        assert await shared(one, two, "before")
        valkey.ask("REPLICAOF", "127.0.0.1", "1")
        assert not await shared(one, two, "meanwhile")
        await until(lambda: "it is a replica, which takes no writes" in problem(one))
        assert not one.is_up
        valkey.ask("REPLICAOF", "NO", "ONE")
        await until(lambda: one.is_up and two.is_up)
        assert await shared(one, two, "after")


async def test_a_cluster_is_refused_in_one_sentence(tmp_path: Path) -> None:
    options = "--cluster-enabled", "yes", "--cluster-config-file", str(tmp_path / "nodes.conf")
    with engine(*options) as node:
        async with instances(node, 1, up=False) as (one,):
            await until(lambda: ClusterLost in kinds(one))
            assert problem(one) == (
                "it is a node of a Redis Cluster, which is not supported; name one server, or its sentinels"
            )
            assert (await once(one, "refused", Extraction())).age is None
