"""One process of the solver as the server sees it: start it, ask it, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import deno
import trio

from .. import package

LENGTH = struct.Struct("!I")
SHORT = 256 << 10  # bytes of an answer to a hundred challenges; it is parsed in the event loop
LONG = 32 << 20  # bytes of a script that is taken apart; one of 2.6 MB becomes 3.6
CHUNK = 1 << 18
KILL_PATIENCE = 5.0  # seconds that a killed process may take to end; only a hung disk makes it take any


class EngineFailed(Exception):
    """The process ended, was too slow, or gave an invalid answer; the text says which. It must be closed."""


class ScriptRejected(Exception):
    """It works, and says that the script does not; the text is JavaScript's."""


class Engine:
    """A process that is asked by one task at a time. The caller must close it.

    The thread that runs Trio starts it: PR_SET_PDEATHSIG speaks of the death of the thread that forked.

    Raises:
        EngineFailed: it cannot be started.
    """

    def __init__(self, mode: str) -> None:
        with contextlib.ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair()
                undo.callback(ours.close)
                with theirs:
                    self._process = _start(mode, theirs.fileno())
                undo.callback(self._process.wait)
                undo.callback(self._process.kill)
                self._pidfd = os.pidfd_open(self._process.pid)
            except OSError as error:  # too many processes or descriptors, too little memory, no deno
                raise EngineFailed(f"it cannot be started: {error}") from error
            undo.pop_all()
        self.pid = self._process.pid
        ours.setblocking(False)
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def ask(self, *messages: bytes, within: float, longest: int = SHORT) -> bytes:
        """Its answer to `messages`, which has to come within so many seconds and have at most so many bytes.

        Raises:
            EngineFailed: none comes.
            ScriptRejected: it is an error's text.
        """
        with trio.move_on_after(within):
            try:
                for message in messages:
                    await self._stream.send_all(LENGTH.pack(len(message)))
                    await self._stream.send_all(message)
                (length,) = LENGTH.unpack(await self._take(LENGTH.size))
                if not 0 < length <= longest:
                    raise EngineFailed(f"its answer has {length} bytes")
                answer = await self._take(length)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise EngineFailed("it ended") from None
            if answer[:1] == b"!":
                raise ScriptRejected(answer[1:500].decode("utf-8", "replace"))
            return answer[1:]
        raise EngineFailed(f"it did not answer within {within:g} s")

    async def ended(self) -> None:
        """Return when the process has ended."""
        await trio.lowlevel.wait_readable(self._pidfd)

    async def close(self) -> None:
        """Kill it and reap it. To be called shielded: takes at most KILL_PATIENCE."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own
        self._process.kill()  # it may not have made its group yet
        self._stream.socket.close()
        with trio.move_on_after(KILL_PATIENCE):
            await self.ended()
        self._process.poll()
        os.close(self._pidfd)

    async def _take(self, size: int) -> bytes:
        chunks = []
        while size:
            chunk = await self._stream.receive_some(min(size, CHUNK))
            if not chunk:
                raise EngineFailed("it ended")
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)


def _start(mode: str, talk: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-S", "-P", "-m", package.module("solver.confinement")),
            *(str(os.getpid()), deno.find_deno_bin(), mode),
        ],
        stdin=talk,
        stdout=talk,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": str(package.ROOT)},
        start_new_session=True,
    )


Starter = Callable[[str], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def started(mode: str) -> AsyncIterator[Engine]:
    """A process in `mode` ("prepare" or "evaluate"); it is gone at exit. Raises EngineFailed."""
    engine = Engine(mode)
    try:
        yield engine
    finally:
        with trio.CancelScope(shield=True):  # bounded: see Engine.close
            await engine.close()
