"""Protection against cross-origin requests, for endpoints that no key protects.

Such an endpoint trusts every program on this machine, but not the pages in its browser. A page of another
origin is known by Sec-Fetch-Site or Origin. A page whose name was rebound to this machine is of the same
origin for the browser, and known by Host. All three are checked, because browsers send Sec-Fetch-Site to
trustworthy origins only, and Origin not with every GET.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from werkzeug.datastructures import Headers

from ...setting_checks import is_loopback

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?::\d*)?", re.IGNORECASE | re.ASCII)
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


class CrossOriginProtection:
    """Tells requests of programs and of the service's own pages from those of foreign pages.

    Args:
        hosts: names, besides the loopback's, by which the service is asked.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = frozenset(_canonical(host) for host in hosts)

    def refusal(self, headers: Headers) -> str | None:
        """Why the request is refused; None for one that is not."""
        authority = headers.get("Host", "").lower()
        found = _AUTHORITY.fullmatch(authority)
        host = _canonical(found[1]) if found else ""
        if host not in self._hosts:
            if not is_loopback(host):
                return "The Host of this request is neither the loopback's name nor one of ALLOWED_HOSTS"
            if any(name in headers for name in _FORWARDED):
                return "This request came through a proxy"
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "Pages of other origins may not do this"
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in (f"http://{authority}", f"https://{authority}"):
            return "Pages of other origins may not do this"
        return None


def _canonical(host: str) -> str:
    return host.strip("[]").lower().removesuffix(".")
