"""A DNS black hole on loopback: name servers that hear every question and answer none."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.running_service import works

_ADDRESSES = ("127.83.83.1", "127.83.83.2", "127.83.83.3")  # libc asks no more than three


@dataclass(frozen=True)
class BlackHole:
    """Silent name servers.

    Attributes:
        prefix: a command that runs another command with only these name servers.
    """

    prefix: tuple[str, ...]
    _sockets: tuple[socket.socket, ...]

    def heard(self) -> int:
        """Questions that came since the last time."""
        count = 0
        for server in self._sockets:
            with contextlib.suppress(BlockingIOError):
                while server.recv(512):
                    count += 1
        return count


@contextlib.contextmanager
def black_hole(servers: int = 1) -> Iterator[BlackHole | None]:
    """`servers` silent name servers; None where this machine does not allow them (they need root)."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="black-hole-")))
        file = folder / "resolv.conf"
        file.write_text("".join(f"nameserver {address}\n" for address in _ADDRESSES[:servers]))
        mount = f'mount --bind {file} /etc/resolv.conf && exec "$@"'
        prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
        if os.geteuid() != 0 or not works(prefix):
            yield None
        else:
            sockets = [stack.enter_context(_listening(address)) for address in _ADDRESSES[:servers]]
            yield BlackHole(prefix, tuple(sockets))


def _listening(address: str) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    server.setblocking(False)
    return server
