"""The throwaway certificate authority: one cached TLS context per host. Pure but for the CA's own keys."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from functools import lru_cache

import idna
import trustme


class Authority:
    """A CA that lives as long as its process; `pem` is its certificate, the thing to trust."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="the small internet")
        self._stranger = trustme.CA(organization_name="an untrusted CA")
        self.pem: bytes = self._ca.cert_pem.bytes()
        self.context = lru_cache(maxsize=1024)(self._context)

    def _context(self, host: str, trusted: bool = True) -> ssl.SSLContext:
        """The server side's context for `host`; with `trusted` false its certificate is worth nothing."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        context.num_tickets = 0  # no client of ours resumes a session; tickets only cost CPU
        (self._ca if trusted else self._stranger).issue_cert(_san(host)).configure_cert(context)
        return context


def _san(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    with contextlib.suppress(UnicodeError):
        idna.encode(host, uts46=True)
        return host
    return (
        "odd.example"  # what no certificate can name (an exotic IP form, an emoji) still deserves an answer
    )
