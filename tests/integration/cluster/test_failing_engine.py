"""Contract: whatever the engine does, jobs go on, and all is shared again when it is back."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trustme

from service.events import ClusterJoined, ClusterLost
from tests.integration.cluster.test_results import Extraction, once
from tests.support.engine import Engine, engine
from tests.support.instances import PATIENCE, Instance, instances, until
from tests.support.relay import relay


@pytest.fixture
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


def kinds(instance: Instance) -> list[type]:
    return [type(event) for event in instance.told]


async def shared(one: Instance, two: Instance, name: str) -> bool:
    """Whether what the one extracts is at hand for the other."""
    run = Extraction()
    await once(one, name, run)
    return (await once(two, name, run)).age is not None


async def test_killed_and_restarted_empty(valkey: Engine) -> None:
    async with instances(valkey) as (one, two):
        assert await shared(one, two, "before")
        valkey.kill()
        await until(lambda: not one.is_up and not two.is_up)
        assert one.cluster.statistics().state == "degraded"
        calls = one.cluster.statistics().calls
        assert not await shared(one, two, "meanwhile")
        assert one.cluster.statistics().calls == calls  # nobody asks it, so nobody waits for it
        valkey.start()
        await until(lambda: one.is_up and two.is_up)
        assert await shared(one, two, "after")
        assert await shared(one, two, "before")
        assert kinds(one) == [ClusterJoined, ClusterLost, ClusterJoined]
        assert one.cluster.statistics().state == "ok"
        assert one.cluster.statistics().losses == 1


async def test_down_at_the_start(valkey: Engine) -> None:
    valkey.kill()
    async with instances(valkey, up=False) as (one, two):
        assert not await shared(one, two, "start")
        await until(lambda: ClusterLost in kinds(one))
        assert "no connection" in str(one.cluster.statistics().problem)
        valkey.start()
        await until(lambda: one.is_up and two.is_up)
        assert await shared(one, two, "started")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "redis://engine.invalid", "redis://[::1]:1"])
async def test_where_there_is_none(valkey: Engine, url: str) -> None:
    async with instances(valkey, up=False, cluster_url=url) as (one, two):
        await until(lambda: ClusterLost in kinds(one))
        assert not await shared(one, two, "nowhere")
        assert one.cluster.statistics().state == "degraded"


async def test_one_that_is_slow_counts_as_down(valkey: Engine) -> None:
    async with relay(valkey) as way, instances(valkey, cluster_url=way.url) as (one, two):
        assert await shared(one, two, "quick")
        for each in (one, two):
            each.cluster.link.patience = 0.5
        way.delay = 3.0
        assert not await shared(one, two, "slow")
        await until(lambda: not one.is_up and not two.is_up)
        assert "in time" in str(one.cluster.statistics().problem)
        calls = one.cluster.statistics().calls
        assert not await shared(one, two, "slower")
        assert one.cluster.statistics().calls == calls
        way.delay = 0.0
        for each in (one, two):
            each.cluster.link.patience = PATIENCE
        await until(lambda: one.is_up and two.is_up)
        assert await shared(one, two, "quick again")


async def test_one_instance_that_is_cut_off_goes_on_alone(valkey: Engine) -> None:
    async with (
        relay(valkey) as way,
        instances(valkey, 1, cluster_url=way.url) as (cut,),
        instances(valkey) as (one, two),
    ):
        assert await shared(cut, one, "before")
        way.cut()
        await until(lambda: not cut.is_up)
        assert not await shared(cut, one, "cut off")
        assert await shared(one, two, "the others")
        way.is_open = True
        await until(lambda: cut.is_up)
        assert await shared(cut, one, "after")


async def test_a_hang_costs_one_job_its_patience(valkey: Engine) -> None:
    async with instances(valkey) as (one, two):
        assert await shared(one, two, "warm")
        with valkey.paused():
            run = Extraction()
            assert (await once(one, "first", run)).age is None  # it waits for the reply, in vain
            await until(lambda: not one.is_up)
            calls = one.cluster.statistics().calls
            for turn in range(50):
                await once(one, f"hung-{turn}", run)
            assert run.runs == 51
            assert one.cluster.statistics().calls == calls
            await trio.sleep(1)  # it takes connections, and greets nobody
            assert not one.is_up
        await until(lambda: one.is_up and two.is_up)
        assert await shared(one, two, "awake")


async def test_those_who_wait_for_a_flight_do_not_wait_for_a_hung_engine(valkey: Engine) -> None:
    run, own = Extraction(seconds=1.0), Extraction()
    async with instances(valkey) as (one, two), trio.open_nursery() as nursery:
        nursery.start_soon(once, one, "flight", run)
        await run.begun.wait()

        async def wait() -> None:
            assert (await once(two, "flight", own)).body

        async with trio.open_nursery() as waiting:
            waiting.start_soon(wait)
            await until(lambda: two.cluster.statistics().waits)
            valkey.send_signal(signal.SIGSTOP)
        valkey.send_signal(signal.SIGCONT)
        assert own.runs == 1


async def test_flushed(valkey: Engine) -> None:
    async with instances(valkey) as (one, two):
        assert await shared(one, two, "flushed")
        valkey.ask("FLUSHALL")
        assert await shared(one, two, "flushed")


async def test_flushed_while_one_extracts_and_another_waits(valkey: Engine) -> None:
    run = Extraction(seconds=1.0)
    async with instances(valkey) as (one, two), trio.open_nursery() as nursery:
        nursery.start_soon(once, one, "flight", run)
        await run.begun.wait()
        nursery.start_soon(once, two, "flight", run)
        await until(lambda: two.cluster.statistics().waits)
        valkey.ask("FLUSHALL")
        assert (await once(two, "another", Extraction())).body
    assert run.runs <= 2  # the lease is gone, and one more may have had it


async def test_full() -> None:
    with engine("--maxmemory", "1", "--maxmemory-policy", "noeviction") as full:
        async with instances(full) as (one, two):
            assert not await shared(one, two, "full")
            assert one.is_up
            assert "OOM" in str(one.cluster.statistics().problem)
            full.ask("CONFIG", "SET", "maxmemory", "0")
            assert await shared(one, two, "room")
            assert one.cluster.statistics().problem is None


async def test_evicting() -> None:
    with engine("--maxmemory", "3mb", "--maxmemory-policy", "volatile-lfu") as small:
        async with instances(small) as (one, two):
            for turn in range(40):
                noise = bytes(str(turn), "ascii") * 50_000
                await once(one, turn, Extraction(noise))
            assert await shared(one, two, "last")
            assert one.cluster.statistics().state == "ok"


async def test_a_wrong_password_is_said_and_costs_nothing() -> None:
    with engine("--requirepass", "right") as locked:
        for url in (f"redis://:wrong@{locked.host}:{locked.port}", f"redis://{locked.host}:{locked.port}"):
            async with instances(locked, up=False, cluster_url=url) as (one, two):
                await until(lambda: ClusterLost in kinds(one))
                assert "check user, password and rights" in str(one.cluster.statistics().problem)
                assert not await shared(one, two, "locked")
                assert "wrong" not in str(one.told)
        url = f"redis://:right@{locked.host}:{locked.port}"
        async with instances(locked, cluster_url=url) as (one, two):
            assert await shared(one, two, "open")


async def test_a_user_with_the_least_rights(valkey: Engine) -> None:
    rights = "on >secret ~ytdlpd:* &ytdlpd:* +@read +@write +@scripting +@connection +publish +subscribe"
    rights += " -@dangerous"
    assert valkey.ask("ACL", "SETUSER", "ytdlpd", *rights.split()) in (b"OK", "OK")
    url = f"redis://ytdlpd:secret@{valkey.host}:{valkey.port}"
    async with instances(valkey, cluster_url=url) as (one, two):
        assert await shared(one, two, "rights")
        assert one.cluster.statistics().problem is None


async def test_what_is_no_engine_is_left_alone() -> None:
    async def babble(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, babble, 0)
        port = listeners[0].socket.getsockname()[1]
        with engine() as unused:
            url = f"redis://127.0.0.1:{port}"
            async with instances(unused, 1, up=False, cluster_url=url) as (one,):
                await until(lambda: ClusterLost in kinds(one))
                assert "protocol" in str(one.cluster.statistics().problem)
                assert (await once(one, "x", Extraction())).body
        nursery.cancel_scope.cancel()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="Debian's redis-server is not installed")
async def test_the_oldest_that_is_supported_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca, key, chain = (tmp_path / name for name in ("ca.pem", "key.pem", "chain.pem"))
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(chain)
    files = ("--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(ca))

    def program() -> object:
        return shutil.which("redis-server")

    with engine("--tls-auth-clients", "no", *files, program=program) as old:
        port = old.port + 500
        assert old.ask("CONFIG", "SET", "tls-port", str(port)) in (b"OK", "OK")
        old.ask("CONFIG", "SET", "bind", f"{old.host} 127.0.0.1")
        url = f"rediss://127.0.0.1:{port}"
        async with instances(old, cluster_url=url, cluster_ca_file=ca) as (one, two):
            assert await shared(one, two, "tls")
            assert one.cluster.statistics().engine.startswith("redis 7")
        async with instances(old, 1, up=False, cluster_url=url) as (one,):
            await until(lambda: ClusterLost in kinds(one))
            assert "TLS" in str(one.cluster.statistics().problem)
