"""Which hosts belong to the private side, in every spelling a hostile site may use. Pure."""

from __future__ import annotations

import ipaddress
import socket

SECRET = b"SECRET of the private side: nobody outside may read this\n"

_NAMES = ("localhost", "internal", "local", "localdomain")


def is_private(host: str) -> bool:
    """Whether `host` names a loopback, private, link-local or otherwise not public address or name."""
    host = host.strip("[]").rstrip(".").lower()
    if not host or host.rpartition(".")[2] in _NAMES:
        return True
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            # Decimal, hex, octal and short forms (2130706433, 0x7f000001, 0177.0.0.1, 127.1).
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global
