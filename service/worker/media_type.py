"""Whether a file is media, by what it is: its first bytes, its Content-Type, the name to save it under.

yt-dlp passes any file on that is no web page, and judges it by the end of its URL alone.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from yt_dlp.networking import Request
from yt_dlp.utils import MEDIA_EXTENSIONS

from ..codes import Code
from .extraction import Downloader
from .refused import Refused

_PICTURES = frozenset(MEDIA_EXTENSIONS.video)
_SOUNDS = frozenset(MEDIA_EXTENSIONS.audio)
_HEAD = 512  # bytes

# What the first bytes of a file say, most particular first.
_MAGIC: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), ext)
    for pattern, ext in (
        (rb".{4}ftypM4A", "m4a"),
        (rb".{4}ftyp(?!avif|heic|heix|mif1|crx )", "mp4"),
        (rb"\x1a\x45\xdf\xa3.{0,60}webm", "webm"),
        (rb"\x1a\x45\xdf\xa3", "mkv"),
        (rb"OggS.{24,60}(?:theora|OVP80)", "ogv"),
        (rb"OggS", "ogg"),
        (rb"fLaC", "flac"),
        (rb"ID3|\xff[\xfb\xf3\xf2]", "mp3"),
        (rb"\xff[\xf1\xf9]", "aac"),
        (rb"RIFF.{4}WAVE", "wav"),
        (rb"RIFF.{4}AVI ", "avi"),
        (rb"FLV\x01", "flv"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
        (rb"\x00\x00\x01\xba", "mpg"),
        (rb"G.{187}G.{187}G", "ts"),
    )
)
_TYPES: Mapping[str, str] = {"application/mp4": "mp4", "application/x-matroska": "mkv"}
_UNTYPED = ("", "application/octet-stream", "binary/octet-stream", "application/force-download")


def identify(downloader: Downloader, info: dict[str, Any]) -> None:
    """Note what kind of media a file is that yt-dlp has passed on by its URL alone.

    Raises:
        Refused: NO_MEDIA, where it is none.
        RequestError: its first bytes cannot be had.
    """
    if not info.get("direct") or info.get("formats") or info.get("ext") in _PICTURES | _SOUNDS:
        return
    headers = {"Range": f"bytes=0-{_HEAD - 1}", "Accept-Encoding": "identity"}
    with contextlib.closing(downloader.urlopen(Request(str(info.get("url")), headers=headers))) as response:
        ext = kind(response.read(_HEAD), response.headers)
    if ext is None:
        raise Refused(Code.NO_MEDIA)
    info["ext"] = ext
    if ext in _SOUNDS:
        info["vcodec"] = "none"


def kind(head: bytes, headers: Mapping[str, str]) -> str | None:
    """The extension that a file deserves; None where it is no media."""
    for pattern, ext in _MAGIC:
        if pattern.match(head):
            return ext
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type in _TYPES:
        return _TYPES[content_type]
    name = re.search(r'filename\*?="?[^";]*\.(\w+)"?\s*(?:;|$)', headers.get("Content-Disposition", ""))
    ext = name[1].lower() if name else ""
    return ext if content_type in _UNTYPED and ext in _PICTURES | _SOUNDS else None
