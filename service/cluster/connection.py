"""One connection to the engine: calls from many tasks, written in order and answered in order.

A caller that is cancelled leaves its place in the line, and the reply that comes for it is dropped. A reply
that is late ends the connection, because nothing after it could be matched with certainty.
"""

from __future__ import annotations

import math
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import hiredis
import trio

from .address import Place

UNANSWERED = 2000  # calls; further ones are refused at once
UNSENT = 32 << 20  # bytes that wait to be written; the longest entry has 1 MB
LONGEST = 4 << 20  # bytes of a reply
CHUNK = 64 * 1024

Word = bytes | str | int
_NOTHING = object()


class Unavailable(Exception):
    """The engine cannot be asked; the text says why."""


class Rejected(Exception):
    """The engine refuses the command; the text is its own."""


class Stream(Protocol):
    """What a connection is made of: a trio.SocketStream, or an SSLStream over one."""

    async def send_all(self, data: bytes) -> None: ...

    async def receive_some(self, max_bytes: int) -> bytes | bytearray: ...

    async def aclose(self) -> None: ...


async def open_stream(place: Place, tls: ssl.SSLContext | None) -> Stream:
    """A connection to `place`, with TLS where there is a context. Raises Unavailable."""
    try:
        stream = await trio.open_tcp_stream(place.host, place.port)
    except OSError as error:
        raise Unavailable(f"no connection: {error.strerror or error}") from None
    if tls is None:
        return stream
    secured = trio.SSLStream(stream, tls, server_hostname=place.host)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(stream)
        raise Unavailable(f"no TLS: {error.__cause__ or error}") from None
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


def reason(errors: BaseExceptionGroup[BaseException]) -> str:
    """What the first of them says."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


class _Turn:
    """A call's turn in the line of those that wait for their replies."""

    __slots__ = ("answered", "deadline", "reply")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.answered = trio.Event()
        self.reply: Any = _NOTHING


class Connection:
    """Calls over `stream`.

    Args:
        hear: gets each message that the engine sends unasked; must not raise.
    """

    def __init__(self, stream: Stream, hear: Callable[[Sequence[Any]], None]) -> None:
        self._stream = stream
        self._hear = hear
        self._line: deque[_Turn] = deque()
        self._unsent = bytearray()
        self._written = trio.Event()
        self._silence = trio.CancelScope()  # until the first in the line is late
        self._over: str | None = None

    async def call(self, *words: Word, patience: float) -> Any:
        """The reply, within `patience` seconds.

        Raises:
            Unavailable: there is none: the connection has ended, also for all other callers.
            Rejected: the engine refuses.
        """
        turn = self.post(*words, patience=patience)
        await turn.answered.wait()
        if turn.reply is _NOTHING:
            raise Unavailable(self._over or "the connection has ended")
        if isinstance(turn.reply, Exception):
            raise Rejected(str(turn.reply))
        return turn.reply

    def post(self, *words: Word, patience: float) -> _Turn:
        """Send a call whose reply nobody waits for. Raises Unavailable where there is no room."""
        if self._over is not None:
            raise Unavailable(self._over)
        if len(self._line) >= UNANSWERED or len(self._unsent) > UNSENT:
            raise Unavailable("too many calls are under way")
        turn = _Turn(trio.current_time() + patience)
        self._line.append(turn)
        if len(self._line) == 1:
            self._silence.deadline = turn.deadline
        self.tell(*words)
        return turn

    def tell(self, *words: Word) -> None:
        """Send a command that is answered by a message, not by a reply, as SUBSCRIBE is."""
        self._unsent += hiredis.pack_command(words)  # type: ignore[arg-type]  # it takes a tuple of any length
        self._written.set()

    def end(self, problem: str) -> None:
        """Let nobody use it any more."""
        self._over = self._over or problem
        self._silence.cancel()

    async def run(self) -> None:
        """Write and read until the connection ends; it always ends with Unavailable."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            self._over = self._over or "the engine closed the connection"
        finally:
            self._over = self._over or "the connection was closed"
            while self._line:
                self._line.popleft().answered.set()
            await trio.aclose_forcefully(self._stream)  # type: ignore[arg-type]
        raise Unavailable(self._over)

    async def _write(self) -> None:
        while True:
            await self._written.wait()
            self._written = trio.Event()
            data, self._unsent = self._unsent, bytearray()
            await self._stream.send_all(bytes(data))

    async def _read(self) -> None:
        reader = hiredis.Reader(notEnoughData=_NOTHING)
        pending = 0  # bytes of a reply that is not whole yet
        while self._over is None:
            data = await self._receive()
            if not data:
                self._over = self._over or "the engine closed the connection"
                return
            reader.feed(data)
            pending += len(data)
            try:
                while (reply := reader.gets()) is not _NOTHING:
                    pending = 0
                    self._take(reply)
            except hiredis.ProtocolError:
                self._over = "what answers does not speak the protocol of Redis"
            if pending > LONGEST:
                self._over = "a reply is too long"

    async def _receive(self) -> bytes:
        """What comes next; empty where the first in the line has waited too long.

        What has arrived when the time is up is still read: this process may be late itself.
        """
        deadline = self._line[0].deadline if self._line else math.inf
        with trio.CancelScope(deadline=deadline) as self._silence:
            return bytes(await self._stream.receive_some(CHUNK))
        self._over = self._over or "the engine does not answer in time"
        return b""

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            self._hear(reply)
        elif self._line:
            turn = self._line.popleft()
            turn.reply = reply
            turn.answered.set()
        else:
            self._over = "the engine answers what nobody asked"
