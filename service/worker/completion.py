"""What a job asks for beyond yt-dlp's result: chosen formats, sizes that only servers know, an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import sizes
from ..codes import Code
from ..wire import Job, Kind
from . import content_length, media_type, paging, publish, selection, subtitles
from .extraction import DEFAULT_ENTRIES, Downloader
from .refused import Refused

WHOLE = "b/bv*/ba*"  # what an address is of, where no format is named: the best that is one file
MAX_LOCATION = 8000  # characters of an address that is sent in a header; clients and proxies take little more


def complete(
    downloader: Downloader, job: Job, info: dict[str, Any], wanted: selection.Choose | None, seconds: float
) -> dict[str, Any]:
    """The fields that `job` adds to its answer; `info` gets the sizes and the choice.

    Args:
        wanted: the choice that the job's format stands for.
        seconds: what is left of the job's time.

    Raises:
        Refused: the job asks for what is not there.
        Blocked, OverBudget: the guard ended the job.
    """
    media_type.identify(downloader, info)
    count = job.playlist or DEFAULT_ENTRIES
    if job.kind is Kind.ENTRIES:
        return paging.addresses(job, info, count, downloader.more)
    found = sizes.subject(info, job.duration_hint)
    if found is None and (job.kind is not Kind.EXTRACT or wanted is not None):
        raise _a_list(info)
    if found is None or (info.get("entries") is not None and job.kind is Kind.EXTRACT):
        return paging.page(job, info, count, downloader.more) if paging.names_a_list(job, info) else {}
    video = found[0] if found[0] in (info, *(info.get("entries") or ())) else info
    assert isinstance(video, dict)  # as yt-dlp made it
    if job.kind is Kind.SUBTITLES:
        return {"text": subtitles.transcript(downloader, video, job.language, job.format)}
    if job.language:
        selection.keep_language(downloader, video, job.language)
    parts: Sequence[Mapping[str, Any]] = ()
    if wanted is not None:
        # The sizes keep their own best, so that a client can compare.
        keep = job.kind is not Kind.SIZE
        parts = selection.choose(downloader, video, wanted, job.format, keep=keep)
    if job.kind is Kind.LOCATION:
        return {"location": _direct(downloader, parts, seconds)}
    if job.kind is Kind.SIZE or parts:
        content_length.complete(downloader, video, parts, job, seconds)
    return {"selection": _described(job, video, parts)} if parts else {}


def _described(job: Job, video: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The chosen formats with the size of each, and of all together."""
    rows = []
    for part in parts:
        (shown,) = publish.publish({"formats": [part]}, ("formats",))["formats"] or ({},)
        rows.append({**shown, **sizes.weigh([part], video, job.duration_hint), "format": part.get("format")})
    return {"expression": job.format, **sizes.weigh(parts, video, job.duration_hint), "formats": rows}


def _direct(downloader: Downloader, parts: Sequence[Mapping[str, Any]], seconds: float) -> str:
    """The address of a format that any client can use as it is.

    Raises:
        Refused: NO_DIRECT_URL, with the reason.
    """
    part = parts[0]
    usual = {name.casefold(): value for name, value in downloader.params["http_headers"].items()}
    headers = {name.casefold(): value for name, value in (part.get("http_headers") or {}).items()}
    special = sorted(name.title() for name, value in headers.items() if usual.get(name) != value)
    plain = part.get("protocol") in ("http", "https")
    if len(parts) > 1:
        problem = "it comes in two parts, picture and sound; ask for a format that has both"
    elif not plain:
        problem = f"it comes in fragments ({part.get('protocol')})"
    elif len(str(part["url"])) > MAX_LOCATION:
        problem = "it is too long for a header"
    elif part.get("cookies"):
        problem = "its server asks for cookies"
    else:
        url = str(part["url"])
        problem = content_length.closed_to_others(downloader, url, special[0], seconds) if special else ""
        if not problem:
            return url
    raise Refused(Code.NO_DIRECT_URL, f"no URL of this format serves a client as it is: {problem}")


def _a_list(info: Mapping[str, Any]) -> Refused:
    count = info.get("playlist_count")
    known = len(info.get("entries") or ())
    many = str(count) if isinstance(count, int) else f"at least {known}"
    message = f"the URL is a list of {many}: ask /extract for its entries, or /size with entries: true"
    about = {"title": info.get("title"), "playlistCount": count if isinstance(count, int) else None}
    return Refused(Code.IS_A_LIST, message, about=about)
