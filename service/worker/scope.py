"""The parts of a result that a job needs; the other parts are not built.

Almost half of a YouTube job's CPU goes into captions in 130 languages, headers and addresses of each format
and a page's comments and chapters. The parts that are built do not change: a client gets the same fields as
from the whole result.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yt_dlp.extractor.youtube import YoutubeIE
from yt_dlp.utils import traverse_obj

from ..wire import Job, Kind
from .patches import digest

_CAPTIONS = frozenset(("subtitles", "automatic_captions", "requested_subtitles", "entries"))
_FORMATS = frozenset(("formats", "requested_formats", "http_headers", "entries"))

READ = ("n", "xtags")  # what yt-dlp reads of the query of a format's address …
# … where its code has one of these digests, of 2026.3.17, 2026.8.19 and 2026.10.26.
READERS = frozenset(("e1977931e042da9a", "24b112eb500e4f86", "a07f63321d7b79ee"))


@dataclass(frozen=True, slots=True)
class Scope:
    """Which costly parts of a result the job needs.

    Attributes:
        captions: subtitles and automatic captions.
        headers: the HTTP headers to request each format with.
        addresses: those of the formats whose size the site tells.
        page: the data of the page around the player, and the preparation of a download.
        more: whether a list goes on after the entries that are asked for.
    """

    captions: bool = True
    headers: bool = True
    addresses: bool = True
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
        shown = bool(job.format)  # the formats that are chosen are part of the answer
        return Scope(captions=False, headers=shown, addresses=shown, page=False, more=False)
    if job.kind is Kind.LOCATION:
        return Scope(captions=False, page=False, more=False)
    if job.kind is Kind.SUBTITLES:
        return Scope(headers=False, page=False, more=False)
    if not job.fields or job.lines:
        return EVERYTHING
    return Scope(captions=not _CAPTIONS.isdisjoint(job.fields), headers=not _FORMATS.isdisjoint(job.fields))


def install() -> None:
    """Patch YouTube's extractor to see only what `scope` has of captions and addresses."""
    original = YoutubeIE._extract_player_responses
    can_shorten = digest(YoutubeIE._extract_formats_and_subtitles) in READERS

    @functools.wraps(original)
    def extract_player_responses(self: Any, *args: Any, **options: Any) -> Any:
        found = original(self, *args, **options)
        scope = self._downloader.scope
        if not scope.captions:
            _trim_captions(found[0])
        if not scope.addresses and can_shorten:
            _shorten_addresses(found[0])
        return found

    YoutubeIE._extract_player_responses = extract_player_responses


def _trim_captions(responses: Any) -> None:
    """Keep only the captions of the spoken language, which yt-dlp takes as the language of the formats."""
    captions = traverse_obj(responses, (..., "captions", "playerCaptionsTracklistRenderer", {dict}))
    generated = [
        [track for track in _dicts(one.get("captionTracks")) if track.get("kind") == "asr"]
        for one in captions
    ]
    spoken = {str(track.get("vssId")).removeprefix("a.") for tracks in generated for track in tracks}
    for one, tracks in zip(captions, generated, strict=True):
        one["captionTracks"] = tracks
        one["translationLanguages"] = [
            language
            for language in _dicts(one.get("translationLanguages"))
            if language.get("languageCode") in spoken
        ]


def _shorten_addresses(responses: Any) -> None:
    """Leave what a format's address is known by: its place, the challenges and what yt-dlp reads of it."""
    for data in traverse_obj(responses, (..., "streamingData", {dict})):
        for name in ("formats", "adaptiveFormats"):
            for stream in _dicts(data.get(name)):
                if stream.get("contentLength"):
                    shorten(stream)


def shorten(stream: dict[str, Any]) -> None:
    """Shorten the address of one format of a player response, be it plain or within a cipher."""
    if isinstance(url := stream.get("url"), str):
        stream["url"] = _shortened(url, "?", "&", "=", "#")
    elif isinstance(cipher := stream.get("signatureCipher"), str) and "?" not in cipher:
        pairs = cipher.split("&")
        stream["signatureCipher"] = "&".join(
            _shortened(pair, "%3F", "%26", "%3D", "%23") if pair.startswith("url=") else pair
            for pair in pairs
        )


def _shortened(text: str, question: str, ampersand: str, equals: str, hash_: str) -> str:
    """An address without what is not READ of its query; all of it where its spelling is unusual."""
    place, mark, query = text.partition(question)
    pairs = query.split(ampersand)
    names = [pair.partition(equals)[0] for pair in pairs]
    if hash_ in text or not all(map(str.isidentifier, names)):
        return text
    read = (pair for pair, name in zip(pairs, names, strict=True) if name in READ)
    return place + mark + ampersand.join(read)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
