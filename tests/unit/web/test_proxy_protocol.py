"""Pure: headers of the PROXY protocol, read to the byte; and collaboration: from a source that is slow."""

from __future__ import annotations

import ipaddress
import struct

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from service.web.http.proxy_protocol import (
    LONGEST,
    MOST,
    SIGNATURE,
    HeaderRefused,
    parse,
    read_header,
    wanted,
)

PORTS = st.integers(0, 65535)


def line(family: str, source: str, port: int) -> bytes:
    other = "192.0.2.1" if family == "TCP4" else "2001:db8::1"
    return f"PROXY {family} {source} {other} {port} 443\r\n".encode()


def binary(address: str, port: int, extensions: bytes = b"", command: int = 0x21) -> bytes:
    source = ipaddress.ip_address(address)
    family = 0x11 if source.version == 4 else 0x21
    addresses = source.packed * 2 + struct.pack("!HH", port, 443)
    length = len(addresses) + len(extensions)
    return SIGNATURE + struct.pack("!BBH", command, family, length) + addresses + extensions


@given(st.ip_addresses(), PORTS, st.binary(max_size=200), st.binary())
def test_both_versions_name_the_client_and_leave_the_rest(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, extensions: bytes, rest: bytes
) -> None:
    client = str(address), port
    family = f"TCP{address.version}" if address.version == 4 else "TCP6"
    for header in (line(family, str(address), port), binary(str(address), port, extensions)):
        assert consumed(header + rest) == len(header)
        assert parse(header) == client


def consumed(data: bytes) -> int:
    """How many bytes of `data` are read as its header."""
    got = 0
    while missing := wanted(data[:got]):
        got += missing
        assert got <= len(data)
    return got


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    for start in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x0c"):
        text = start + data
        got = 0
        try:
            while (missing := wanted(text[:got])) and got < len(text):
                got += missing
                assert missing > 0
                assert got <= len(SIGNATURE) + 4 + MOST
            if not missing:
                parse(text[:got])
        except HeaderRefused:
            pass


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        binary("192.0.2.7", 4711, command=0x20),  # LOCAL: a health check
        SIGNATURE + b"\x21\x00\x00\x03abc",
        SIGNATURE + b"\x21\x31\x00\xd8" + b"\0" * 216,
    ],
)
def test_a_proxy_that_speaks_for_itself(header: bytes) -> None:
    assert consumed(header + b"GET / HTTP/1.1\r\n") == len(header)
    assert parse(header) is None


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n",
        b"PROXY TCP4 192.0.2.7  192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 ::1 ::1 4711 443\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 192.0.2.07 192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 443\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 +1 443\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 \N{ARABIC-INDIC DIGIT ONE} 443\r\n".encode(),
        b"PROXY UDP4 192.0.2.7 192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\n\n",
        b"PROXY " + b"x" * LONGEST + b"\r\n",
        SIGNATURE + b"\x11\x11\x00\x0c" + b"\0" * 12,  # version 1
        SIGNATURE + b"\x22\x11\x00\x0c" + b"\0" * 12,  # an unknown command
        SIGNATURE + b"\x21\x12\x00\x0c" + b"\0" * 12,  # datagrams
        SIGNATURE + b"\x21\x11\x00\x0b" + b"\0" * 11,
        SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 65535,
    ],
)
def test_a_hostile_header_is_refused(header: bytes) -> None:
    with pytest.raises(HeaderRefused):
        parse(header[: consumed(header)])


class Drip:
    """Gives `data`, one byte a second."""

    def __init__(self, data: bytes) -> None:
        self._left = data

    async def receive_some(self, max_bytes: int) -> bytes:
        await trio.sleep(1)
        byte, self._left = self._left[:1], self._left[1:]
        return byte


async def test_a_header_has_its_time(autojump_clock: MockClock) -> None:
    header = binary("192.0.2.7", 4711)
    assert await read_header(Drip(header), 29) == ("192.0.2.7", 4711)
    with pytest.raises(HeaderRefused, match="in time"):
        await read_header(Drip(header), 27.5)
    with pytest.raises(HeaderRefused, match="ended"):
        await read_header(Drip(header[:-1]), 60)
