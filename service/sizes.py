"""Metadata → bytes and human-readable sizes per resolution. Pure.

A size is what a download of that resolution would weigh: the video, plus the best audio track where the video
has none of its own. YouTube's AV1 formats come first at each height, because existing clients show those
numbers; anything else goes by height.

In HLS the bandwidth of a variant includes the audio that goes with it (RFC 8216, 4.3.4.2), so none is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any

from .formats import AV1, by_itag, by_rung, formats_of, is_hls, number, rate_of, tracks_of

# Variants that clients ask for by YouTube's itag: H.264 and VP9 at 60 frames, AV1.
VARIANTS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {1080: ("299", "303", "399"), 1440: ("308", "400")}
)
KEYS: tuple[str, ...] = (
    *(f"s{height}p" for height in AV1),
    *(f"s{height}p_{itag}" for height, itags in VARIANTS.items() for itag in itags),
)

_WINDOW = frozenset(("duration", "filesize", "filesize_approx", "fragments"))

_UNITS = ("KB", "MB", "GB", "TB")


class Accuracy(StrEnum):
    """Where a size comes from, best first; LIVE and UNKNOWN stand where there is none."""

    EXACT = "exact"  # the site's own figure, or that of its server
    APPROXIMATE = "approximate"  # the site's or yt-dlp's approximation
    ESTIMATED = "estimated"  # bitrate times duration
    LIVE = "live"  # it has no end yet
    UNKNOWN = "unknown"


_WORST_FIRST = tuple(reversed(Accuracy))

PROBLEM = "_size_problem"  # of a format: why its server does not tell its size, in words

_IS_LIVE = "it is live; a duration_hint gives the size of so many seconds"
_NO_SUCH = "the site has no format of this resolution"
_HEIGHT_UNKNOWN = "the site does not tell the resolution of its formats; see best"
_NO_AUDIO = "the site has no format with audio alone"
_NO_SIZE = "the site tells neither its size nor its bitrate"
_NO_DURATION = "the site tells neither its size nor its duration; a duration_hint helps"


def worst(*known: Accuracy) -> Accuracy:
    """The least certain of them."""
    return min(known, key=_WORST_FIRST.index)


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes, where they come from, and the ids of the formats they are of ("399+251")."""

    bytes: int
    accuracy: Accuracy
    formats: str

    def __add__(self, other: Size) -> Size:
        accuracy = worst(self.accuracy, other.accuracy)
        return Size(self.bytes + other.bytes, accuracy, f"{self.formats}+{other.formats}")


def report(info: Mapping[str, Any], duration_hint: float | None = None) -> dict[str, Any] | None:
    """The answer to a size request, without `ok`; None where `info` is a list that describes no video.

    Args:
        info: yt-dlp's sanitised info. Of a playlist, the first entry that came with its formats counts.
        duration_hint: seconds, used where the site gives no duration or the video is live.
    """
    found = subject(info, duration_hint)
    if found is None:
        return None
    video, duration = found
    sizes = measure(video, duration)
    best = _best(video, duration)
    parts = _parts(video)
    return {
        "id": video.get("id"),
        "title": video.get("title"),
        "thumbnail": video.get("thumbnail"),
        "extractor": video.get("extractor_key"),
        "live": _is_live(video),
        "partial": info.get("partial") is True,
        "duration": None if duration is None else round(duration),
        "bytes": {key: size and size.bytes for key, size in sizes.items()},
        "human": {
            **{key: size and human_bytes(size.bytes) for key, size in sizes.items()},
            "duration": None if duration is None else human_duration(duration),
        },
        "accuracy": {key: size and size.accuracy for key, size in sizes.items()},
        "formats": {key: size and size.formats for key, size in sizes.items()},
        "resolutions": _resolutions(video, sizes, duration),
        "audio": _audio_row(video, duration),
        "best": best
        and {
            "bytes": best.bytes,
            "human": human_bytes(best.bytes),
            "accuracy": best.accuracy,
            "formats": best.formats,
        },
        **({} if best else {"reason": _why(video, parts, duration)}),
    }


