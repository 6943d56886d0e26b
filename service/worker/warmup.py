"""Warms the template, so that workers start warm: imports, patterns, tables, and rehearsed extractions."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import threading
import time
from typing import Any

from yt_dlp.networking import Response
from yt_dlp.utils import YoutubeDLError

from ..breaker.sites import endpoint_of
from ..template_wire import WorkerSettings
from ..wire import Job, Kind
from . import state
from .cold import ColdTemplate
from .egress import Guard
from .extraction import Downloader, Shared, extract, parameters, shared
from .pages import pages, visits

_FEW_EXTRACTORS = 1000  # yt-dlp has 1,800; fewer means that importing them failed silently

_HOST = "https://rehearsal.example"
_PAGES = pages(_HOST)
_UNANSWERED = ("https://www.youtube.com/watch?v=rehearsal_0", "https://vimeo.com/1")


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
    endpoint_of(_HOST)  # reads the list of public suffixes: 3.6 MB
    for url in (*visits(_HOST), *_UNANSWERED):
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
