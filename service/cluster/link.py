"""The link to the engine: connects, greets, listens, connects again; calls fail at once while it is down."""

from __future__ import annotations

import math
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from ..events import ClusterJoined, ClusterLost, Events
from .address import EngineAddress, Place
from .connection import Connection, Rejected, Unavailable, Word, open_stream, reason
from .link_state import LinkState
from .scripts import Script
from .sentinels import Sentinels

PATIENCE = 0.25  # seconds for a reply
GREETING = 2.0  # seconds for a new connection until the engine has answered
LOOK = 2.0  # seconds between two questions to the sentinels, whether the master is still the same
SPREAD = 0.5  # of a pause, by chance, so that a fleet does not come back in step
_MASTERS_ONLY = ("READONLY", "MOVED", "MASTERDOWN")  # begin what a server says that is none


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
        self._sentinels = Sentinels(address, self._tls) if address.name else None
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
        return await self._counted(operation, self._up(), *words)

    async def run_script(self, script: Script, keys: Sequence[str], *words: Word) -> Any:
        """The reply of `script`. Raises as `call`."""
        arguments = (len(keys), *keys, *words)
        connection = self._up()
        try:
            return await self._counted(script.name, connection, "EVALSHA", script.sha, *arguments)
        except Rejected as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self._counted(script.name, connection, "EVAL", script.text, *arguments)

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

    async def _counted(self, operation: str, connection: Connection, *words: Word) -> Any:
        self.calls += 1
        try:
            answer = await connection.call(*words, patience=self.patience)
        except Unavailable:
            self.failures += 1
            raise
        except Rejected as error:
            self.failures += 1
            if str(error).startswith(_MASTERS_ONLY):
                connection.end("it is the master no longer")
            elif not str(error).startswith("NOSCRIPT"):
                self.rejections[operation] = f"it refuses: {error}"
            raise
        self.rejections.pop(operation, None)
        return answer

    async def _serve(self) -> None:
        """One connection, from its first byte to its last. It always ends with Unavailable."""
        problem = "the engine does not greet in time"
        with trio.move_on_after(GREETING) as greeting:
            place = self._address.places[0] if self._sentinels is None else await self._sentinels.master()
            connection = Connection(await open_stream(place, self._tls), self._hear)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(connection.run)
                    await self._greet(connection)
                    greeting.deadline = math.inf
                    if self._sentinels is not None:
                        nursery.start_soon(self._watch, self._sentinels, place)
                    await self._stay(connection)
            except* Unavailable as errors:
                problem = reason(errors)
            except* Rejected as errors:
                problem = _explained(reason(errors))
        raise Unavailable(problem)

    async def _watch(self, sentinels: Sentinels, master: Place) -> None:
        """Ends with Unavailable when the sentinels name another master."""
        while True:
            await trio.sleep(LOOK)
            try:
                named = await sentinels.master()
            except Unavailable:
                continue  # the engine may well be there
            if named != master:
                raise Unavailable(f"the sentinels name another master: {named}")

    async def _stay(self, connection: Connection) -> None:
        self._connection = connection
        self.rejections.clear()
        self.state.came_up(trio.current_time())
        self._events.emit(ClusterJoined(str(self._address), self.engine))
        self._joined()
        await trio.sleep_forever()

    async def _greet(self, connection: Connection) -> None:
        who = self._address
        login = () if who.password is None else ("AUTH", who.user, who.password)
        hello = await connection.call("HELLO", 3, *login, "SETNAME", "ytdlpd", patience=GREETING)
        if not isinstance(hello, dict):
            raise Unavailable("what answers is no Redis")
        if problem := _unfit({_text(name): _text(value) for name, value in hello.items()}):
            raise Unavailable(problem)
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


def _unfit(hello: Mapping[str, str]) -> str | None:
    """Why a server that greets like this is not the engine."""
    if hello.get("mode") == "cluster":
        return "it is a node of a Redis Cluster, which is not supported; name one server, or its sentinels"
    if hello.get("mode") == "sentinel":
        return "it is a sentinel; CLUSTER_URL must look like sentinel://host:26379/name then"
    if hello.get("role", "master") not in ("master", "primary"):
        return "it is a replica, which takes no writes; name its master, or its sentinels"
    return None


def _explained(rejection: str) -> str:
    if rejection.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
        return "it does not let us in; check user, password and rights of CLUSTER_URL"
    return f"it refuses: {rejection}"


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
