"""Metadata → bytes and human-readable sizes per resolution. Pure.

A size is what a download of that resolution would weigh: the video, plus the best audio track where the video
has none of its own. YouTube's AV1 formats come first at each height, because existing clients show those
numbers; anything else goes by height.

A format's resolution is YouTube's notion of it: the short side, or for films wider than 16:9 the height that
their width has at 16:9 (1920x804 is 1080p), on the nearest rung of the ladder (576 lines are 480p). So a
portrait short of 1080x1920 is 1080p too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
# Variants that clients ask for by YouTube's itag: H.264 and VP9 at 60 frames, AV1.
VARIANTS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {1080: ("299", "303", "399"), 1440: ("308", "400")}
)
AUDIO = "251"  # YouTube's best Opus track
KEYS: tuple[str, ...] = (
    *(f"s{height}p" for height in AV1),
    *(f"s{height}p_{itag}" for height, itags in VARIANTS.items() for itag in itags),
)

_ABSURD = 10**15  # of whatever unit
_WINDOW = frozenset(("duration", "filesize", "filesize_approx", "fragments"))

_UNITS = ("KB", "MB", "GB", "TB")


class Accuracy(StrEnum):
    """Where a size comes from, best first."""

    EXACT = "exact"  # the site's own figure
    APPROXIMATE = "approximate"  # the site's or yt-dlp's approximation
    ESTIMATED = "estimated"  # bitrate times duration


_WORST_FIRST = tuple(reversed(Accuracy))


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes, where they come from, and the ids of the formats they are of ("399+251")."""

    bytes: int
    accuracy: Accuracy
    formats: str

    def __add__(self, other: Size) -> Size:
        worst = min(self.accuracy, other.accuracy, key=_WORST_FIRST.index)
        return Size(self.bytes + other.bytes, worst, f"{self.formats}+{other.formats}")


def report(info: Mapping[str, Any], duration_hint: float | None = None) -> dict[str, Any] | None:
    """The answer to a size request, without `ok`; None where `info` is a list that describes no video.

    Args:
        info: yt-dlp's sanitised info. Of a playlist, the first entry that came with its formats counts.
        duration_hint: seconds, used where the site gives no duration or the video is live.
    """
    video = _video(info)
    if video is None:
        return None
    live = video.get("is_live") is True
    if live:
        video = _without_window(video)
    duration = _duration(video) or _number(duration_hint)
    sizes = measure(video, duration)
    best = _best(video, duration)
    return {
        "id": video.get("id"),
        "title": video.get("title"),
        "extractor": video.get("extractor_key"),
        "live": live,
        "partial": info.get("partial") is True,
        "duration": None if duration is None else round(duration),
        "bytes": {key: size and size.bytes for key, size in sizes.items()},
        "human": {
            **{key: size and human_bytes(size.bytes) for key, size in sizes.items()},
            "duration": None if duration is None else human_duration(duration),
        },
        "accuracy": {key: size and size.accuracy for key, size in sizes.items()},
        "formats": {key: size and size.formats for key, size in sizes.items()},
        "best": best
        and {
            "bytes": best.bytes,
            "human": human_bytes(best.bytes),
            "accuracy": best.accuracy,
            "formats": best.formats,
        },
    }


def measure(video: Mapping[str, Any], duration: float | None) -> dict[str, Size | None]:
    """The size for each of KEYS, None where the site has no such format or says nothing of its size."""
    formats = _formats(video)
    youtube = video.get("extractor_key") == "Youtube"
    audio = _audio(formats, duration, youtube=youtube)
    rungs = _by_rung(formats)
    by_height: dict[int, Size | None] = {}
    for height, itag in AV1.items():
        preferred = _by_itag(formats, itag) if youtube else ()
        by_height[height] = _heaviest_claim((*preferred, *rungs.get(height, ())), audio, duration)
    sizes = {f"s{height}p": size for height, size in by_height.items()}
    for height, itags in VARIANTS.items():
        for itag in itags:
            variant = _by_itag(formats, itag) if youtube else ()
            sizes[f"s{height}p_{itag}"] = _heaviest_claim(variant, audio, duration)
    return sizes


def resolution(item: Mapping[str, Any]) -> int | None:
    """The rung of the ladder that a format stands on, or None where it has no known picture."""
    lines = _lines(item)
    return None if lines is None else _nearest_rung(lines)


@lru_cache(maxsize=256)  # formats come in few heights, and each is asked about once for each rung
def _nearest_rung(lines: float) -> int:
    return min(AV1, key=lambda rung: abs(math.log(rung / lines)))


