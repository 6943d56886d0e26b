"""Runs yt-dlp: its parameters, and a fresh, trimmed YoutubeDL per job over tables that all jobs share.

A fresh YoutubeDL keeps nothing from one job to the next (state.py restores what extractors keep on their
classes). It is cheap, because its expensive parts are shared: the extractor classes (50 ms), the TLS context
(19 ms), the runtime's version (a process). The result equals `yt-dlp -J`, which
tests/integration/worker/test_extraction.py proves it for every kind of page.
"""

from __future__ import annotations

import functools
import http.cookiejar
import io
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yt_dlp
from yt_dlp.networking import Request
from yt_dlp.utils import DownloadError, ExtractorError, sanitize_url
from yt_dlp.utils._jsruntime import DenoJsRuntime

from ..egress.route import Route
from ..template_wire import WorkerSettings
from ..wire import Job
from . import (
    challenges,
    impersonation,
    paging,
    patches,
    player_cache,
    plugins,
    runtime,
    scope,
    sidecars,
    transport,
    withheld,
)
from .egress import Guard
from .extractors import Extractors
from .job_record import JobRecord
from .media_urls import MediaUrls
from .operator_options import with_arguments
from .player_cache import PlayerCache
from .plugins import Loaded
from .scope import EVERYTHING, Scope

