"""Selects the fields of yt-dlp's result that clients get, and encodes them.

It is an allow-list, because the undocumented fields differ per extractor and include cookies, tokens in
headers, local paths and yt-dlp's version. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from ..fields import FORMAT, VIDEO, words

_TRACK = (
    *("ext", "url", "name", "data", "protocol", "video_id", "impersonate"),
    *(
        "fragments",
        "fragment_base_url",
        "manifest_url",
        "filesize",
    ),  # of a track in fragments, `url` is no file
)
_HEADERS = words("User-Agent Accept Accept-Language Accept-Encoding Referer Origin Sec-Fetch-Mode".casefold())
# Credentials and paths, left out of fields that are copied whole (chapters, thumbnails, comments …).
_NEVER = frozenset(("cookies", "http_headers", "authorization", "filename", "filepath"))

SMUGGLED = "#__youtubedl_smuggle"  # the fragment in which yt-dlp hands data to an extractor
_USERINFO = re.compile(r"(?<=://)[^\s/?#@]*@")


def encode(fields: Mapping[str, Any]) -> bytes:
    """`fields` as strict JSON with `ok: true` before them: UTF-8, no NaN, no lone surrogates."""
    answer = {"ok": True, **fields}
    try:
        return orjson.dumps(answer)
    except TypeError:  # orjson refuses a lone surrogate and a number beyond 64 bits
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def encode_lines(fields: Mapping[str, Any]) -> bytes:
    """`fields` without their entries as one line of JSON, then a line for each entry."""
    head = {name: value for name, value in fields.items() if name != "entries"}
    entries = (encode(entry) if entry else b"null" for entry in fields.get("entries") or ())
    return b"".join(line + b"\n" for line in (encode(head), *entries))


def publish(info: Mapping[str, Any], fields: Collection[str] = ()) -> dict[str, Any]:
    """The public part of yt-dlp's sanitised `info`; only the top-level `fields` where any are named.

    `partial` is included in any case.
    """
    wanted = VIDEO.intersection((*fields, "partial")) if fields else VIDEO
    return _take(info, wanted | (FORMAT if not fields else FORMAT.intersection(fields)))


def _take(info: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: _SHAPES.get(name, _scrub)(value) for name, value in info.items() if name in names}


def _formats(value: Any) -> Any:
    return [_take(item, FORMAT) for item in value if isinstance(item, Mapping)] if _is_list(value) else None


def _entries(value: Any) -> Any:
    return (
        [publish(item) if isinstance(item, Mapping) else None for item in value] if _is_list(value) else None
    )


def _languages(value: Any) -> Any:
    """Subtitles: the tracks of each language. A YouTube page has about a thousand."""
    if not isinstance(value, Mapping):
        return None
    return {str(name): [*map(_track, tracks)] for name, tracks in value.items() if _is_list(tracks)}


def _requested(value: Any) -> Any:
    return {str(name): _track(track) for name, track in value.items()} if isinstance(value, Mapping) else None


def _track(track: Any) -> Any:
    if not isinstance(track, dict):
        return None
    taken = {}
    for name in _TRACK:
        if name in track:
            item = track[name]
            taken[name] = item if item is True or (type(item) is str and "@" not in item) else _scrub(item)
    return taken


def _headers(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    return {str(name): _scrub(text) for name, text in value.items() if str(name).casefold() in _HEADERS}


def _domain(value: Any) -> Any:
    return str(value).rpartition("@")[2]  # yt-dlp leaves the URL's credentials in it


def _url(value: Any) -> Any:
    """A URL without yt-dlp's private fragment, which clients cannot use and the service refuses."""
    scrubbed = _scrub(value)
    return scrubbed.partition(SMUGGLED)[0] if isinstance(scrubbed, str) else scrubbed


_SHAPES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "formats": _formats,
        "requested_formats": _formats,
        "entries": _entries,
        "subtitles": _languages,
        "automatic_captions": _languages,
        "requested_subtitles": _requested,
        "http_headers": _headers,
        "webpage_url_domain": _domain,
        "url": _url,
        "webpage_url": _url,
        "original_url": _url,
    }
)


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


def _scrub(value: Any) -> Any:
    """A copy that strict JSON can hold, without private keys and without credentials in URLs."""
    kind = type(value)  # exact types first: there are thousands of values, and most are of these
    if kind is str:
        return _USERINFO.sub("", value) if "@" in value else value
    if kind is dict:
        return {
            str(key): _scrub(item)
            for key, item in value.items()
            if str(key)[:1] != "_" and str(key) not in _NEVER
        }
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _scrub(dict(value))
    return [_scrub(item) for item in value] if _is_list(value) else _scrub(str(value))
