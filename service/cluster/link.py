"""The link to the engine: connects, greets, listens, connects again; calls fail at once while it is down."""

from __future__ import annotations

import math
import random
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import trio

from ..events import ClusterJoined, ClusterLost, Events
from .address import EngineAddress
from .connection import Connection, Rejected, Stream, Unavailable, Word
from .link_state import LinkState
from .scripts import Script

PATIENCE = 0.25  # seconds for a reply
GREETING = 2.0  # seconds for a new connection until the engine has answered
SPREAD = 0.5  # of a pause, by chance, so that a fleet does not come back in step


class Link:
    """Calls to the engine at `address`.

    Args:
        ca_file: certificates to trust in addition, where the address asks for TLS.
        channels: what to subscribe to on each connection; `hear` gets channel and payload.
        joined: called each time the link comes up.

    Attributes:
        patience: seconds for a reply.
    """

    def __init__(
        self,
        address: EngineAddress,
        events: Events,
        *,
        ca_file: Path | None = None,
        channels: Sequence[str] = (),
        hear: Callable[[bytes, bytes], None] = lambda channel, payload: None,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = LinkState()
        self.patience = PATIENCE
        self.rejections: dict[str, str] = {}  # by operation, until it succeeds again
        self.engine = ""
        self.calls = self.failures = 0
        self._address = address
        self._events = events
        self._tls = _context(ca_file) if address.tls else None
        self._channels = channels
        self._on_message = hear
        self._joined = joined
        self._connection: Connection | None = None

    @property
    def is_up(self) -> bool:
        return self._connection is not None

    @property
    def problem(self) -> str | None:
        """Why not everything is shared at present; None where it is."""
        return self.state.problem or next(iter(self.rejections.values()), None)

    async def run(self) -> None:
        """Keep the link up, for as long as the service runs."""
        said = False
        while True:
            try:
                await self._serve()
            except Unavailable as error:
                problem = str(error)
            was_up, self._connection = self._connection is not None, None
            pause = self.state.lost(problem, trio.current_time())
            if was_up or not said:  # one event for each loss; the problem of the moment is in the statistics
                said = True
                self._events.emit(ClusterLost(str(self._address), problem))
            await trio.sleep(pause * (1 + SPREAD * random.random()))  # noqa: S311

    async def call(self, operation: str, *words: Word) -> Any:
        """The engine's reply to a command.

        Args:
            operation: what it is for, in the engine's problems.

        Raises:
            Unavailable: at once while the link is down; within `patience` where that is not known yet.
            Rejected: the engine refuses.
        """
        return await self._counted(operation, self._up().call(*words, patience=self.patience))

    async def run_script(self, script: Script, keys: Sequence[str], *words: Word) -> Any:
        """The reply of `script`. Raises as `call`."""
        arguments = (len(keys), *keys, *words)
        connection = self._up()
        try:
            return await self._counted(
                script.name, connection.call("EVALSHA", script.sha, *arguments, patience=self.patience)
            )
        except Rejected as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self._counted(
            script.name, connection.call("EVAL", script.text, *arguments, patience=self.patience)
        )

    def post_script(self, script: Script, keys: Sequence[str], *words: Word) -> None:
        """Run `script` without waiting; nothing happens where the engine cannot be asked."""
        self.post("EVAL", script.text, len(keys), *keys, *words)

    def post(self, *words: Word) -> None:
        """Send a command without waiting; nothing happens where the engine cannot be asked."""
        if self._connection is not None:
            try:
                self._connection.post(*words, patience=self.patience)
                self.calls += 1
            except Unavailable:
                self.failures += 1

    def _up(self) -> Connection:
        if self._connection is None:
            raise Unavailable(self.state.problem or "the link is down")
        return self._connection

    async def _counted(self, operation: str, reply: Any) -> Any:
        self.calls += 1
        try:
            answer = await reply
        except Unavailable:
            self.failures += 1
            raise
        except Rejected as error:
            self.failures += 1
            if not str(error).startswith("NOSCRIPT"):
                self.rejections[operation] = f"it refuses: {error}"
            raise
        self.rejections.pop(operation, None)
        return answer

    async def _serve(self) -> None:
        """One connection, from its first byte to its last. It always ends with Unavailable."""
        problem = "the engine does not greet in time"
        with trio.move_on_after(GREETING) as greeting:
            connection = Connection(await self._connect(), self._hear)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(connection.run)
                    await self._greet(connection)
                    greeting.deadline = math.inf
                    await self._stay(connection)
            except* Unavailable as errors:
                problem = str(_first(errors))
            except* Rejected as errors:
                problem = _reason(str(_first(errors)))
        raise Unavailable(problem)

    async def _stay(self, connection: Connection) -> None:
        self._connection = connection
        self.rejections.clear()
        self.state.came_up(trio.current_time())
        self._events.emit(ClusterJoined(str(self._address), self.engine))
        self._joined()
        await trio.sleep_forever()

    async def _connect(self) -> Stream:
        try:
            stream = await trio.open_tcp_stream(self._address.host, self._address.port)
        except OSError as error:
            raise Unavailable(f"no connection: {error.strerror or error}") from None
        if self._tls is None:
            return stream
        secured = trio.SSLStream(stream, self._tls, server_hostname=self._address.host)
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            await trio.aclose_forcefully(stream)
            raise Unavailable(f"no TLS: {error.__cause__ or error}") from None
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secured

    async def _greet(self, connection: Connection) -> None:
        who = self._address
        login = () if who.password is None else ("AUTH", who.user, who.password)
        hello = await connection.call("HELLO", 3, *login, "SETNAME", "ytdlpd", patience=GREETING)
        if not isinstance(hello, dict):
            raise Unavailable("what answers is no Redis")
        self.engine = " ".join(_text(hello.get(name, b"")) for name in (b"server", b"version"))[:60]
        if who.database:
            await connection.call("SELECT", who.database, patience=GREETING)
        if self._channels:
            connection.tell("SUBSCRIBE", *self._channels)

    def _hear(self, message: Sequence[Any]) -> None:
        if len(message) == 3 and message[0] == b"message" and isinstance(message[2], bytes):
            self._on_message(bytes(message[1]), message[2])


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _reason(rejection: str) -> str:
    if rejection.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
        return "it does not let us in; check user, password and rights of CLUSTER_URL"
    return f"it refuses: {rejection}"


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
