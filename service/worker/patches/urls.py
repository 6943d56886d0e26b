"""Patches of functions on URLs: build, parse, join, sanitize.

A YouTube page offers each caption track in some 150 languages and 7 formats; each of these thousand URLs
goes through three of these functions.
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlparse, urlsplit

from yt_dlp import utils

from ._patch import Patch, digest

slow_parse_query = urllib.parse.parse_qs
slow_sanitize_url = utils.sanitize_url
slow_urljoin = utils.urljoin
slow_update_url_query = utils.update_url_query
slow_parse_qs = utils.parse_qs

# A pair that comes out of decoding and encoding as it was: plain, or escaped as urlencode does it.
_ENCODED = re.compile(
    r"(?:[\w.~-]|%(?:[01][\dA-F]|2[1-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF]))*"
    r"=(?:[\w.~-]|%(?:[01][\dA-F]|2[1-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF]))+",
    re.ASCII,
)
_PLACE = "\0"  # the place of the query; no valid URL contains it
_ABSOLUTE = ("https://", "http://")


def sanitize_url(url: Any, **options: Any) -> Any:
    """yt_dlp.utils.sanitize_url, faster for a URL with nothing to repair."""
    if type(url) is str and url.startswith(_ABSOLUTE):
        return url
    return slow_sanitize_url(url, **options)


def urljoin(*args: Any, **kwargs: Any) -> Any:
    """yt_dlp.utils.urljoin, faster for a URL that is absolute already."""
    if len(args) == 2 and not kwargs and type(args[1]) is str and args[1].startswith(_ABSOLUTE):
        return args[1]
    return slow_urljoin(*args, **kwargs)


def parse_query(qs: Any, *args: Any, **options: Any) -> Any:
    """urllib.parse.parse_qs, faster for a text that comes again: each cipher is read twice."""
    if args or options or type(qs) is not str:
        return slow_parse_query(qs, *args, **options)
    return {name: [*values] for name, values in _query(qs).items()}


_query = functools.lru_cache(maxsize=128)(slow_parse_query)


def update_url_query(*args: Any, **kwargs: Any) -> Any:
    """yt_dlp.utils.update_url_query, faster for a URL that has a query and comes again."""
    if kwargs or len(args) != 2 or not isinstance(args[0], str) or not args[1]:
        return slow_update_url_query(*args, **kwargs)
    url, query = args
    try:
        before, after, pairs = _taken_apart(url)
    except ValueError:  # the original may never look at the wrong part
        return slow_update_url_query(url, query)
    if not pairs:
        return slow_update_url_query(url, query)
    updated = pairs.copy()
    for key, value in query.items():
        if type(value) is str:
            updated[key] = _pair(key, value)
        elif pair := value != [] and urlencode({key: value}, doseq=True):
            updated[key] = pair
        else:
            updated.pop(key, None)
    if not updated:  # then the question mark is removed, too
        return slow_update_url_query(url, query)
    return f"{before}{'&'.join(updated.values())}{after}"


def url_parse_qs(*args: Any, **kwargs: Any) -> Any:
    """yt_dlp.utils.parse_qs, faster where the same URL comes again. Its lists are the caller's own."""
    if kwargs or len(args) != 1 or not isinstance(args[0], str):
        return slow_parse_qs(*args, **kwargs)
    return {key: [*values] for key, values in _parsed(args[0]).items()}


@functools.lru_cache(maxsize=64)
def _parsed(url: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in urlsplit(url).query.split("&"):
        name, value = _decoded(pair)
        if value:
            found.setdefault(name, []).append(value)
    return found


# The formats of a video have most of their pairs in common, and each URL is taken apart three times.
@functools.lru_cache(maxsize=2048)
def _decoded(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return _unquoted(name), _unquoted(value)


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


@functools.lru_cache(maxsize=64)
def _taken_apart(url: str) -> tuple[str, str, dict[str, str]]:
    """The parts before and after a URL's query, and its pairs by key. Raises ValueError for an odd one."""
    if _PLACE in url:
        raise ValueError("a URL with a NUL in it")
    parts = urlparse(url)
    before, _, after = parts._replace(query=_PLACE).geturl().partition(_PLACE)
    pairs: dict[str, str] = {}
    for pair in parts.query.split("&"):
        key, again = _encoded_again(pair)
        if again:
            pairs[key] = f"{pairs[key]}&{again}" if key in pairs else again
    return before, after, pairs


@functools.lru_cache(maxsize=2048)
def _encoded_again(pair: str) -> tuple[str, str]:
    """A pair's key, and the pair decoded and encoded; nothing where it has no value."""
    key, value = _decoded(pair)
    return key, pair if _ENCODED.fullmatch(pair) else _pair(key, value) if value else ""


@functools.lru_cache(maxsize=1024)
def _pair(key: str, value: str) -> str:
    return urlencode({key: value})


PATCHES = (
    Patch(slow_sanitize_url, sanitize_url, "7489c4bb69425604"),
    Patch(slow_urljoin, urljoin, "4085929c0d4e864a"),
    Patch(slow_update_url_query, update_url_query, "43dfc84b6c103ee1", (utils.update_url,)),
    Patch(slow_parse_qs, url_parse_qs, "10987d9c3fb099cd"),
    # Whatever Python this is: the equivalent asks the original.
    Patch(slow_parse_query, parse_query, digest(slow_parse_query), holder=urllib.parse),
)
