"""The mechanics: a forward proxy that is also every server behind it. All I/O on sockets is here.

It answers CONNECT for any host and port by terminating TLS itself (or speaking plain HTTP, if the client
does), answers absolute-form requests, and counts everything. Requests in origin form straight to its own port
are the control API; anything else that arrives that way has bypassed the proxy, and counts as a hit on the
private side.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import h11
import trio

from . import control, sites
from .certificates import Authority
from .egresses import user_of
from .message import Manner, Reply, Request
from .private import SECRET, is_private
from .settings import REALISTIC, Settings
from .state import State

MAX_BODY = 4 * 1024 * 1024
_CHUNK = 256 * 1024
_LINGER_RESET = struct.pack("ii", 1, 0)


class _Gone(Exception):
    """The connection is over: the client left, or the reply was to end it."""


@dataclass(frozen=True, slots=True)
class World:
    """What a served internet is: where it listens, whom to trust, and its state."""

    port: int
    authority: Authority = field(repr=False)
    state: State = field(repr=False)

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def serve(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    settings: Settings = REALISTIC,
    task_status: trio.TaskStatus[World] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the small internet until cancelled; `started` hands back the World.

    Raises:
        OSError: the port is taken.
    """
    listeners = await trio.open_tcp_listeners(port, host=host, backlog=512)
    world = World(listeners[0].socket.getsockname()[1], Authority(), State(settings))
    async with trio.open_nursery() as nursery:
        task_status.started(world)
        await trio.serve_listeners(partial(_client, world), listeners, handler_nursery=nursery)


async def _client(world: World, transport: trio.SocketStream) -> None:
    """One TCP connection, from accept to close."""
    state = world.state
    state.connections += 1
    state.open_connections += 1
    try:
        peer = transport.socket.getpeername()[0]
        await _Connection(world, transport, transport, egress=peer).run()
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError, _Gone):
        pass  # hostile replies and disconnecting clients are normal here
    finally:
        state.open_connections -= 1
        await trio.aclose_forcefully(transport)


