"""The parts of a result that a job needs; the other parts are not built.

A third of a YouTube job's CPU goes into captions in 130 languages, headers for each format and a page's
comments and chapters. The parts that are built do not change: a client gets the same fields as from the whole
result.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yt_dlp.extractor.youtube import YoutubeIE
from yt_dlp.utils import traverse_obj

from ..wire import Job, Kind

_CAPTIONS = frozenset(("subtitles", "automatic_captions", "requested_subtitles", "entries"))
_FORMATS = frozenset(("formats", "requested_formats", "http_headers", "entries"))


@dataclass(frozen=True, slots=True)
class Scope:
    """Which costly parts of a result the job needs.

    Attributes:
        captions: subtitles and automatic captions.
        headers: the HTTP headers to request each format with.
        page: the data of the page around the player, and the preparation of a download.
        more: whether a list goes on after the entries that are asked for.
    """

    captions: bool = True
    headers: bool = True
    page: bool = True
    more: bool = True

    @property
    def extractor_args(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """yt-dlp's parameter of that name; a new one per call, because yt-dlp changes it."""
        if self.page:
            return {}
        return {"youtube": {"player_skip": ["initial_data"], "webpage_skip": ["initial_data"]}}


EVERYTHING = Scope()


def scope_of(job: Job) -> Scope:
    """The scope of `job`: a size needs only the formats, named fields only their sources."""
    if job.kind is Kind.SIZE:
        return Scope(captions=False, headers=bool(job.format), page=False, more=False)
    if job.kind is Kind.LOCATION:
        return Scope(captions=False, page=False, more=False)
    if job.kind is Kind.SUBTITLES:
        return Scope(headers=False, page=False, more=False)
    if not job.fields or job.lines:
        return EVERYTHING
    return Scope(captions=not _CAPTIONS.isdisjoint(job.fields), headers=not _FORMATS.isdisjoint(job.fields))


def install() -> None:
    """Patch YouTube's extractor to see only the captions of the spoken language where `scope` has none."""
    original = YoutubeIE._extract_player_responses

    @functools.wraps(original)
    def extract_player_responses(self: Any, *args: Any, **options: Any) -> Any:
        found = original(self, *args, **options)
        if not self._downloader.scope.captions:
            _trim_captions(found[0])
        return found

    YoutubeIE._extract_player_responses = extract_player_responses


def _trim_captions(responses: Any) -> None:
    """Keep only the captions of the spoken language, which yt-dlp takes as the language of the formats."""
    captions = traverse_obj(responses, (..., "captions", "playerCaptionsTracklistRenderer", {dict}))
    generated = [
        traverse_obj(one, ("captionTracks", lambda _, track: track["kind"] == "asr")) for one in captions
    ]
    spoken = {str(track.get("vssId")).removeprefix("a.") for tracks in generated for track in tracks}
    for one, tracks in zip(captions, generated, strict=True):
        one["captionTracks"] = tracks
        one["translationLanguages"] = traverse_obj(
            one, ("translationLanguages", lambda _, language: language["languageCode"] in spoken)
        )
