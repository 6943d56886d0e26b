"""Lists, page by page: what a page has, whether there is more, and where the next one begins.

yt-dlp reads a list from its beginning up to the page that is wanted, so a later page costs more requests, and
is allowed more bytes. One entry beyond the page is looked at, where nothing else says whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yt_dlp.utils import LazyList, PagedList

from .. import cursors
from ..wire import Job, Kind
from .publish import SMUGGLED

PER_ENTRY = 12 << 10  # bytes that a page of a site may spend on each entry
MAX_BYTES = 160 << 20


def allowance(job: Job) -> int:
    """Bytes of pages that `job` may read in addition to what any job may."""
    return min((job.start - 1 + job.playlist) * PER_ENTRY, MAX_BYTES)


def watched(result: dict[str, Any]) -> Any:
    """The entries of a list that yt-dlp is about to read, in a shape that can be read again afterwards."""
    entries = result.get("entries")
    if entries is not None and not isinstance(entries, (list, LazyList, PagedList)):
        entries = result["entries"] = LazyList(entries)
    return entries


def goes_on(entries: Any, result: Mapping[str, Any], end: int) -> bool:
    """Whether a list has an entry after number `end`, the last that was asked for."""
    listed = result.get("requested_entries")
    last = max(listed, default=0) if listed is not None else len(result.get("entries") or ())
    if last < end:
        return False
    count = result.get("playlist_count")
    if isinstance(count, int):
        return count > end
    try:
        entries[end]
    except IndexError:
        return False
    except Exception:  # the next page fails; who asks for it learns how
        return True
    return True


def page(job: Job, info: Mapping[str, Any], count: int, more: bool) -> dict[str, Any]:
    """What an answer says of a list besides its entries.

    Args:
        count: the entries that were asked for.
        more: there are entries after these.
    """
    following = job.start + count
    total = info.get("playlist_count")
    if not isinstance(total, int):
        total = None if more or not info.get("entries") else job.start - 1 + len(info["entries"])
    return {
        "hasMore": more,
        **({"cursor": cursors.encode(job.url, following, count)} if more else {}),
        "playlistCount": total,
    }


def addresses(job: Job, info: Mapping[str, Any], count: int, more: bool) -> dict[str, Any]:
    """The addresses of the entries of a list, with their places and titles; of a video, its own."""
    title, entries = info.get("title"), info.get("entries")
    if entries is None:
        return {"title": title, "entries": [job.url], "places": [_place(0, info)], "missing": 0, **_WHOLE}
    found = [(_address(entry), _place(index, entry)) for index, entry in enumerate(entries)]
    known = [(address, place) for address, place in found if address]
    return {
        "title": title,
        "entries": [address for address, _ in known],
        "places": [place for _, place in known],
        "missing": len(found) - len(known),
        **page(job, info, count, more),
    }


_WHOLE = {"hasMore": False, "playlistCount": None}


def _place(index: int, entry: Any) -> dict[str, Any]:
    """What stands in the line of an entry: its place, also after some that are missing, and its title."""
    title = entry.get("title") if isinstance(entry, Mapping) else None
    return {"index": index, **({"title": title} if isinstance(title, str) else {})}


def _address(entry: Any) -> str | None:
    names = ("url", "webpage_url", "original_url")
    found = (entry.get(name) for name in names) if isinstance(entry, Mapping) else ()
    web = (url for url in found if isinstance(url, str) and url.startswith(("https://", "http://")))
    return next((url.partition(SMUGGLED)[0] for url in web), None)


def names_a_list(job: Job, info: Mapping[str, Any]) -> bool:
    """Whether the answer to `job` is a list whose entries are part of it."""
    listed = info.get("entries") is not None and job.kind is Kind.EXTRACT
    return listed and (not job.fields or job.lines or "entries" in job.fields)
