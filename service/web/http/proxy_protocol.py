"""The PROXY protocol, versions 1 and 2: whom a proxy speaks for, told before the first byte of HTTP.

Only proxies that are trusted are asked for it, and they must send it: where it is optional, a client behind
one that does not could send its own (section 2 of HAProxy's specification). What is read is the header and
not a byte more.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Protocol

import trio

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
WORD = b"PROXY "
SHORTEST = len(b"PROXY UNKNOWN\r\n")
LONGEST = 107  # bytes of a header of version 1, with its end of line
MOST = 2048  # bytes of the addresses and extensions of version 2; 536 fit into any packet

_START = struct.Struct("!12sBBH")
_TCP4 = struct.Struct("!4s4sHH")
_TCP6 = struct.Struct("!16s16sHH")
_FAMILIES = {"TCP4": ipaddress.IPv4Address, "TCP6": ipaddress.IPv6Address}

Client = tuple[str, int]


class HeaderRefused(Exception):
    """The peer's header is missing, late or malformed; the text says what."""


class Source(Protocol):
    """What can be read from; a trio.SocketStream is one."""

    async def receive_some(self, max_bytes: int) -> bytes | bytearray: ...


async def read_header(source: Source, patience: float) -> Client | None:
    """The client that the peer speaks for; None where it speaks for itself, as in a health check.

    Raises:
        HeaderRefused: there is no such header within `patience` seconds.
    """
    data = b""
    with trio.move_on_after(patience):
        while missing := wanted(data):
            try:
                more = await source.receive_some(missing)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                more = b""
            if not more:
                raise HeaderRefused("the connection ended before its header")
            data += more
        return parse(data)
    raise HeaderRefused("the header did not come in time")


def wanted(data: bytes) -> int:
    """How many bytes more the header has for certain, after `data`; 0 where it is whole.

    Raises:
        HeaderRefused: `data` begins no header.
    """
    if not data:
        return SHORTEST
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        if len(data) < _START.size:
            return _START.size - len(data)
        length = int(_START.unpack_from(data)[3])
        if length > MOST:
            raise HeaderRefused(f"its addresses have {length} bytes")
        return _START.size + length - len(data)
    if data[: len(WORD)] != WORD[: len(data)]:
        raise HeaderRefused("it begins otherwise")
    if data.endswith(b"\r\n"):
        return 0
    if b"\n" in data or len(data) >= LONGEST:
        raise HeaderRefused("its line has no end")
    return max(SHORTEST - len(data), 1 if data.endswith(b"\r") or len(data) == LONGEST - 1 else 2)


def parse(data: bytes) -> Client | None:
    """The client that a whole header names; None where it names none. Raises HeaderRefused."""
    return _binary(data) if data.startswith(SIGNATURE) else _line(data)


def _line(data: bytes) -> Client | None:
    try:
        words = data[: -len(b"\r\n")].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise HeaderRefused("its line is not ASCII") from None
    if words[1] == "UNKNOWN":
        return None
    if len(words) != 6 or words[1] not in _FAMILIES:
        raise HeaderRefused("its line is not that of a TCP connection")
    try:
        source, _ = (_FAMILIES[words[1]](word) for word in words[2:4])
    except ValueError:
        raise HeaderRefused("its addresses are none") from None
    port, _ = (_port(word) for word in words[4:])
    return str(source), port


def _port(word: str) -> int:
    if not (word.isdigit() and str(int(word)) == word and int(word) < 65536):
        raise HeaderRefused("its ports are none")
    return int(word)


def _binary(data: bytes) -> Client | None:
    _, command, family, _ = _START.unpack_from(data)
    rest = data[_START.size :]
    if command == 0x20:  # LOCAL
        return None
    if command != 0x21:
        raise HeaderRefused(f"its command is {command:#x}")
    match family:
        case 0x00 | 0x31:  # unspecified, or a Unix socket: no address to tell
            return None
        case 0x11 | 0x21:
            shape = _TCP4 if family == 0x11 else _TCP6
            if len(rest) < shape.size:
                raise HeaderRefused("its addresses are cut off")
            source, _, port, _ = shape.unpack_from(rest)
            return str(ipaddress.ip_address(source)), port
    raise HeaderRefused(f"its family is {family:#x}")
