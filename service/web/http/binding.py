"""Opens the sockets that the service listens on, and says in a sentence why one cannot be opened."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import trio
from hypercorn.utils import repr_socket_addr

from ... import hosts
from ...config import Config
from ...hosts import Address, Place, UnixSocket

TRIES = 5  # at a port that is free on all addresses, where any will do
ON_UNIX = "127.0.0.1"  # what a client on a Unix socket counts as: a program on this machine

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class CannotListen(Exception):
    """A place cannot be listened on; the text says why and what to do."""


@asynccontextmanager
async def listening(config: Config, backlog: int) -> AsyncIterator[list[trio.SocketListener]]:
    """Listeners for all places of HOST, on one port; at exit they are closed, and Unix sockets removed.

    Raises:
        CannotListen: one of the places cannot be listened on.
    """
    with contextlib.ExitStack() as sockets:
        for left in reversed(range(TRIES)):
            try:
                listeners = await _open(config, backlog, sockets, retry=config.port == 0 and left > 0)
            except _PortTaken:
                continue
            break
        try:
            yield listeners
        finally:
            for listener in listeners:
                await trio.aclose_forcefully(listener)


def url(listener: trio.SocketListener) -> str:
    """The URL of what is served there; for a Unix socket unix:/path."""
    bound = listener.socket
    place = repr_socket_addr(bound.family, bound.getsockname())
    return place if bound.family == socket.AF_UNIX else f"http://{place}"


def client_of(stream: trio.SocketStream) -> tuple[str, int]:
    """Address and port at the other end. Raises OSError where the client has gone."""
    name = stream.socket.getpeername()
    return (ON_UNIX, 0) if stream.socket.family == socket.AF_UNIX else (str(name[0]), int(name[1]))


class _PortTaken(Exception):
    """The port that was free on the first address is taken on another."""


async def _open(
    config: Config, backlog: int, sockets: contextlib.ExitStack, *, retry: bool
) -> list[trio.SocketListener]:
    opened: list[trio.SocketListener] = []
    port = config.port
    try:
        for place in config.places:
            if isinstance(place, UnixSocket):
                opened.append(sockets.enter_context(_unix(place, hosts.mode(config.socket_mode), backlog)))
                continue
            try:
                found = await trio.open_tcp_listeners(port, host=place.host, backlog=backlog)
            except OSError as error:
                if error.errno in _ABSENT and not place.expected:
                    continue
                if retry and port and error.errno == errno.EADDRINUSE:
                    raise _PortTaken from None
                raise CannotListen(_why(error, place, port)) from None
            opened += found
            port = port or int(found[0].socket.getsockname()[1])
    except BaseException:
        for listener in opened:
            listener.socket.close()
        raise
    return opened


@contextlib.contextmanager
def _unix(place: UnixSocket, mode: int, backlog: int) -> Iterator[trio.SocketListener]:
    path = place.path
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        try:
            _remove_stale(path)
            bound.bind(path)
            os.chmod(path, mode)  # before it listens, so that nobody comes in on the default
            bound.listen(backlog)
        except OSError as error:
            raise CannotListen(_why(error, place, 0)) from None
        own = os.stat(path).st_ino
        bound.setblocking(False)
        try:
            yield trio.SocketListener(trio.socket.from_stdlib_socket(bound.dup()))
        finally:
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == own:  # otherwise it is a successor's
                    os.unlink(path)


def _remove_stale(path: str) -> None:
    """Remove the socket of a program that is gone. Raises OSError where something else is at `path`."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise FileExistsError(errno.EEXIST, "it exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full queue is a program, too
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, "taken") from None
        else:
            raise OSError(errno.EADDRINUSE, "taken")


def _why(error: OSError, place: Place, port: int) -> str:
    if isinstance(place, UnixSocket):
        return _why_not_unix(error, place)
    if isinstance(error, socket.gaierror):
        return (
            f"HOST {place} cannot be resolved; unset HOST, which some other programs export, or take an "
            "address of this machine, as in --host 127.0.0.1"
        )
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {place} is taken by another program; take another one, as in "
                f"--port {port % 65535 + 1}, or any that is free with --port 0"
            )
        case errno.EADDRNOTAVAIL:
            return (
                f"HOST {place} is no address of this machine; take 127.0.0.1, or 0.0.0.0 for all of its own"
            )
        case errno.EACCES:
            return f"port {port} is for privileged programs; take one above 1023, as in --port 3000"
    return f"cannot listen on port {port} of {place}: {error.strerror or error}"


def _why_not_unix(error: OSError, place: UnixSocket) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another program listens on {place}; end it, or take another path"
        case errno.EEXIST:
            return f"{place} exists and is no socket; take another path"
        case errno.ENOENT | errno.ENOTDIR:
            return f"the folder of {place} does not exist; make it, for the user of the service"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"the folder of {place} is not writable; give it to the user of the service"
    return f"cannot listen on {place}: {error.strerror or error}"


def whole(place: Address, port: int) -> str:
    """Host and port as one text."""
    return f"[{place}]:{port}" if ":" in place.host else f"{place}:{port}"
