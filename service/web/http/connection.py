"""The connection of one client: Hypercorn's, with three defects repaired.

Hypercorn lets every exception but OSError out of a connection, which ends the server and all its requests. It
writes a copy of each response, without a deadline, shielded from cancellation. And it accepts h2c and
WebSocket on a plaintext port. Here an error ends only its own connection, a response is written from the
object that holds it and within a deadline, and the port speaks HTTP/1.1 only: TLS and HTTP/2 belong to the
proxy in front. Tied to the exact version of Hypercorn.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any, cast

import h11
import structlog
import trio
from h11._receivebuffer import ReceiveBuffer
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import EventWrapper, WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, H11SendableEvent
from hypercorn.utils import parse_socket_addr

from ...codes import Code
from ...config import Network
from .. import errors
from .proxy_protocol import Client
from .request_context import request_id

log = structlog.get_logger(__name__)

RECEIVE = 16 * 1024
CHUNK = 64 * 1024
MAX_PIPELINED = 64 * 1024  # bytes buffered of what a client sends while its request is being answered


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of connections. Times are seconds, sizes bytes.

    Attributes:
        connections: open at once; further ones are answered 503.
        of_one_client: of these; an IPv6 client is the /64 around it.
        spared: networks without that limit, besides TRUSTED_PROXIES: this machine.
        backlog: connections that the kernel keeps until they are accepted.
        header: the request line and headers together.
        arrival: for the headers of a request, from its first byte; of the first, from the start.
        keep_alive: that a connection stays open after a response; balancers in front keep theirs for 60 s.
        idle: connections that are kept so; beyond them the one that is idle for longest is closed.
        write: for the client to take one chunk of 64 KB.
        pace: bytes a second that the client takes on average, at least, besides the first `write` seconds.
        linger: for the client to read the last response and close its side.
        grace: for responses under way when the listener closes.
    """

    connections: int = 1000
    of_one_client: int = 100
    spared: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    backlog: int = 2048
    header: int = 16 * 1024
    arrival: float = 5.0
    keep_alive: float = 75.0
    idle: int = 500
    write: float = 10.0
    pace: int = 64 * 1024
    linger: float = 2.0
    grace: float = 3.0


class ClientGone(Exception):
    """The client closed the connection while its request was being answered."""


