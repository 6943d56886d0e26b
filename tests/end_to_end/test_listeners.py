"""End-to-end: what the service listens on: addresses, Unix sockets, behind the PROXY protocol."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from quart import request

from service.commands import doctor
from service.commands.doctor import Verdict
from service.config import Config
from service.probe import problem
from service.web.http.binding import CannotListen
from service.web.http.connection import Limits
from service.web.http.listener import serve
from service.web.http.request_context import current
from tests.support.raw_client import Client
from tests.support.reverse_proxies import reverse_proxy
from tests.support.web_app import web

PATIENCE = 20  # seconds
LIMITS = Limits(arrival=1.0)


@asynccontextmanager
async def listening(host: str, limits: Limits = LIMITS, **settings: object) -> AsyncIterator[list[str]]:
    """The URLs of a service on `host`, which also tells at /whoami who it takes a peer for, and at /client
    on whose account it asks."""
    it = web(host=host, **settings)

    @it.app.get("/whoami")
    async def whoami() -> str:
        return str(request.scope["client"][0])  # type: ignore[index]

    @it.app.get("/client")
    async def client() -> str:
        return current().client

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[list[str]]) -> None:
                await serve(it.app, it.config, it.lifecycle, limits=limits, task_status=task_status)

            yield await nursery.start(run)
            it.lifecycle.close()


async def connect(url: str) -> trio.SocketStream:
    if url.startswith("unix:"):
        return await trio.open_unix_socket(url.removeprefix("unix:"))
    host, _, port = url.removeprefix("http://").rpartition(":")
    return await trio.open_tcp_stream(host.strip("[]"), int(port))


async def whoami(url: str, announce: bytes = b"", **headers: str) -> str:
    async with await connect(url) as stream:
        await stream.send_all(announce)
        reply = await Client(stream).get("/whoami", **headers)
        assert reply.status == 200
        return reply.body.decode()


async def refused(url: str, data: bytes) -> bytes:
    """What the service says to `data` before it closes the connection."""
    async with await connect(url) as stream:
        client = Client(stream)
        await client.send(data)
        return await client.rest()


async def test_several_places_on_one_port(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    async with listening(f"localhost,127.0.0.2,unix:{path}") as urls:
        ports = {url.rpartition(":")[2] for url in urls if not url.startswith("unix:")}
        assert len(ports) == 1
        assert f"http://127.0.0.1:{(port := ports.pop())}" in urls
        assert f"http://127.0.0.2:{port}" in urls
        found = {url: await whoami(url) for url in urls}
    assert set(found.values()) <= {"127.0.0.1", "127.0.0.2", "::1"}
    assert found[f"unix:{path}"] == "127.0.0.1"


async def test_a_unix_socket_has_its_mode_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as dead:  # of a program that is gone
        dead.bind(str(path))
    async with listening(f"unix:{path}", socket_mode="600") as urls:
        assert urls == [f"unix:{path}"]
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert await trio.to_thread.run_sync(problem, urls[0]) is None
        with pytest.raises(ExceptionGroup) as taken:
            async with listening(f"unix:{path}"):
                pass
        assert taken.group_contains(CannotListen, match="another program listens on unix:")
        assert await trio.to_thread.run_sync(problem, urls[0]) is None  # it is left alone
    assert not path.exists()


async def test_the_socket_of_a_successor_stays(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    async with listening(f"unix:{path}"):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.exists()


@pytest.mark.parametrize(
    ("place", "why"),
    [("gone/http.sock", "the folder of .* does not exist"), ("file", "exists and is no socket")],
)
async def test_a_place_that_cannot_be_had_is_named(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ExceptionGroup) as info:
        async with listening(f"127.0.0.1,unix:{tmp_path}/{place}"):
            pass
    assert info.group_contains(CannotListen, match=why)
    assert (tmp_path / "file").read_text() == "precious"


async def test_a_trusted_proxy_names_its_client() -> None:
    async with listening("127.0.0.1", proxy_protocol=True, trusted_proxies="127.0.0.1") as urls:
        line = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n"
        assert await whoami(urls[0], line) == "203.0.113.9"
        assert await whoami(urls[0], b"PROXY UNKNOWN\r\n") == "127.0.0.1"
        assert await trio.to_thread.run_sync(lambda: problem(urls[0], proxy_protocol=True)) is None
        # It is not optional: otherwise a client could send its own through a proxy that sends none.
        assert await refused(urls[0], b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n") == b""
        assert await refused(urls[0], b"PROXY TCP4 a b 1 2\r\n") == b""
        assert await refused(urls[0], b"PROXY TCP4 203.0") == b""  # and then silence, for LIMITS.arrival


async def test_the_header_of_a_stranger_is_no_request() -> None:
    async with listening("127.0.0.1", proxy_protocol=True, trusted_proxies="192.0.2.1") as urls:
        line = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n"
        assert (await refused(urls[0], line + b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert await whoami(urls[0]) == "127.0.0.1"


async def test_connections_are_counted_for_the_client_that_is_named() -> None:
    two = replace(LIMITS, of_one_client=2, spared=())
    async with listening("127.0.0.1", two, proxy_protocol=True, trusted_proxies="127.0.0.1") as urls:
        statuses = []
        async with trio.open_nursery() as nursery:

            async def stay(client: str) -> None:
                stream = await connect(urls[0])
                await stream.send_all(f"PROXY TCP4 {client} 127.0.0.1 4711 80\r\n".encode())
                statuses.append((await Client(stream).get("/health/live")).status)
                async with stream:
                    await trio.sleep_forever()

            for count, client in enumerate(["203.0.113.9"] * 3 + ["203.0.113.10"], start=1):
                nursery.start_soon(stay, client)
                while len(statuses) < count:  # noqa: ASYNC110  (what it waits for has no event)
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert statuses == [200, 200, 503, 200]


@pytest.mark.parametrize(
    ("name", "place", "options", "settings"),
    [
        ("haproxy", "unix@{}", "send-proxy-v2", {"proxy_protocol": True}),
        ("haproxy", "unix@{}", "send-proxy", {"proxy_protocol": True}),
        ("nginx", "unix:{}", "", {}),
        ("caddy", "unix/{}", "", {}),
    ],
)
async def test_the_proxies_of_deploy_on_a_unix_socket(
    tmp_path: Path, name: str, place: str, options: str, settings: dict[str, Any]
) -> None:
    """Each tells the client's address, by X-Forwarded-For or by its PROXY header."""
    path = tmp_path / "http.sock"

    def ask() -> tuple[str, str]:
        with (
            reverse_proxy(name, [place.format(path)], tmp_path, options=options) as proxy,
            httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.5")) as client,
        ):
            peer = client.get(proxy.url + "/whoami", timeout=PATIENCE).text
            return peer, client.get(proxy.url + "/client", timeout=PATIENCE).text

    async with listening(f"unix:{path}", trusted_proxies="127.0.0.1", **settings):
        peer, client = await trio.to_thread.run_sync(ask)
    assert peer == ("127.0.0.5" if settings else "127.0.0.1")
    assert client == "127.0.0.5"


async def test_the_doctor_looks_at_every_place(tmp_path: Path) -> None:
    def look(**settings: Any) -> list[Verdict]:
        return [found.verdict for found in doctor.address(Config.load(**settings))]

    host = f"127.0.0.1,unix:{tmp_path}/http.sock"
    assert look(host=f"{host},unix:{tmp_path}/gone/http.sock", port=0) == [
        Verdict.OK,
        Verdict.OK,
        Verdict.PROBLEM,
    ]
    async with listening(f"unix:{tmp_path}/http.sock,127.0.0.1") as urls:
        port = int(urls[1].rpartition(":")[2])
        taken = await trio.to_thread.run_sync(lambda: look(host="127.0.0.1,198.51.100.1", port=port))
        assert taken == [
            Verdict.OK,
            Verdict.PROBLEM,
        ]  # it serves on the one, and this machine lacks the other
