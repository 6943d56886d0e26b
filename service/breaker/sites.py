"""The site of a URL, which is the key of breakers and paces. Pure."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

_ALIASES = {"youtu.be": "youtube.com", "youtube-nocookie.com": "youtube.com"}
_HOST = re.compile(r"[a-z0-9._-]{1,253}")


@cache
def _suffixes() -> PublicSuffixList:
    # The list in the package, with private suffixes: each tenant of github.io is a site of its own.
    return PublicSuffixList()


@lru_cache(maxsize=1024)  # the same URLs come again
def site_of(url: str) -> str:
    """The registrable domain of the URL's host, in lower case and ASCII.

    An IP address, a single label and a bare public suffix stand for themselves. Other names of one service
    are one site (youtu.be is youtube.com). Never raises: where there is no valid host the site is "".
    """
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
    try:
        return ip_address(host).compressed
    except ValueError:
        pass
    try:
        host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:  # an empty or overlong label
        return ""
    if not _HOST.fullmatch(host):
        return ""
    domain = _suffixes().privatesuffix(host) or host
    return _ALIASES.get(domain, domain)