def subject(
    info: Mapping[str, Any], duration_hint: float | None = None
) -> tuple[Mapping[str, Any], float | None] | None:
    """The video that `info` describes, and its duration; None for a list that describes none."""
    video = _video(info)
    if video is None:
        return None
    if _is_live(video):
        video = _without_window(video)
    return video, _duration(video) or number(duration_hint)


def unmeasured(video: Mapping[str, Any], duration: float | None) -> list[Mapping[str, Any]]:
    """The formats that `report` would name, were their sizes known; the best of all first.

    These are the parts of the best, for each rung without a size its best format, and the best audio.
    """
    if _is_live(video):
        return []
    formats = formats_of(video)
    tracks = tracks_of(formats, youtube=_is_youtube(video))
    wanted = [part for part in _parts(video) if _size(part, duration) is None]
    for candidates in (*(there for rung, there in by_rung(formats).items() if rung is not None), tracks):
        if candidates and all(_size(item, duration) is None for item in candidates):
            wanted.append(candidates[0])
    return list({id(item): item for item in wanted}.values())


def unsized(
    parts: Sequence[Mapping[str, Any]], video: Mapping[str, Any], duration: float | None
) -> list[Mapping[str, Any]]:
    """Those of `parts` whose size is not known; none of a live video has one."""
    return [] if _is_live(video) else [part for part in parts if _size(part, duration) is None]


def weigh(
    parts: Sequence[Mapping[str, Any]], info: Mapping[str, Any], duration_hint: float | None
) -> dict[str, Any]:
    """The size of formats that are downloaded together: bytes, human, accuracy, and a reason for none."""
    video, duration = subject(info, duration_hint) or (info, None)
    if _is_live(video):
        parts = [_without_window(part) for part in parts]
    return _row(_sum(parts, duration), partial(_why, video, parts, duration))


def measure(video: Mapping[str, Any], duration: float | None) -> dict[str, Size | None]:
    """The size for each of KEYS, None where the site has no such format or says nothing of its size."""
    formats = formats_of(video)
    youtube = _is_youtube(video)
    track = _track(formats, duration, youtube=youtube)
    rungs = by_rung(formats)
    by_height: dict[int, Size | None] = {}
    for height, itag in AV1.items():
        preferred = by_itag(formats, itag) if youtube else ()
        by_height[height] = _heaviest_claim((*preferred, *rungs.get(height, ())), track, duration)
    sizes = {f"s{height}p": size for height, size in by_height.items()}
    for height, itags in VARIANTS.items():
        for itag in itags:
            variant = by_itag(formats, itag) if youtube else ()
            sizes[f"s{height}p_{itag}"] = _heaviest_claim(variant, track, duration)
    return sizes


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
    given = number(video.get("duration"))
    if given is not None:
        return given
    for item in formats_of(video):
        fragments = [number(fragment.get("duration")) for fragment in item.get("fragments") or ()]
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


def _is_live(video: Mapping[str, Any]) -> bool:
    return video.get("is_live") is True


def _is_youtube(video: Mapping[str, Any]) -> bool:
    return video.get("extractor_key") == "Youtube"


def _video(info: Mapping[str, Any]) -> Mapping[str, Any] | None:
    entries = info.get("entries")
    if entries is None:
        return info
    videos = (entry for entry in entries if isinstance(entry, Mapping))
    return next((entry for entry in videos if entry.get("_type", "video") == "video"), None)


def _heaviest_claim(
    candidates: Iterable[Mapping[str, Any]], track: Mapping[str, Any] | None, duration: float | None
) -> Size | None:
    """The size of the first candidate that has one, with audio where it brings none itself."""
    for item in candidates:
        if _size(item, duration) is not None:
            together = [item] if track is None or item.get("acodec") != "none" else [item, track]
            return _sum(together, duration) or _size(item, duration)
    return None


def _sum(parts: Sequence[Mapping[str, Any]], duration: float | None) -> Size | None:
    """The size of formats that are downloaded together; None where that of a part is not known."""
    total: Size | None = None
    for part in parts:
        size = _size(part, duration)
        estimated = total is not None and total.accuracy is Accuracy.ESTIMATED
        if estimated and is_hls(parts[0]) and is_hls(part) and part.get("vcodec") == "none":
            size = Size(0, Accuracy.ESTIMATED, str(part.get("format_id", "")))  # a rendition of the first
        if size is None:
            return None
        total = size if total is None else total + size
    return total


