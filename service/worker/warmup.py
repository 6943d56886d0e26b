"""Warms the template, so that workers start warm: imports, patterns, tables, and rehearsed extractions."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from yt_dlp.networking import Response
from yt_dlp.utils import YoutubeDLError

from ..wire import Job, Kind, WorkerSettings
from . import state
from .egress import Guard
from .extraction import Downloader, Shared, extract, parameters, shared

_FEW_EXTRACTORS = 1000  # yt-dlp has 1,800; fewer means that importing them failed silently

_HOST = "https://rehearsal.example"
_PAGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        f"{_HOST}/page": (
            "text/html",
            '<html><head><title>A page</title><meta property="og:title" content="A page"></head><body>'
            '<video width="640" height="360"><source src="/v.mp4" type="video/mp4"></video></body></html>',
        ),
        f"{_HOST}/v.mp4": ("video/mp4", ""),
        f"{_HOST}/master.m3u8": (
            "application/vnd.apple.mpegurl",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,CODECS="
            '"avc1.4d401e,mp4a.40.2"\nv.m3u8\n',
        ),
        f"{_HOST}/v.m3u8": (
            "application/vnd.apple.mpegurl",
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nv.ts\n#EXT-X-ENDLIST\n",
        ),
        f"{_HOST}/dash.mpd": (
            "application/dash+xml",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT6S"><Period><AdaptationSet mimeType="video/mp4"><Representation '
            'id="1" bandwidth="800000" width="640" height="360" codecs="avc1.4d401e"><BaseURL>v.mp4</BaseURL>'
            "</Representation></AdaptationSet></Period></MPD>",
        ),
        f"{_HOST}/feed.xml": (
            "application/rss+xml",
            '<?xml version="1.0"?><rss version="2.0"><channel><title>A feed</title><item><title>One</title>'
            f'<link>{_HOST}/page</link><enclosure url="{_HOST}/v.mp4" type="video/mp4"/></item></channel>'
            "</rss>",
        ),
    }
)
_VISITS = (*(f"{_HOST}/{name}" for name in ("page", "v.mp4", "master.m3u8", "dash.mpd", "feed.xml")),)
_UNANSWERED = ("https://www.youtube.com/watch?v=rehearsal_0", "https://vimeo.com/1")


class ColdTemplate(Exception):
    """The template could not be warmed; the text says what is missing."""


def environment(settings: WorkerSettings) -> None:
    """Set the variables that yt-dlp and libc read, in the template and again in each worker."""
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
    os.environ.pop("SSLKEYLOGFILE", None)
    if settings.plugin_dir is None:
        os.environ["YTDLP_NO_PLUGINS"] = "1"
    else:
        os.environ.pop("YTDLP_NO_PLUGINS", None)


def prepare(settings: WorkerSettings) -> Shared:
    """Warm this process, so that its forks start warm.

    Raises:
        ColdTemplate: something is missing, or a fork would break it.
        MissingRuntime: there is no usable JavaScript runtime.
    """
    environment(settings)
    tables = shared(settings)
    if len(tables.extractors.classes) < _FEW_EXTRACTORS:
        raise ColdTemplate(f"yt-dlp has only {len(tables.extractors.classes)} extractors here; reinstall it")
    for extractor in tables.extractors.classes.values():
        # The lazy class and the real one compile a pattern each; a generic page would import the real one.
        extractor.suitable(_HOST)
        getattr(extractor, "real_class", extractor).suitable(_HOST)
    "rehearsal.example".encode("idna")  # imports the codec that getaddrinfo needs
    time.strptime("2026", "%Y")  # imports its parser
    for url in (*_VISITS, *_UNANSWERED):
        _rehearse(url, settings, tables)
    if threading.active_count() > 1:
        raise ColdTemplate("a thread is running after warming; forking would break it")
    state.snapshot()
    gc.collect()
    gc.freeze()  # otherwise a collection in a worker would touch, and so copy, every page
    return tables


class _Rehearsal(Downloader):
    """A Downloader whose internet is _PAGES; everything else is not found."""

    def urlopen(self, req: Any) -> Any:
        url = req if isinstance(req, str) else req.url
        kind, text = _PAGES.get(url, ("text/html", ""))
        body = io.BytesIO(text.encode())
        return Response(body, url, {"Content-Type": kind}, status=200 if url in _PAGES else 404)


def _rehearse(url: str, settings: WorkerSettings, tables: Shared) -> None:
    """Run one extraction for its imports and compiled patterns; the result or failure is ignored."""
    guard = Guard(settings)
    downloader = _Rehearsal(parameters(settings, 1, 1.0), tables, guard, settings.ca_file)
    with contextlib.closing(downloader), contextlib.suppress(YoutubeDLError):
        extract(downloader, Job(Kind.EXTRACT, url))
