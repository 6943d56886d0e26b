"""The places that HOST names: addresses, localhost for all of the loopback, unix:/path. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .setting_checks import is_host, is_loopback

UNIX = "unix:"
LONGEST = 107  # bytes of a Unix socket's path, by the kernel's struct

_MODE = re.compile(r"0?[0-7]{3}")


@dataclass(frozen=True, slots=True)
class Address:
    """A host to listen on.

    Attributes:
        expected: listening fails where this machine has no such address; otherwise it is left out.
    """

    host: str
    expected: bool = True

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket in the file system to listen on."""

    path: str

    def __str__(self) -> str:
        return f"{UNIX}{self.path}"


Place = Address | UnixSocket

LOOPBACK = (Address("127.0.0.1"), Address("::1", expected=False))


def places(hosts: str) -> tuple[Place, ...]:
    """The places of HOST, each once.

    Raises:
        ValueError: one of them is none; the sentence says what to write.
    """
    found: dict[str, Place] = {}
    for host in filter(None, (entry.strip() for entry in hosts.split(","))):
        for place in _read(host):
            found.setdefault(str(place), place)
    if not found:
        raise ValueError("HOST is empty; take an address of this machine, as in 127.0.0.1")
    return tuple(found.values())


def is_local(place: Place) -> bool:
    """Whether only programs on this machine can connect to `place`."""
    return isinstance(place, UnixSocket) or is_loopback(place.host)


def mode(text: str) -> int:
    """The permissions of a file, written in octal. Raises ValueError."""
    if not _MODE.fullmatch(text):
        raise ValueError(f"SOCKET_MODE: {text!r} is no mode; write three octal digits, as in 660")
    return int(text, 8)


def _read(entry: str) -> tuple[Place, ...]:
    if entry.lower() == "localhost":
        return LOOPBACK
    if entry.startswith(UNIX):
        path = entry.removeprefix(UNIX)
        if not path.startswith("/") or "\0" in path or len(path.encode()) > LONGEST:
            raise ValueError(
                f"HOST: {entry} is no socket; write an absolute path of at most {LONGEST} bytes, as in "
                "unix:/run/ytdlpd/http.sock"
            )
        return (UnixSocket(path),)
    host = entry.removeprefix("[").removesuffix("]")
    if not is_host(host.partition("%")[0]):  # a link-local address has a zone
        raise ValueError(
            f"HOST: {entry!r} is no address; write it without scheme and port, and several with commas, "
            "as in 127.0.0.1,::1"
        )
    return (Address(host),)