class _Connection:
    """HTTP/1.1 on one stream: the client's own, or the inside of a tunnel to `host`."""

    def __init__(
        self,
        world: World,
        transport: trio.SocketStream,
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
        *,
        scheme: str = "http",
        host: str = "",
        authority: str = "",
        egress: str = "",
    ) -> None:
        self._world = world
        self._transport = transport
        self._stream = stream
        self._scheme = scheme
        self._host = host  # empty outside a tunnel
        self._authority = authority
        self._egress = egress
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)

    async def run(self) -> None:
        while True:
            asked = await self._receive()
            if asked is None:
                return
            head, body = asked
            self._egress = user_of(head.headers) or self._egress
            if head.method == b"CONNECT":
                await self._tunnel(head.target.decode("ascii"))
                return
            await self._answer(head, body)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                with trio.move_on_after(1):  # a close_notify the client may not wait for
                    await self._stream.aclose()
                return
            self._http.start_next_cycle()

    async def _receive(self) -> tuple[h11.Request, bytes] | None:
        """The next request and its body, or None at the end of the connection."""
        head: h11.Request | None = None
        parts: list[bytes] = []
        size = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    await self._stream.send_all(self._http.send(go_on) or b"")
                self._http.receive_data(bytes(await self._stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > MAX_BODY:
                    raise _Gone
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return head, b"".join(parts)
            else:  # ConnectionClosed, PAUSED
                return None

    async def _tunnel(self, authority: str) -> None:
        host = authority.rpartition(":")[0].strip("[]").lower()
        state = self._world.state
        state.tunnels[host] += 1
        how = state.failure(host, trio.current_time(), self._egress, spend=False) or sites.failure_of(host)
        if how in sites.TUNNEL_FAILURES:
            # A switch's times count CONNECTs that fail, too.
            state.failure(host, trio.current_time(), self._egress)
            state.arrived(host, how or "", self._egress)
            if not await self._spoil_tunnel(how or ""):
                return
        established = h11.Response(status_code=200, headers=[], reason=b"Connection established")
        await self._stream.send_all(self._http.send(established) or b"")
        # A client may speak plain HTTP in its tunnel; one that wants TLS begins with a handshake record.
        first = await self._transport.socket.recv(1, socket.MSG_PEEK)
        if not first:
            return
        if first != b"\x16":
            inner = _Connection(
                self._world,
                self._transport,
                self._transport,
                host=host,
                authority=authority,
                egress=self._egress,
            )
        else:
            context = self._world.authority.context(host, how != "bad-cert")
            tls = trio.SSLStream(self._transport, context, server_side=True, https_compatible=True)
            await tls.do_handshake()
            inner = _Connection(
                self._world,
                self._transport,
                tls,
                scheme="https",
                host=host,
                authority=authority,
                egress=self._egress,
            )
        await inner.run()

    async def _spoil_tunnel(self, how: str) -> bool:
        """Play a failure of the connection itself; True when the tunnel is to be opened all the same."""
        if how == "bad-cert":
            return True
        if how == "hang-connect":
            await self._hang()
        if how == "reset-connect":
            self._reset()
        status, reason = {"proxy-auth": (407, b"Proxy Authentication Required")}.get(
            how, (502, b"Bad Gateway")
        )
        head = h11.Response(status_code=status, headers=[("Content-Length", "0")], reason=reason)
        await self._stream.send_all(
            (self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        )
        return False

    async def _answer(self, head: h11.Request, body: bytes) -> None:
        state = self._world.state
        request, direct = self._request(head, body)
        now = trio.current_time()
        if direct and request.path.startswith(control.PREFIX):
            await self._send(control.answer(request, state, now))
            return
        if direct or is_private(request.host):
            state.private.append(f"{request.method} {request.url}")
            state.private_ever += 1
            await self._send(Reply(SECRET, "text/plain", kind="private"))
            return
        how = state.failure(request.host, now, self._egress) or sites.failure_of(request.host)
        if how == "bad-cert":
            how = None  # a client that does not care gets the page
        if how in sites.TUNNEL_FAILURES:
            how = "502"  # of a plain HTTP request, or on a tunnel opened before the switch
        reply = sites.play(request, how, self._world.port, state.settings)
        state.arrived(request.host, reply.kind, self._egress)
        with _counting(state):
            delay = state.latency(request.host) + reply.delay
            if delay:
                await self._pause(delay)
            await self._perform(reply)

    def _request(self, head: h11.Request, body: bytes) -> tuple[Request, bool]:
        """The decoded request, and whether it came straight to this port rather than through the proxy."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        target = head.target.decode("latin-1")
        direct = False
        scheme, host, authority, rest = self._scheme, self._host, self._authority, target
        if not target.startswith("/"):
            parts = urlsplit(target)
            scheme, host, authority = parts.scheme, parts.hostname or "", parts.netloc
            rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        elif not self._host:
            direct = True
            authority = headers.get("host", "")
            host = authority.rpartition(":")[0]
        path, _, query = rest.partition("?")
        request = Request(
            head.method.decode(),
            scheme,
            host.lower(),
            path,
            query,
            headers,
            body,
            authority.removesuffix(":443"),
        )
        return request, direct

    async def _perform(self, reply: Reply) -> None:
        """Send a reply in its manner."""
        if reply.manner is Manner.PLAIN:
            await self._send(reply)
        elif reply.manner is Manner.HANG:
            await self._hang()
        elif reply.manner is Manner.RESET:
            self._reset()
        elif reply.manner is Manner.RAW:
            await self._stream.send_all(reply.body)
            with trio.move_on_after(1):
                await self._stream.aclose()
            raise _Gone
        elif reply.manner is Manner.TRUNCATE:
            await self._stream.send_all(self._head(reply, 2 * len(reply.body)) + reply.body)
            with trio.move_on_after(1):
                await self._stream.aclose()
            raise _Gone
        else:
            await self._stream.send_all(self._head(reply, len(reply.body)))
            for index in range(len(reply.body)):
                await self._stream.send_all(reply.body[index : index + 1])
                await self._pause(1.0)

    async def _send(self, reply: Reply) -> None:
        state = self._world.state
        body = b"" if self._is_head() else reply.body
        data = self._head(reply, len(reply.body) * reply.times)
        if len(body) <= _CHUNK:
            data += (self._http.send(h11.Data(data=body)) or b"") if body else b""
            state.bytes_sent += len(data)
            await self._stream.send_all(data + (self._http.send(h11.EndOfMessage()) or b""))
            return
        state.bytes_sent += len(data)
        await self._stream.send_all(data)
        for _ in range(reply.times):
            for start in range(0, len(body), _CHUNK):
                piece = self._http.send(h11.Data(data=body[start : start + _CHUNK])) or b""
                state.bytes_sent += len(piece)  # before: the client may leave in the middle of it
                await self._stream.send_all(piece)
        self._http.send(h11.EndOfMessage())

    def _is_head(self) -> bool:
        return self._http._request_method == b"HEAD"

    def _head(self, reply: Reply, length: int) -> bytes:
        headers = [("Content-Type", reply.content_type), *reply.headers]
        if ("Transfer-Encoding", "chunked") not in reply.headers:
            headers.insert(1, ("Content-Length", str(length)))
        return self._http.send(h11.Response(status_code=reply.status, headers=headers)) or b""

    async def _pause(self, seconds: float) -> None:
        """Wait, but notice a client that leaves: ours send nothing while they wait for an answer."""
        with trio.move_on_after(seconds):
            await trio.lowlevel.wait_readable(self._transport.socket)
            raise _Gone

    async def _hang(self) -> None:
        state = self._world.state
        state.hanging += 1
        try:
            await self._pause(float("inf"))
        finally:
            state.hanging -= 1

    def _reset(self) -> None:
        self._transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._transport.socket.close()  # with a linger of zero, a close is a reset
        raise _Gone


@contextmanager
def _counting(state: State) -> Iterator[None]:
    state.open_requests += 1
    state.peak_open_requests = max(state.peak_open_requests, state.open_requests)
    try:
        yield
    finally:
        state.open_requests -= 1
