"""Faster equivalents of what YouTube's extractor does again and again; the results are the same.

It offers each caption track in some 150 languages and 7 formats, and takes the same URL apart and puts it
together for each of them; it copies a client's whole configuration to look at one field. That was half of an
extraction. A yt-dlp that has moved these functions is left as it is.
"""

from __future__ import annotations

import functools
import pickle
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from yt_dlp.extractor.youtube import _base, _video
from yt_dlp.utils import parse_qs as slow_parse_qs
from yt_dlp.utils import update_url_query as slow_update_url_query

_PLACE = "\0"  # where the query goes; no URL holds it


def install() -> None:
    """Let YouTube's extractor use what is here."""
    if getattr(_video, "update_url_query", None) is slow_update_url_query:
        _video.update_url_query = update_url_query
    if getattr(_video, "parse_qs", None) is slow_parse_qs:
        _video.parse_qs = url_parse_qs
    if hasattr(_base.YoutubeBaseInfoExtractor, "_get_default_ytcfg") and hasattr(_base, "INNERTUBE_CLIENTS"):
        _base.YoutubeBaseInfoExtractor._get_default_ytcfg = _default_ytcfg


def update_url_query(*args: Any, **kwargs: Any) -> Any:
    """yt_dlp.utils.update_url_query, faster for a URL that has a query."""
    if kwargs or len(args) != 2 or not isinstance(args[0], str) or not args[1]:
        return slow_update_url_query(*args, **kwargs)
    url, query = args
    before, after, pairs = _taken_apart(url)
    if not pairs:
        return slow_update_url_query(url, query)
    updated = pairs.copy()
    for key, value in query.items():
        if isinstance(value, str):
            updated[key] = _pair(key, value)
        else:
            updated[key] = urlencode({key: value}, doseq=True) if value != [] else ""
    return f"{before}{'&'.join(filter(None, updated.values()))}{after}"


def url_parse_qs(*args: Any, **kwargs: Any) -> Any:
    """yt_dlp.utils.parse_qs, faster where the same URL comes again. Its lists are the caller's own."""
    if kwargs or len(args) != 1 or not isinstance(args[0], str):
        return slow_parse_qs(*args, **kwargs)
    return {key: [*values] for key, values in _parsed(args[0]).items()}


@functools.lru_cache(maxsize=256)
def _parsed(url: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in urlsplit(url).query.split("&"):
        name, _, value = pair.partition("=")
        if value:
            found.setdefault(_unquoted(name), []).append(_unquoted(value))
    return found


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


@functools.lru_cache(maxsize=64)
def _taken_apart(url: str) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(url)
    before, _, after = parts._replace(query=_PLACE).geturl().partition(_PLACE)
    return (
        before,
        after,
        {key: urlencode({key: values}, doseq=True) for key, values in parse_qs(parts.query).items()},
    )


@functools.lru_cache(maxsize=1024)
def _pair(key: str, value: str) -> str:
    return urlencode({key: value})


def _default_ytcfg(self: object, client: str = "web") -> Any:
    return pickle.loads(_pickled(client))  # noqa: S301  # made here, a line below


@functools.cache
def _pickled(client: str) -> bytes:
    return pickle.dumps(_base.INNERTUBE_CLIENTS[client])
