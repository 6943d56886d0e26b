"""The listener: Hypercorn's connections on an accept loop of this project, from bind to the last response.

Hypercorn's own loop takes its connection class from a module's global, has no cap on connections, and does
not tell the bound address before it starts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGIFramework, ConnectionState

from ...config import Config
from ...lifecycle import Lifecycle
from .binding import CannotListen as CannotListen
from .binding import client_of, listening, url
from .connection import Connection, Limits, plain_error
from .limits import ConnectionLimiter, is_within
from .proxy_protocol import Client, HeaderRefused, read_header

log = structlog.get_logger(__name__)

LAST_CALL = 0.1  # seconds in which the requests of the last connections must arrive
OWN = 32  # file descriptors that the service needs for itself, about
OF_A_WORKER = 3  # and for each worker: a socket, the process, its accounting
TURNED_AWAY = 32  # connections that are told at a time why there is no room; further ones are closed


async def serve(
    app: ASGIFramework,
    config: Config,
    lifecycle: Lifecycle,
    *,
    limits: Limits | None = None,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until the lifecycle closes; started with the bound URLs once connections are accepted.

    After that no connection is accepted, idle ones are closed, and responses under way have `limits.grace`
    to be written. Where the lifecycle leaves before it closes, it accepts no connection in between.

    Raises:
        CannotListen: a place of HOST cannot be listened on.
    """
    limits = limits or Limits(keep_alive=config.keep_alive)
    hypercorn = _hypercorn(limits)
    wrapped = ASGIWrapper(app)
    state: ConnectionState = ConnectionState({})
    async with listening(config, limits.backlog) as listeners, trio.open_nursery() as nursery:
        lifespan = Lifespan(wrapped, hypercorn, state)
        await nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        accept_loop = _AcceptLoop(wrapped, hypercorn, state, limits, config)
        await accept_loop.run(listeners, lifecycle, task_status)
        await lifespan.wait_for_shutdown()
        nursery.cancel_scope.cancel()


class _AcceptLoop:
    """Accepts connections while there is room."""

    def __init__(
        self,
        app: AppWrapper,
        hypercorn: HypercornConfig,
        state: ConnectionState,
        limits: Limits,
        config: Config,
    ) -> None:
        self._app = app
        self._hypercorn = hypercorn
        self._state = state
        self._limits = limits
        self._context = WorkerContext(None)
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._room, self._doorsteps = places(descriptors, config.max_workers, limits.connections)
        self._connections: set[Connection] = set()
        self._kept: dict[Connection, None] = {}
        self._proxies = config.trusted_networks if config.proxy_protocol else ()
        self._crowds = ConnectionLimiter(limits.of_one_client, (*limits.spared, *config.trusted_networks))

    async def run(
        self,
        listeners: Sequence[trio.SocketListener],
        lifecycle: Lifecycle,
        task_status: trio.TaskStatus[list[str]],
    ) -> None:
        """Serve every connection until `lifecycle` closes; returns when the last one has ended."""
        urls = [url(listener) for listener in listeners]
        async with trio.open_nursery() as connections:
            # serve_listeners closes its own sockets; these keep the kernel's queues.
            with contextlib.ExitStack() as kept:
                queues = [kept.enter_context(_duplicate(listener)) for listener in listeners]
                async with trio.open_nursery() as accepting:
                    accept = partial(trio.serve_listeners, handler_nursery=connections)
                    accepting.start_soon(accept, self._admit, listeners)
                    task_status.started(urls)
                    await lifecycle.leaving.wait()
                    accepting.cancel_scope.cancel()
                await self._last_call(queues, connections)
            for connection in self._connections:
                connection.retire()
            lifecycle.left.set()
            await lifecycle.closing.wait()
            await self._context.terminated.set()  # connections close after their response
            for connection in self._connections:
                connection.retire()
            connections.cancel_scope.deadline = trio.current_time() + self._limits.grace

    async def _last_call(self, queues: Sequence[socket.socket], connections: trio.Nursery) -> None:
        """Accept what the kernel has queued, close the listener, and let the requests arrive.

        Otherwise the kernel would reset these connections, whose requests are unread.
        """
        for queue in queues:
            queue.setblocking(False)
            with queue, contextlib.suppress(OSError):  # BlockingIOError: the queue is empty
                while True:
                    client = trio.socket.from_stdlib_socket(queue.accept()[0])
                    connections.start_soon(self._admit, trio.SocketStream(client))
        await trio.sleep(LAST_CALL)

    async def _admit(self, stream: trio.SocketStream) -> None:
        client = await self._client(stream)
        if client is None:
            await trio.aclose_forcefully(stream)
            return
        if self._room <= 0 or not self._crowds.enter(client[0]):
            await self._refuse(stream)
            return
        self._room -= 1
        connection = Connection(
            self._app, self._hypercorn, self._context, self._state, self._limits, stream, client, self._kept
        )
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._room += 1
            self._crowds.leave(client[0])

    async def _client(self, stream: trio.SocketStream) -> Client | None:
        """Whose connection it is: the peer's, or that of the client which a trusted proxy names."""
        try:
            peer = client_of(stream)
        except OSError:  # gone again
            return None
        if self._room <= 0 or not is_within(peer[0], self._proxies):
            return peer
        self._room -= 1
        try:
            return await read_header(stream, self._limits.arrival) or peer
        except HeaderRefused as error:
            log.warning("proxy_header_refused", proxy=peer[0], reason=str(error))
            return None
        finally:
            self._room += 1

    async def _refuse(self, stream: trio.SocketStream) -> None:
        """Close the connection; where few are being told why at this moment, after telling."""
        log.warning("connection_refused", room=self._room)
        if self._doorsteps <= 0:
            await trio.aclose_forcefully(stream)
            return
        self._doorsteps -= 1
        try:
            await _turn_away(stream)
        finally:
            self._doorsteps += 1


def places(descriptors: int, workers: int, most: int) -> tuple[int, int]:
    """How many connections may be served at a time, and how many more may be turned away with an answer.

    Both leave file descriptors for everything else: a quarter, or what so many workers need.
    """
    left = descriptors - max(descriptors // 4, OWN + OF_A_WORKER * workers)
    turned_away = min(TURNED_AWAY, max(left // 8, 1))
    return min(most, max(left - turned_away, 4)), turned_away


def _duplicate(listener: trio.SocketListener) -> socket.socket:
    return socket.socket(fileno=os.dup(listener.socket.fileno()))


async def _turn_away(stream: trio.SocketStream) -> None:
    """Tell a client why, as far as possible; bounded by a second."""
    headers, body = plain_error(
        HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open; try again in a moment", retry_after=1
    )
    head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    with trio.move_on_after(1), contextlib.suppress(trio.BrokenResourceError):
        await stream.send_all(b"HTTP/1.1 503 Service Unavailable\r\n" + head + b"\r\n" + body)
        await stream.send_eof()
        await stream.receive_some(65536)


def _hypercorn(limits: Limits) -> HypercornConfig:
    hypercorn = HypercornConfig()
    hypercorn.keep_alive_timeout = limits.keep_alive
    hypercorn.h11_max_incomplete_size = limits.header
    hypercorn.include_server_header = False
    hypercorn.errorlog = logging.getLogger("hypercorn.error")
    return hypercorn
