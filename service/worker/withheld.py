"""Videos that cannot be had yet or by everyone: the site's refusal, together with what it tells of the video.

An extractor of yt-dlp ends at the refusal, unless it is told to go on with what it knows; then the refusal is
a mere warning. Here it goes on, and the refusal is raised in the end, as it would have been.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError, GeoRestrictedError

from ..codes import Code
from . import statements
from .job_record import MAX_RETRY_AFTER
from .refused import told

# Of the others nothing more is asked: a site that says stop is left alone.
_WORTH_GOING_ON = frozenset((Code.UPCOMING, Code.NOT_LIVE, Code.PAID, Code.DRM, Code.AGE_RESTRICTED))
_TOLD = ("id", "title", "live_status", "release_timestamp", "duration", "thumbnail", "channel", "webpage_url")


def install() -> None:
    """Patch the three methods by which extractors refuse a video whose metadata they may know."""
    for name in ("raise_no_formats", "raise_login_required", "raise_geo_restricted"):
        setattr(InfoExtractor, name, _withholding(getattr(InfoExtractor, name)))


def about(info: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `info` that comes with an error."""
    return told({name: info[name] for name in _TOLD if info.get(name) is not None})


def seconds_until(about: Mapping[str, Any], code: Code, now: float) -> float | None:
    """How long an upcoming video is still to come, at most a day; None where that is not known."""
    begins = about.get("release_timestamp")
    if code is not Code.UPCOMING or not isinstance(begins, (int, float)) or begins <= now:
        return None
    return min(begins - now, MAX_RETRY_AFTER)


def _withholding(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def refuse(self: Any, *args: Any, **options: Any) -> None:
        try:
            original(self, *args, **options)
        except ExtractorError as error:
            given = signature.bind(self, *args, **options).arguments
            may_go_on = given.get("expected") or given.get("metadata_available")
            if not may_go_on or not _is_worth_it(error):
                raise
            self._downloader.withheld = self._downloader.withheld or error

    return refuse


def _is_worth_it(error: ExtractorError) -> bool:
    return isinstance(error, GeoRestrictedError) or statements.said(error.orig_msg) in _WORTH_GOING_ON