def _track(
    formats: Sequence[Mapping[str, Any]], duration: float | None, *, youtube: bool
) -> Mapping[str, Any] | None:
    """The track that goes with a video-only format: the first of known size, else the first."""
    tracks = tracks_of(formats, youtube=youtube)
    sized = (item for item in tracks if _size(item, duration) is not None)
    return next(sized, tracks[0] if tracks else None)


def _parts(video: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What yt-dlp would download: a video and its audio, or one format with both."""
    parts = [part for part in video.get("requested_formats") or () if isinstance(part, Mapping)]
    if parts:
        return parts
    chosen = [item for item in formats_of(video) if item.get("format_id") == video.get("format_id")]
    return chosen[-1:] or [video]


def _best(video: Mapping[str, Any], duration: float | None) -> Size | None:
    """The size of what yt-dlp would download, whatever its resolution."""
    return _sum(_parts(video), duration)


def _resolutions(
    video: Mapping[str, Any], sizes: Mapping[str, Size | None], duration: float | None
) -> list[dict[str, Any]]:
    """A row for each rung of the ladder; one without a size says why."""
    formats = formats_of(video)
    rungs = by_rung(formats)
    named = {item.get("format_id"): item for item in formats}
    rows = []
    for height in AV1:
        size = sizes[f"s{height}p"]
        row = _row(size, partial(_why_not, video, rungs, height, duration))
        picture = named.get(size.formats.partition("+")[0], {}) if size else {}
        shown = {"codec": picture.get("vcodec"), "fps": number(picture.get("fps"))}
        rows.append({"resolution": f"{height}p", **row, **shown})
    return rows


def _why_not(
    video: Mapping[str, Any],
    rungs: Mapping[int | None, Sequence[Mapping[str, Any]]],
    height: int,
    duration: float | None,
) -> str:
    there = rungs.get(height)
    if not there:
        return _HEIGHT_UNKNOWN if None in rungs and len(rungs) == 1 else _NO_SUCH
    return _why(video, there[:1], duration)


def _audio_row(video: Mapping[str, Any], duration: float | None) -> dict[str, Any]:
    """The best audio alone."""
    track = _track(formats_of(video), duration, youtube=_is_youtube(video))
    if track is None:
        return _row(None, lambda: _NO_AUDIO)
    rate = number(track.get("abr")) or number(track.get("tbr"))
    return {
        **_row(_size(track, duration), partial(_why, video, [track], duration)),
        "format": track.get("format_id"),
        "codec": track.get("acodec"),
        "bitrate": None if rate is None else round(rate * 1000),
        "language": track.get("language"),
    }


def _row(size: Size | None, why: Callable[[], str]) -> dict[str, Any]:
    if size is None:
        reason = why()
        accuracy = Accuracy.LIVE if reason == _IS_LIVE else Accuracy.UNKNOWN
        return {"bytes": None, "human": None, "accuracy": accuracy, "reason": reason, "format": None}
    human = human_bytes(size.bytes)
    return {"bytes": size.bytes, "human": human, "accuracy": size.accuracy, "format": size.formats}


def _why(video: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], duration: float | None) -> str:
    """Why the size of these formats is not known."""
    if _is_live(video) and duration is None:
        return _IS_LIVE
    part = next((part for part in parts if _size(part, duration) is None), {})
    if PROBLEM in part:
        return str(part[PROBLEM])
    return _NO_DURATION if duration is None and rate_of(part) else _NO_SIZE


def _size(item: Mapping[str, Any], duration: float | None) -> Size | None:
    identifier = str(item.get("format_id", ""))
    for name, accuracy in (("filesize", Accuracy.EXACT), ("filesize_approx", Accuracy.APPROXIMATE)):
        count = number(item.get(name))
        if count is not None:
            return Size(round(count), accuracy, identifier)
    rate = rate_of(item)
    if rate and duration is not None:
        return Size(round(rate * 1000 / 8 * duration), Accuracy.ESTIMATED, identifier)
    return None