def plain_error(
    status: HTTPStatus, message: str, *, retry_after: int | None = None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of an error that is answered before a request is read."""
    code = Code.QUEUE_FULL if status == 503 else Code.INVALID_REQUEST
    name = request_id(None)
    body = json.dumps(errors.body(code, message, name, retry_after=retry_after)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", name.encode()),
        (b"connection", b"close"),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % retry_after))
    return headers, body


class _HeaderLines(ReceiveBuffer):
    """h11's buffer, which refuses folded headers: other servers read another header in them."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        lines = super().maybe_extract_lines()
        if lines is not None and any(line.startswith((b" ", b"\t")) for line in lines):
            raise h11.RemoteProtocolError("a header is folded", error_status_hint=400)
        return lines


class Http1(H11Protocol):
    """HTTP/1.1 only, with a bound on all headers and one write for head and body.

    Args:
        write: writes pieces of bytes, without a copy of them.
    """

    def __init__(
        self,
        *args: Any,
        limit: int,
        watch: Callable[[], Awaitable[None]],
        write: Callable[[Sequence[bytes]], Awaitable[None]],
    ) -> None:
        super().__init__(*args)
        cast(h11.Connection, self.connection)._receive_buffer = _HeaderLines()
        self.can_read = _Resumption(watch)
        self._limit = limit
        self._write = write
        self._held: list[bytes] = []
        self._last = False  # the connection is closed after this response
        self._bodiless = False  # a response to HEAD has no body, whatever its headers say

    async def _check_protocol(self, event: h11.Request) -> None:
        """Accept no upgrade; see `_create_stream`."""

    async def _create_stream(self, request: h11.Request) -> None:
        self._bodiless = request.method == b"HEAD"
        names = {name for name, _ in request.headers}
        # Whoever forwards such a request may have read another length (RFC 9112, 6.1).
        self._last = names >= {b"content-length", b"transfer-encoding"}
        size = len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)
        if size > self._limit:
            await self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif request.http_version not in (b"1.0", b"1.1"):
            await self._refuse(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        elif request.http_version == b"1.0" and b"transfer-encoding" in names:
            await self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            if b"upgrade" in names:
                # Without it this is an ordinary request, which is how a server declines an upgrade.
                headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
                request = h11.Request(
                    method=request.method,
                    target=request.target,
                    headers=headers,
                    http_version=request.http_version,
                )
            await super()._create_stream(request)

    async def _refuse(self, status: HTTPStatus) -> None:
        await self._send_error_response(status)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        status = HTTPStatus(status_code)
        headers, body = plain_error(status, f"The request cannot be served: {status.phrase}")
        headers += self.config.response_headers("h11")
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        if not self._bodiless:
            await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """As in Hypercorn, but a response's head waits for its body: a third less CPU per request.

        Not where the length of the body is unknown: such a body is streamed and may be long in coming.
        """
        if self._last and isinstance(event, h11.Response):
            headers = [*event.headers, (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, headers=headers)
        try:
            connection = cast(h11.Connection, self.connection)
            self._held += connection.send_with_data_passthrough(event) or ()
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        waits = isinstance(event, h11.Response) and any(
            name == b"content-length" for name, _ in event.headers
        )
        if not waits and self._held:
            held, self._held = self._held, []
            await self._write(held)


class _Resumption(EventWrapper):
    """Set when the next request may be read. A wait for it also ends when the client disconnects."""

    def __init__(self, watch: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._watch = watch
        self._watching = trio.CancelScope()

    async def set(self) -> None:
        await super().set()
        self._watching.cancel()

    async def wait(self) -> None:
        """Raises ClientGone if the client closes the connection first."""
        if not self.is_set():
            with trio.CancelScope() as self._watching:
                await self._watch()
                raise ClientGone


class Connection(TCPServer):
    """Serves one client from its first byte to its last; its failures are logged and end here."""

    stream: Any  # trio.SocketStream; upstream's annotation knows TLS alone

    def __init__(
        self,
        app: AppWrapper,
        config: HypercornConfig,
        context: WorkerContext,
        state: ConnectionState,
        limits: Limits,
        stream: trio.SocketStream,
        client: Client,
        kept: dict[Connection, None],
    ) -> None:
        super().__init__(app, config, context, cast(Any, state), cast(Any, stream))
        self._limits = limits
        self._arrival = min(limits.arrival, limits.keep_alive)
        self._client = client
        self._kept = kept  # idle ones of all clients, the longest idle first
        self._expected = False  # the first byte of a request is here, but not all of its headers
        self._reading = trio.CancelScope()
        self._waiting = trio.CancelScope()  # for the next request, as part of reading
        self._idle = True  # no request is being answered
        self._lingering = False

    async def run(self) -> None:
        try:
            socket = self.stream.socket
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as group:
                self._task_group = group
                self._http = Http1(
                    self.app,
                    self.config,
                    self.context,
                    group,
                    ConnectionState(self.state.copy()),
                    False,
                    self._client,
                    server,
                    self.protocol_send,
                    limit=self._limits.header,
                    watch=self._watch,
                    write=self._write,
                )
                self.protocol = cast(Any, self._http)
                self._waiting.deadline = trio.current_time() + self._arrival
                await self._read_data()
        except* OSError:
            pass  # connections break
        except* Exception:
            log.exception("connection_failed")
        finally:
            self._kept.pop(self, None)
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Closed):
            await self._finish()
        elif isinstance(event, Updated):
            self._updated(event.idle)

    def retire(self) -> None:
        """Close the connection if it is idle; a busy one closes after its response."""
        self._kept.pop(self, None)
        if self._idle and not self._lingering:
            self._waiting.deadline = -math.inf

    def _updated(self, idle: bool) -> None:
        """As in Hypercorn, but with a deadline for reading where Hypercorn starts a task per idle time."""
        self._idle, self._expected = idle, False
        self._kept.pop(self, None)
        if not idle:
            self._waiting.deadline = math.inf
        elif self.context.terminated.is_set():
            self._waiting.deadline = -math.inf
        elif self._http.connection.trailing_data[0]:  # the next request has begun already
            self._expect()
        else:
            self._waiting.deadline = trio.current_time() + self._limits.keep_alive
            self._kept[self] = None
            if len(self._kept) > self._limits.idle:
                next(iter(self._kept)).retire()

    async def _write(self, pieces: Sequence[bytes]) -> None:
        """Write `pieces` as they are, unless the client takes longer than their size allows.

        Each CHUNK has `write` seconds, and all of them as long as they take at `pace`.
        """
        views = deque(memoryview(piece) for piece in pieces if piece)
        left = sum(len(view) for view in views)
        async with self.send_lock:
            end = trio.current_time() + self._limits.write + left / self._limits.pace
            with contextlib.suppress(OSError, trio.ClosedResourceError), trio.CancelScope() as patience:
                while left:
                    patience.deadline = min(end, trio.current_time() + self._limits.write)
                    due = max(0, left - CHUNK)
                    while left > due:
                        # As much as the kernel takes, mostly all of it: one write, not one per chunk.
                        taken = await self.stream.socket.sendmsg(views)
                        left -= taken
                        while taken:
                            view = views.popleft()
                            if taken < len(view):
                                views.appendleft(view[taken:])
                            taken -= min(taken, len(view))
                return
            await self.protocol.handle(Closed())
            await self.stream.aclose()

    async def _finish(self) -> None:
        """Close the server's side, and give the client `linger` seconds to read on and close its own.

        Closing at once, with unread bytes from the client, would reset the connection and could lose the
        last response.
        """
        self._lingering = True
        self._reading.deadline = trio.current_time() + self._limits.linger
        async with self.send_lock:  # a refusal of pipelined bytes may be under way
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.stream.send_eof()
        await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        with self._reading:
            try:
                while data := await self._receive():
                    if not self._lingering:
                        await self.protocol.handle(RawData(data))
            except (trio.ClosedResourceError, trio.BrokenResourceError, ClientGone):
                pass
        await self.protocol.handle(Closed())

    async def _receive(self) -> bytes:
        """What the client sends next; empty where it is idle for too long.

        Bytes that have arrived when the time is up are still read: the server may be late.
        """
        with trio.CancelScope(deadline=self._waiting.deadline) as self._waiting:
            data = bytes(await self.stream.receive_some(RECEIVE))
            if self._idle and not self._expected:
                deadline = self._waiting.deadline
                self._expect()
                self._waiting.deadline = min(deadline, self._waiting.deadline)
            return data
        return b""

    def _expect(self) -> None:
        """A request has begun to arrive."""
        self._expected = True
        self._kept.pop(self, None)
        self._waiting.deadline = trio.current_time() + self._arrival

    async def _watch(self) -> None:
        """Read on while a request is being answered; returns when the client has disconnected."""
        while len(self._http.connection.trailing_data[0]) < MAX_PIPELINED:
            try:
                data = await self.stream.receive_some(RECEIVE)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                return
            if not data:
                return
            self._http.connection.receive_data(bytes(data))
        await trio.sleep_forever()
