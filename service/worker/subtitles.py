"""What is said in a video: one track of its subtitles, rendered as text, SubRip, WebVTT or JSON."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yt_dlp.networking import Request
from yt_dlp.utils import dfxp2srt

from ..codes import Code
from . import selection
from .extraction import Downloader
from .refused import Refused

MAX_BYTES = 8 << 20  # of a track; a day of speech has two
_READABLE = ("json3", "vtt", "srt", "ttml", "dfxp")  # best first: json3 does not repeat rolling captions
_TIMES = re.compile(
    r"(?:(\d{1,4}):)?(\d\d?):(\d\d)[.,](\d{3})[ \t]+-->[ \t]+"
    r"(?:(\d{1,4}):)?(\d\d?):(\d\d)[.,](\d{3})[^\n]*"
)
_TAG = re.compile(r"<[^<>]*>")

Tracks = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


def transcript(downloader: Downloader, info: Mapping[str, Any], language: str, form: str) -> str:
    """The subtitles of a video in the form txt, srt, vtt or json.

    Raises:
        Refused: NO_SUBTITLES.
        RequestError: they cannot be fetched.
    """
    track = _track(info, language)
    data = track.get("data")
    if not isinstance(data, str):
        with contextlib.closing(downloader.urlopen(Request(str(track.get("url"))))) as response:
            data = response.read(MAX_BYTES).decode("utf-8-sig", "replace")
    cues = list(cues_of(data, str(track.get("ext"))))
    if not cues:
        raise Refused(Code.NO_SUBTITLES, "the subtitles of the video are empty")
    return render(cues, form)


def cues_of(data: str, ext: str) -> Iterator[Cue]:
    """The cues of a track; none where it cannot be read."""
    if ext == "json3":
        yield from _of_json3(data)
        return
    if ext in ("ttml", "dfxp"):
        data = dfxp2srt(data.encode())
    lines = data.replace("\r\n", "\n").replace("\r", "\n")
    for block in re.split(r"\n[ \t]*\n", lines):
        times = _TIMES.search(block)
        text = _plain(block[times.end() :]) if times else ""
        if times and text:
            yield Cue(_seconds(times.groups()[:4]), _seconds(times.groups()[4:]), text)


def render(cues: Sequence[Cue], form: str) -> str:
    """`cues` in the form txt, srt, vtt or json."""
    if form == "json":
        rows = [{"start": cue.start, "end": cue.end, "text": cue.text} for cue in cues]
        return json.dumps(rows, ensure_ascii=False)
    if form == "txt":
        said = [" ".join(cue.text.split()) for cue in cues]
        kept = [text for index, text in enumerate(said) if index == 0 or text != said[index - 1]]
        return "\n".join((*kept, ""))
    mark = "," if form == "srt" else "."
    blocks = [
        f"{number}\n{_stamp(cue.start, mark)} --> {_stamp(cue.end, mark)}\n{cue.text}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks if form == "srt" else ("WEBVTT\n", *blocks))


def _track(info: Mapping[str, Any], language: str) -> Mapping[str, Any]:
    """The track in `language`, or in that of the video: what people wrote comes before what was generated."""
    written, generated = (_usable(info.get(name)) for name in ("subtitles", "automatic_captions"))
    wanted = language or str(info.get("language") or "")
    for tracks in (written, generated):
        for tag in _alike(tracks, wanted) if wanted else ():
            return tracks[tag][0]
    if language or not (written or generated):
        there = ", ".join(sorted(written)[:20]) or ", ".join(sorted(generated)[:20])
        problem = f"the video has no subtitles{f' in {language!r}' if language else ''}"
        raise Refused(Code.NO_SUBTITLES, f"{problem}; there are {there}" if there else problem)
    tracks = written or generated
    originals = [tag for tag in tracks if tag.endswith("-orig")]
    return tracks[next(iter((*originals, *_alike(tracks, "en"), *tracks)))][0]


def _usable(tracks: Any) -> dict[str, list[Mapping[str, Any]]]:
    """The tracks of each language that can be read, best first."""
    found = {}
    for tag, offered in (tracks or {}).items():
        whole = [track for track in offered if track.get("ext") in _READABLE and not _is_in_pieces(track)]
        if whole:
            found[str(tag)] = sorted(whole, key=lambda track: _READABLE.index(track["ext"]))
    return found


def _is_in_pieces(track: Mapping[str, Any]) -> bool:
    return bool(track.get("fragments")) or str(track.get("protocol", "")).startswith("m3u8")


def _alike(tracks: Mapping[str, Any], language: str) -> list[str]:
    """The tags of `language`: itself, as generated for the original, its regions, then without its own."""
    wanted = language.casefold()
    exact = [tag for tag in tracks if tag.casefold() in (wanted, f"{wanted}-orig")]
    regions = [tag for tag in tracks if tag.casefold().startswith(f"{wanted}-") and tag not in exact]
    general = selection.generals(language)
    return exact + regions + [tag for tag in tracks if tag.casefold().removesuffix("-orig") in general]


def _of_json3(data: str) -> Iterator[Cue]:
    try:
        events = json.loads(data)["events"]
        for event in events:
            text = _plain("".join(str(piece.get("utf8", "")) for piece in event.get("segs") or ()))
            start = float(event.get("tStartMs", 0)) / 1000
            if text:
                yield Cue(start, start + float(event.get("dDurationMs", 0)) / 1000, text)
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def _plain(text: str) -> str:
    """Text without markup; a line for each line."""
    lines = (line.strip() for line in html.unescape(_TAG.sub("", text)).splitlines())
    return "\n".join(line for line in lines if line)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _stamp(seconds: float, mark: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
