"""The check of URLs that clients send, by HTTP or on the command line. Pure.

The worker checks the address behind a URL.
"""

from __future__ import annotations

import re
import socket
from typing import Literal
from urllib.parse import urlsplit

MAX_LENGTH = 2048
SCHEMES = ("https", "http")
YOUTUBE_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
)
# Whitespace, line ends and characters without width, as they come along when a URL is copied from a page.
_BLANKS = r"[\s\u200b-\u200f\u2060\ufeff]+"
_AROUND = re.compile(rf"\A{_BLANKS}|{_BLANKS}\Z")
# Whitespace and control characters of Unicode, and the backslash that some parsers take for a slash.
_FORBIDDEN = re.compile(r"[\s\x00-\x20\x7f-\x9f\u200b\u2028\u2029\ufeff\\]")
_SMUGGLED = "__youtubedl_smuggle"  # yt-dlp takes instructions from this fragment
_LABELS = re.compile(r"[.\u3002\uff0e\uff61]")  # what IDNA takes for a dot
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_\-\x80-\U0010ffff]")  # ASCII alone; IDNA decides on the rest
MAX_LABEL = 63


def trimmed(url: str) -> str:
    """`url` without what a copy from a page or a file leaves around it."""
    return _AROUND.sub("", url)


def problem(url: str, sites: Literal["any", "youtube"]) -> str | None:
    """What is wrong with `url`; None where it is acceptable."""
    if not url:
        return "url is required"
    if len(url) > MAX_LENGTH:
        return f"url may have at most {MAX_LENGTH:,} characters"
    if _FORBIDDEN.search(url):
        return "url has spaces, control characters or backslashes in it; percent-encode them"
    if _SMUGGLED in url:
        return "url has a fragment that is reserved"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "url cannot be parsed; check its host and port"
    if parts.scheme not in SCHEMES:
        return f"url must start with {' or '.join(f'{scheme}://' for scheme in SCHEMES)}"
    if "@" in parts.netloc:
        return "url must not carry a user name or a password"
    if not host or not _can_exist(host):
        return "url has no valid host"
    if sites == "youtube" and host not in YOUTUBE_HOSTS:
        return f"this service accepts youtube.com and youtu.be, not {host}"
    return None


def _can_exist(host: str) -> bool:
    """Whether `host` is an address, or a name that the DNS could have."""
    if ":" in host:
        return True  # IPv6, checked by urlsplit
    labels = _LABELS.split(host.removesuffix("."))
    if len(host) > 253 or not all(0 < len(label) <= MAX_LABEL for label in labels):
        return False
    if labels[-1].isdecimal():  # no top-level domain is a number, so it has to be an address
        try:
            socket.inet_aton(host)
        except OSError:
            return False
    return not any(_NOT_IN_A_NAME.search(label) for label in labels)
