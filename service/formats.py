"""What yt-dlp says of formats: which there are, their rungs of the ladder and their rates. Pure.

A format's resolution is YouTube's notion of it: the short side, or for films wider than 16:9 the height that
their width has at 16:9 (1920x804 is 1080p), on the nearest rung of the ladder (576 lines are 480p). So a
portrait short of 1080x1920 is 1080p too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

# Height → YouTube's AV1 itag, preferred where it exists.
AV1: Mapping[int, str] = MappingProxyType(
    {
        144: "394",
        240: "395",
        360: "396",
        480: "397",
        720: "398",
        1080: "399",
        1440: "400",
        2160: "401",
        4320: "402",
    }
)
AUDIO = "251"  # YouTube's best Opus track

_ABSURD = 10**15  # of whatever unit


def formats_of(video: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Worst first, as yt-dlp sorts them. A result with one nameless format is that format itself."""
    formats = video.get("formats")
    return [item for item in formats if isinstance(item, Mapping)] if formats else [video]


def tracks_of(formats: Sequence[Mapping[str, Any]], *, youtube: bool) -> Sequence[Mapping[str, Any]]:
    """The formats with audio alone, best first: on YouTube 251, which clients know, then by quality."""
    tracks = [
        item for item in reversed(formats) if item.get("vcodec") == "none" and item.get("acodec") != "none"
    ]
    preferred = by_itag(tracks, AUDIO) if youtube else ()
    return (*preferred, *(item for item in tracks if item not in preferred))


def by_rung(formats: Sequence[Mapping[str, Any]]) -> dict[int | None, list[Mapping[str, Any]]]:
    """The formats with a picture by their rung: those nearest to it first, the best of these first."""
    rungs: dict[int | None, list[Mapping[str, Any]]] = {}
    for item in reversed(formats):
        if item.get("vcodec") != "none":
            rungs.setdefault(resolution(item), []).append(item)
    for height, there in rungs.items():
        if len(there) > 1 and height is not None:
            there.sort(key=partial(_distance, height))
    return rungs


def by_itag(formats: Iterable[Mapping[str, Any]], itag: str) -> tuple[Mapping[str, Any], ...]:
    """The formats of an itag, the plain one first: yt-dlp adds a suffix ("251-1", "251-drc") to variants."""
    found = [item for item in formats if str(item.get("format_id", "")).partition("-")[0] == itag]
    return tuple(sorted(found, key=lambda item: item.get("format_id") != itag))


def resolution(item: Mapping[str, Any]) -> int | None:
    """The rung of the ladder that a format stands on, or None where it has no known picture."""
    lines = _lines(item)
    return None if lines is None else _nearest_rung(lines)


@lru_cache(maxsize=256)  # formats come in few heights, and each is asked about once for each rung
def _nearest_rung(lines: float) -> int:
    return min(AV1, key=lambda rung: abs(math.log(rung / lines)))


def _distance(rung: int, item: Mapping[str, Any]) -> float:
    return abs((_lines(item) or 0) - rung)


def _lines(item: Mapping[str, Any]) -> float | None:
    width, height = number(item.get("width")), number(item.get("height"))
    if height is None:
        return None
    if width is None:
        return height
    return max(height, width * 9 / 16) if width >= height else width


def is_hls(item: Mapping[str, Any]) -> bool:
    return str(item.get("protocol", "")).startswith("m3u8")


def rate_of(item: Mapping[str, Any]) -> float:
    """Kilobits a second; 0 where that is not known."""
    return number(item.get("tbr")) or sum(number(item.get(name)) or 0.0 for name in ("vbr", "abr"))


def number(value: object) -> float | None:
    """`value` where it is a positive number of a sane size; sites say 0 for unknown."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < _ABSURD else None
