"""Patches of the cookie jar: its usual answer, "none", is needed for each format of a video."""

from __future__ import annotations

import time
from typing import Any

from yt_dlp.cookies import YoutubeDLCookieJar
from yt_dlp.extractor.youtube._base import YoutubeBaseInfoExtractor

from ._patch import Patch

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")  # a host of these needs no normalising
slow_get_cookies_for_url = YoutubeDLCookieJar.get_cookies_for_url
slow_has_auth_cookies = YoutubeBaseInfoExtractor._has_auth_cookies


def get_cookies_for_url(self: Any, url: str) -> Any:
    """YoutubeDLCookieJar.get_cookies_for_url, faster where no cookie's domain ends the URL's host."""
    host = url[8:].partition("/")[0] if url.startswith("https://") else ""
    domains = tuple(domain.lstrip(".") for domain in self._cookies)
    if "." not in host or not _PLAIN.issuperset(host) or host.endswith(domains):
        return slow_get_cookies_for_url(self, url)
    self._policy._now = self._now = int(time.time())
    return []


def has_auth_cookies(self: Any) -> Any:
    """YoutubeBaseInfoExtractor._has_auth_cookies, faster where there is no login."""
    if any(cookie.name == "LOGIN_INFO" for cookie in self._downloader.cookiejar):
        return slow_has_auth_cookies.fget(self)
    return False


PATCHES = (
    Patch(slow_get_cookies_for_url, get_cookies_for_url, "930059ee7ed49ca9", holder=YoutubeDLCookieJar),
    Patch(
        slow_has_auth_cookies,
        property(has_auth_cookies),
        "41b58eee3beb263f",
        holder=YoutubeBaseInfoExtractor,
    ),
)
