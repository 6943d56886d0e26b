"""The check of URLs that clients send, by HTTP or on the command line. Pure.

The worker checks the address behind a URL.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from typing import Literal
from urllib.parse import urlsplit

MAX_LENGTH = 2048
SCHEMES = ("https", "http")
_BEGINNINGS = tuple(f"{scheme}://" for scheme in SCHEMES)
YOUTUBE_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
)
# Whitespace, line ends and characters without width, as they come along when a URL is copied from a page.
_BLANKS = r"[\s\u200b-\u200f\u2060\ufeff]+"
_AROUND = re.compile(rf"\A{_BLANKS}|{_BLANKS}\Z")
# What marks the two ends of a URL in mail and chats (RFC 3986, appendix C), and browsers' view of a source.
_MARKED = re.compile(r"<(?:URL:)?(.*)>|\"(.*)\"|'(.*)'|`(.*)`|view-source:(.*)", re.DOTALL | re.IGNORECASE)
_ORIGIN = re.compile(r"(https?)://([^/?#@]*)", re.IGNORECASE)
_BEGINNING = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:\S", re.IGNORECASE)
_ANOTHER = re.compile(r"https?://\S+\s(?:.*\s)?https?://", re.IGNORECASE | re.DOTALL)
_ASCII_NAME = re.compile(r"[a-z0-9_.-]+")
# Whitespace and control characters of Unicode, and the backslash that some parsers take for a slash.
_FORBIDDEN = re.compile(r"[\s\x00-\x20\x7f-\x9f\u200b\u2028\u2029\ufeff\\]")
_SMUGGLED = "__youtubedl_smuggle"  # yt-dlp takes instructions from this fragment
_LABELS = re.compile(r"[.\u3002\uff0e\uff61]")  # what IDNA takes for a dot
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_\-\x80-\U0010ffff]")  # ASCII alone; IDNA decides on the rest
MAX_LABEL = 63


def cleaned(url: str) -> str:
    """`url` without what a copy leaves around it, with its scheme and host as all sites know them."""
    url = _AROUND.sub("", url)
    if (marked := _MARKED.fullmatch(url)) is not None:
        url = _AROUND.sub("", next(part for part in marked.groups() if part is not None))
    return _ORIGIN.sub(_usual, url, count=1) if _ORIGIN.match(url) else url


def _usual(origin: re.Match[str]) -> str:
    """In lower case, without the dot at the end of a host: extractors know their sites by such names."""
    host, colon, port = origin[2].lower().partition(":")
    folded = unicodedata.normalize("NFKC", host).replace("。", ".")  # what East Asian keyboards write
    host = folded if _ASCII_NAME.fullmatch(folded) else host
    return f"{origin[1].lower()}://{host.removesuffix('.')}{colon}{port}"


def problem(url: str, sites: Literal["any", "youtube"]) -> str | None:
    """What is wrong with `url`; None where it is acceptable."""
    if not url:
        return "url is required"
    if len(url) > MAX_LENGTH:
        return f"url may have at most {MAX_LENGTH:,} characters"
    if _ANOTHER.match(url):
        return "url has several URLs in it; send one, or all of them to /batch"
    if not url.lower().startswith(_BEGINNINGS):
        return _no_beginning(url)
    if _FORBIDDEN.search(url):
        return "url has spaces, control characters or backslashes in it; send it alone or percent-encode them"
    if _SMUGGLED in url:
        return "url has a fragment that is reserved"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "url cannot be parsed; check its host and port"
    if "@" in parts.netloc:
        return "url must not carry a user name or a password"
    if host in SCHEMES:
        return f"url has {host}:// twice"
    if not host or not _can_exist(host) or port == 0:
        return "url has no valid host"
    if sites == "youtube" and host not in YOUTUBE_HOSTS:
        return f"this service accepts youtube.com and youtu.be, not {host}"
    return None


def _no_beginning(url: str) -> str:
    """Why `url` is none that begins as it should."""
    if url.lower().startswith(tuple(f"{scheme}%3a" for scheme in SCHEMES)):
        return "url is percent-encoded once too often"
    if _BEGINNING.search(url) and not _SCHEME.match(url):
        return "url has other text in front of it; send the URL alone"
    return f"url must start with {' or '.join(_BEGINNINGS)}"


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
    return not any(_NOT_IN_A_NAME.search(label) for label in labels) and _encodes(host)


def _encodes(host: str) -> bool:
    """Whether IDNA has a form of `host` to be looked up."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