DEFAULT_ENTRIES = 25  # of a page that is only a playlist, when the job names no number
_SOCKET_TIMEOUT = 8.0  # seconds
# Domain, subdomains, path, secure, expiry, name, value.
_COOKIE = re.compile(r"(?:[^\t]*\t){4}(?:\d+(?:\.\d+)?)?\t[^\t]*\t[^\t]*")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all jobs of one template share; it is made before the fork."""

    extractors: Extractors
    runtime: DenoJsRuntime
    player_cache: PlayerCache
    plugins: Loaded


@functools.cache
def shared(settings: WorkerSettings) -> Shared:
    """The shared tables, built at the first call.

    Raises:
        MissingRuntime: there is no usable JavaScript runtime.
        ColdTemplate: there is no usable plugin, or no browser to pass for, and there should be.
    """
    loaded = plugins.load(settings.plugin_dir)
    impersonation.check(settings.options.values())
    transport.tls_context(settings.ca_file, False)
    runtime.install()
    player_cache.install()
    challenges.install()
    challenges.ejs_name()
    patches.install()
    scope.install()
    withheld.install()
    with yt_dlp.YoutubeDL({"quiet": True, "cachedir": False}, auto_init="no_verbose_header") as stock:
        extractors = dict(stock._ies)
    return Shared(Extractors(extractors), runtime.find(), PlayerCache(), loaded)


class _Silence:
    """A worker never prints."""

    def debug(self, message: str) -> None: ...

    info = warning = error = stdout = stderr = debug


class Downloader(yt_dlp.YoutubeDL):  # type: ignore[misc]  # yt-dlp is untyped
    """YoutubeDL without its terminal output; every request passes the guard.

    Attributes:
        extractor: the key of the extractor in use ("Youtube", "Generic"), or "".
        scope: the parts of the result that the job needs.
        losses: errors after which yt-dlp continued: a page or an entry of a list is missing, or all of it.
        solve: asks the solver; None where there is none.
        withheld: the site's refusal of the video, raised once its metadata are known.
        described: the metadata of a video without formats.
        more: a list goes on after the entries that are asked for.
    """

    def __init__(
        self,
        params: dict[str, Any],
        tables: Shared,
        guard: Guard,
        ca_file: str | None,
        scope: Scope = EVERYTHING,
        solve: challenges.Solve | None = None,
    ) -> None:
        self.extractor = ""
        self.scope = scope
        self.solve = solve
        self.losses: list[BaseException] = []
        self.media_urls = MediaUrls(guard.refusal)
        self.withheld: ExtractorError | None = None
        self.described: Mapping[str, Any] = {}
        self.more = False
        self._guard = guard
        self._ca_file = ca_file
        arguments = with_arguments(params.get("extractor_args", {}), scope.extractor_args)
        super().__init__({**params, "extractor_args": arguments}, auto_init=False)
        self._choose = tables.extractors.choose
        self._ies = tables.extractors.table()
        self._js_runtimes = {"deno": tables.runtime}
        self.cache = tables.player_cache

    @property
    def job_record(self) -> JobRecord:
        return self._guard.job_record

    def extract_info(
        self, url: str, download: bool = True, ie_key: Any = None, *more: Any, **options: Any
    ) -> Any:
        self._guard.job_record.following()
        self.extractor = (
            ""  # the first one that is now asked for is the one chosen; others only look for embeds
        )
        return super().extract_info(url, download, ie_key or self._choose(url), *more, **options)

    def get_info_extractor(self, ie_key: str) -> Any:
        self.extractor = self.extractor or ie_key
        extractor = super().get_info_extractor(ie_key)
        self._guard.job_record.modules.add(type(extractor).__module__)
        return extractor

    def raise_no_formats(self, info: dict[str, Any], forced: bool = False, *, msg: str | None = None) -> None:
        self.described = info
        super().raise_no_formats(info, forced, msg=msg)

    def _YoutubeDL__process_playlist(self, ie_result: dict[str, Any], download: bool) -> Any:
        entries, end = paging.watched(ie_result), self.params["playlistend"]
        found = super()._YoutubeDL__process_playlist(ie_result, download)
        if found and self.scope.more:
            self.more = paging.goes_on(entries, found, end)
        return found

    def process_video_result(self, info_dict: dict[str, Any], download: bool = True) -> Any:
        if self.withheld is not None:
            self.described = info_dict
            raise self.withheld
        self.media_urls.choose(info_dict)
        return super().process_video_result(info_dict, download)

    def _parse_impersonate_targets(self, impersonate: Any) -> Any:
        available, requested = super()._parse_impersonate_targets(impersonate)
        if requested and available is None:
            self._guard.job_record.unimpersonated = True
        return available, requested

    def trouble(self, message: str | None = None, tb: str | None = None, is_error: bool = True) -> None:
        if is_error:
            self.losses.append(sys.exc_info()[1] or DownloadError(message))
        super().trouble(message, tb, is_error)

    @functools.cached_property
    def _request_director(self) -> Any:
        # In the order in which they are asked whether a request is theirs.
        handlers = [
            *([sidecars.SidecarRH] if self._guard.sidecars else []),
            *impersonation.handlers(self.params.get("source_address")),
            transport.GuardedRH,
        ]
        return self.build_request_director(
            [functools.partial(each, guard=self._guard, ca_file=self._ca_file) for each in handlers]
        )

    def urlopen(self, req: Any) -> Any:
        # Schemes that the one handler does not know never reach its adapter.
        request = Request(req) if isinstance(req, str) else req
        url = sanitize_url(getattr(request, "url", None) or request.full_url)
        sidecars.check(self._guard, url)
        return super().urlopen(request)

    def _calc_headers(self, info_dict: Any, *args: Any, **options: Any) -> Any:
        if self.scope.headers:
            return super()._calc_headers(info_dict, *args, **options)
        return info_dict.get("http_headers") or {}  # those that the site's extractor asks for

    def _forceprint(self, key: str, info_dict: dict[str, Any] | None) -> dict[str, Any] | None:
        # The original renders four tables for templates that are not in use; this is its one lasting effect.
        if info_dict is not None:
            info_dict.setdefault("epoch", int(time.time()))
        return info_dict

    def _default_format_spec(self, info_dict: dict[str, Any]) -> str:
        # The original's answer where ffmpeg is installed, without its search for ffmpeg.
        return "best/bestvideo+bestaudio" if info_dict.get("is_live") else "bestvideo*+bestaudio/best"

    def dl(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a worker never downloads")


def parameters(
    settings: WorkerSettings, playlist: int, timeout: float, start: int = 1, route: Route | None = None
) -> dict[str, Any]:
    """yt-dlp's parameters for metadata only. A new dict per call, because YoutubeDL changes it.

    Args:
        route: the egress of the job; None: that of the settings.
        playlist: how many entries to list; 0 for a single video.
        start: the first of them, from 1.
        timeout: seconds the job has.
    """
    way = route or Route(settings.proxy)
    return {
        "quiet": True,
        "no_warnings": True,
        "logger": _Silence(),
        "color": "no_color",
        "simulate": True,
        "skip_download": True,
        "dump_single_json": True,
        "force_write_download_archive": False,  # None would leave a trace in the result
        "ignoreerrors": "only_download",  # the command line's default; `extract` raises where nothing is left
        "check_formats": False,  # the default downloads samples
        "noplaylist": not playlist,
        "playliststart": start,
        "playlistend": start - 1 + (playlist or DEFAULT_ENTRIES),
        "extract_flat": "in_playlist",
        "socket_timeout": min(_SOCKET_TIMEOUT, timeout),
        "retries": 1,
        "extractor_retries": 1,
        "cachedir": False,
        "geo_bypass": False,
        "enable_file_urls": False,
        "remote_components": [],
        "js_runtimes": {"deno": {}},
        "proxy": way.proxy or "",  # empty: no proxy, not even the environment's
        "source_address": way.source,
    }


def extract(downloader: Downloader, job: Job) -> dict[str, Any]:
    """The info of `job.url`: what `yt-dlp -J` prints, before `sanitize_info` makes it JSON.

    A page or an entry of a list that fails is None among the entries, and `partial` is set.

    Raises:
        http.cookiejar.LoadError: the job's cookies are not in the Netscape format.
        Blocked, OverBudget: the guard ended the job.
        Exception: any other failure, as yt-dlp raises it; failures.py classifies it.
    """
    if job.cookies is not None:
        _load_cookies(downloader, job.cookies)
    info = downloader.extract_info(job.url, download=downloader.scope.page)
    if downloader.withheld is not None:
        raise downloader.withheld
    if downloader.losses and (info is None or not any(info.get("entries", (info,)))):
        raise downloader.losses[0]
    if info is None:
        raise ExtractorError("nothing was extracted", expected=True)
    downloader.post_extract(info)
    found: dict[str, Any] = info
    if downloader.losses:
        found["partial"] = True
    found.setdefault("epoch", int(time.time()))
    found.setdefault("_type", "video")
    return found


def _load_cookies(downloader: Downloader, text: str) -> None:
    """Load the job's cookies into the jar of this YoutubeDL, without a file."""
    lines = text.splitlines()
    for line in lines:
        entry = line.removeprefix("#HttpOnly_")
        if entry.strip() and not entry.startswith("#") and not _COOKIE.fullmatch(entry):
            raise http.cookiejar.LoadError("a line is not a Netscape cookie")  # yt-dlp would print it
    downloader.cookiejar.load(io.StringIO("\n".join(("# Netscape HTTP Cookie File", *lines, ""))))