def human_bytes(count: int) -> str:
    """Decimal units with two digits: 18500000 → "18.50 MB"."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS[:-1]:
        value /= 1000
        if round(value, 2) < 1000:
            return f"{value:.2f} {unit}"
    return f"{value / 1000:.2f} {_UNITS[-1]}"


def human_duration(seconds: float) -> str:
    """212 → "3:32", 3723 → "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _duration(video: Mapping[str, Any]) -> float | None:
    """Seconds; of a DASH manifest, which gives yt-dlp none, the sum of a format's fragments."""
    given = _number(video.get("duration"))
    if given is not None:
        return given
    for item in _formats(video):
        fragments = [_number(fragment.get("duration")) for fragment in item.get("fragments") or ()]
        known = [length for length in fragments if length is not None]
        if known:
            return sum(known)
    return None


def _without_window(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A live video, or a format of it, with rates only: the rest is of what can be rewound just now."""
    kept = {name: value for name, value in item.items() if name not in _WINDOW}
    for name in ("formats", "requested_formats"):
        if kept.get(name):
            kept[name] = [_without_window(part) for part in kept[name] if isinstance(part, Mapping)]
    return kept


def _video(info: Mapping[str, Any]) -> Mapping[str, Any] | None:
    entries = info.get("entries")
    if entries is None:
        return info
    videos = (entry for entry in entries if isinstance(entry, Mapping))
    return next((entry for entry in videos if entry.get("_type", "video") == "video"), None)


def _formats(video: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Worst first, as yt-dlp sorts them. A result with one nameless format is that format itself."""
    formats = video.get("formats")
    return [item for item in formats if isinstance(item, Mapping)] if formats else [video]


def _by_itag(formats: Iterable[Mapping[str, Any]], itag: str) -> tuple[Mapping[str, Any], ...]:
    """The formats of an itag, the plain one first: yt-dlp adds a suffix ("251-1", "251-drc") to variants."""
    found = [item for item in formats if str(item.get("format_id", "")).partition("-")[0] == itag]
    return tuple(sorted(found, key=lambda item: item.get("format_id") != itag))


def _by_rung(formats: Sequence[Mapping[str, Any]]) -> dict[int | None, list[Mapping[str, Any]]]:
    """The formats with a picture by their rung: those nearest to it first, the best of these first."""
    rungs: dict[int | None, list[Mapping[str, Any]]] = {}
    for item in reversed(formats):
        if item.get("vcodec") != "none":
            rungs.setdefault(resolution(item), []).append(item)
    for height, there in rungs.items():
        if len(there) > 1 and height is not None:
            there.sort(key=partial(_distance, height))
    return rungs


def _distance(rung: int, item: Mapping[str, Any]) -> float:
    return abs((_lines(item) or 0) - rung)


def _heaviest_claim(
    candidates: Iterable[Mapping[str, Any]], audio: Size | None, duration: float | None
) -> Size | None:
    """The size of the first candidate that has one, with audio where it brings none itself."""
    for item in candidates:
        size = _size(item, duration)
        if size is not None:
            return size + audio if audio is not None and item.get("acodec") == "none" else size
    return None


def _audio(formats: Sequence[Mapping[str, Any]], duration: float | None, *, youtube: bool) -> Size | None:
    """The track that goes with a video-only format: YouTube's 251, else the best there is."""
    tracks = [
        item
        for item in reversed(formats)
        if item.get("vcodec") == "none" and item.get("acodec") not in (None, "none")
    ]
    preferred = _by_itag(tracks, AUDIO) if youtube else ()
    return next((size for item in (*preferred, *tracks) if (size := _size(item, duration))), None)


def _best(video: Mapping[str, Any], duration: float | None) -> Size | None:
    """The size of what yt-dlp would download, whatever its resolution."""
    parts = video.get("requested_formats") or [video]
    sizes = [_size(part, duration) for part in parts if isinstance(part, Mapping)]
    first, *rest = sizes or [None]
    for size in rest:
        first = first + size if first is not None and size is not None else None
    return first


def _size(item: Mapping[str, Any], duration: float | None) -> Size | None:
    identifier = str(item.get("format_id", ""))
    for name, accuracy in (("filesize", Accuracy.EXACT), ("filesize_approx", Accuracy.APPROXIMATE)):
        count = _number(item.get(name))
        if count is not None:
            return Size(round(count), accuracy, identifier)
    rate = _number(item.get("tbr")) or sum(_number(item.get(name)) or 0.0 for name in ("vbr", "abr"))
    if rate and duration is not None:
        return Size(round(rate * 1000 / 8 * duration), Accuracy.ESTIMATED, identifier)
    return None


def _lines(item: Mapping[str, Any]) -> float | None:
    width, height = _number(item.get("width")), _number(item.get("height"))
    if height is None:
        return None
    if width is None:
        return height
    return max(height, width * 9 / 16) if width >= height else width


def _number(value: object) -> float | None:
    """`value` where it is a positive number of a sane size; sites say 0 for unknown."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < _ABSURD else None
