"""The site of a URL, and its endpoint, which is what a breaker and a pace watch. Pure.

A site is a registrable domain, the unit of settings and labels. An endpoint is a host and port of it that can
fail alone. So a closed port or a tenant's host of a popular site closes nothing but itself.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

ACCOUNT = " (account)"  # behind the name of a site that is asked with the operator's cookies
_ALIASES = {"youtu.be": "youtube.com", "youtube-nocookie.com": "youtube.com"}
# Hosts that are one with the main host of their site.
_MAIN_HOSTS = frozenset(
    ("youtu.be", "m.youtube.com", "music.youtube.com", "youtube-nocookie.com", "www.youtube-nocookie.com")
)
_PORTS = {"https": 443, "http": 80}
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
    host = _host(url)
    if _is_address(host):
        return host
    domain = _suffixes().privatesuffix(host) or host
    return _ALIASES.get(domain, domain)


@lru_cache(maxsize=1024)
def endpoint_of(url: str) -> str:
    """The host and port that the URL leads to: `cdn.example.com`, `example.com:8443`.

    Port 443 goes without saying. The site's own name stands for its main endpoint: its domain, with or
    without www, at port 443. Never raises: "" where there is no valid host and port.
    """
    site, host = site_of(url), _host(url)
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    name = site if host == f"www.{site}" or host in _MAIN_HOSTS else host
    if port == 443 or not name:
        return name
    return with_port(name, port)


def with_port(host: str, port: int) -> str:
    """Host and port as URLs have them: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=1024)
def site_of_endpoint(endpoint: str) -> str:
    """The site that an endpoint belongs to."""
    return endpoint if _is_address(endpoint) else site_of(f"https://{endpoint}/")


def _host(url: str) -> str:
    """The URL's host as it is looked up, or ""."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
    if _is_address(host):
        return ip_address(host).compressed
    try:
        host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:  # an empty or overlong label
        return ""
    return host if _HOST.fullmatch(host) else ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
