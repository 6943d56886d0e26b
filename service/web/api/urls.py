"""The check of URLs that clients send. Pure. The worker checks the address behind a URL."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from ...codes import Code
from ..errors import Refused

MAX_LENGTH = 2048
YOUTUBE_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
)
_AROUND = " \t\r\n\u200b\ufeff"  # what comes along when a URL is copied
# Whitespace and control characters of Unicode, and the backslash that some parsers take for a slash.
_FORBIDDEN = re.compile(r"[\s\x00-\x20\x7f-\x9f\u200b\u2028\u2029\ufeff\\]")
_SMUGGLED = "__youtubedl_smuggle"  # yt-dlp takes instructions from this fragment


def check(url: str, *, schemes: tuple[str, ...], sites: Literal["any", "youtube"]) -> str:
    """`url` without the white space around it, if it is acceptable.

    Raises:
        Refused: INVALID_URL with a sentence that says what is wrong with it.
    """
    url = url.strip(_AROUND)
    kind = "YouTube URL" if sites == "youtube" else "URL"
    problem = _problem(url, schemes, sites)
    if problem is not None:
        raise Refused(Code.INVALID_URL, f"Invalid {kind}: {problem}", field="url")
    return url


def _problem(url: str, schemes: tuple[str, ...], sites: Literal["any", "youtube"]) -> str | None:
    if not url:
        return "url is required"
    if len(url) > MAX_LENGTH:
        return f"url may have at most {MAX_LENGTH:,} characters"
    if _FORBIDDEN.search(url):
        return "url has spaces, control characters or backslashes in it; check that it is copied whole"
    if _SMUGGLED in url:
        return "url has a fragment that is reserved"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "url cannot be parsed; check its host and port"
    if parts.scheme not in schemes:
        return f"url must start with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if not host or len(host) > 253:
        return "url has no valid host"
    if "@" in parts.netloc:
        return "url must not carry a user name or a password"
    if sites == "youtube" and host not in YOUTUBE_HOSTS:
        return f"this service accepts youtube.com and youtu.be, not {host}"
    return None
