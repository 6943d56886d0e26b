"""End-to-end: the limit on connections per client, at the real listener. Forwarding headers do not matter.

The peer's address counts, so the clients here use several: addresses of loopback for IPv4, and for IPv6 those
of a network namespace that belongs to one thread.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
import trio

from service.web.http.connection import Limits
from tests.support.raw_client import Client
from tests.support.web_app import serving, web

CLIENT, NEIGHBOUR = "127.0.0.2", "127.0.0.3"
PATIENT = Limits(keep_alive=60)
TWO = replace(PATIENT, of_one_client=2, spared=())
PATIENCE = 20  # seconds

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
IFF_UP = 1


class Crowd:
    """Clients that stay connected to the listener at `host` and `port`."""

    def __init__(self, host: str, port: int) -> None:
        self._door = host, port
        self._open = AsyncExitStack()

    async def come(self, address: str, count: int = 1, **headers: str) -> list[int]:
        """Connect from `address` so many times, and send a request each; returns the statuses."""
        statuses = []
        for _ in range(count):
            stream = await trio.open_tcp_stream(*self._door, local_address=address)
            client = Client(await self._open.enter_async_context(stream))
            reply = await client.get("/health/live", **headers)
            statuses.append(reply.status)
            if reply.status == 503:
                assert (reply.json["code"], reply.headers["retry-after"]) == ("QUEUE_FULL", "1")
                assert reply.headers["connection"] == "close"
        return statuses

    async def leave(self) -> None:
        await self._open.aclose()


@asynccontextmanager
async def listening(limits: Limits, *trusted: str, host: str = "127.0.0.1") -> AsyncIterator[Crowd]:
    it = web(trusted_proxies=",".join(trusted), host=host)
    with trio.fail_after(PATIENCE):
        async with serving(it.app, it.lifecycle, limits, it.config) as port:
            crowd = Crowd(host, port)
            try:
                yield crowd
            finally:
                await crowd.leave()


async def test_one_client_has_so_many_connections_and_others_theirs() -> None:
    async with listening(TWO) as crowd:
        assert await crowd.come(CLIENT, 3) == [200, 200, 503]
        assert await crowd.come(NEIGHBOUR, 3) == [200, 200, 503]
        await crowd.leave()
        while await crowd.come(CLIENT) != [200]:  # noqa: ASYNC110  (what it waits for has no event)
            await trio.sleep(0.01)


async def test_another_address_in_a_header_changes_nothing() -> None:
    async with listening(TWO, "192.0.2.1") as crowd:
        for number, status in enumerate((200, 200, 503)):
            assert await crowd.come(CLIENT, X_Forwarded_For=f"198.51.100.{number}") == [status]


@pytest.mark.parametrize("trusted", [CLIENT, "127.0.0.2/31"])
async def test_a_trusted_proxy_has_as_many_as_it_needs(trusted: str) -> None:
    async with listening(TWO, "192.0.2.1", trusted) as crowd:
        assert await crowd.come(CLIENT, 10) == [200] * 10
        others = await crowd.come("127.0.0.9", 3)
        assert others == [200, 200, 503]


async def test_the_total_of_connections_is_bounded_for_a_trusted_proxy_too() -> None:
    async with listening(replace(TWO, connections=3), CLIENT) as crowd:
        assert await crowd.come(CLIENT, 4) == [200, 200, 200, 503]


async def test_this_machine_is_spared() -> None:
    async with listening(replace(PATIENT, of_one_client=2)) as crowd:
        assert await crowd.come(CLIENT, 5) == [200] * 5


def in_a_network(test: Callable[[], Awaitable[None]], *addresses: str) -> None:
    """Run `test` where loopback has these IPv6 addresses, each with its /64, and no other network."""

    def run() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
            index = socket.if_nametoindex("lo")
            for address in addresses:
                packed = socket.inet_pton(socket.AF_INET6, address)
                fcntl.ioctl(control, SIOCSIFADDR, packed + struct.pack("Ii", 64, index))
        trio.run(test)

    with ThreadPoolExecutor(1) as thread:  # a network namespace belongs to a thread, and ends with it
        thread.submit(run).result()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a network")
@pytest.mark.parametrize("trusted", [False, True])
def test_an_ipv6_client_is_the_network_around_it(trusted: bool) -> None:
    """By default a hundred of a /64, whichever of its addresses they come from."""
    here, there = "2001:db8:0:9::1", "2001:db8:0:2::1"
    clients = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff:ffff:ffff:ffff"]

    async def crowded() -> None:
        async with listening(PATIENT, *(["2001:db8:0:1::/64"] if trusted else []), host=here) as crowd:
            assert await crowd.come(clients[0], 60) == [200] * 60
            assert await crowd.come(clients[1], 40) == [200] * 40
            for client in clients:
                assert await crowd.come(client) == [200 if trusted else 503]
            assert await crowd.come(there) == [200]

    in_a_network(crowded, here, there, *clients)
