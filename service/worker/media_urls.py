"""What a result names is judged like what a job requests: http and https only, and public places only. Pure.

A page may name any place, and a client that trusts the result would open it: a file, a socket, a script, or
a server of its own network. A format, a track or an entry that names such a place is left out, and the result
marked as partial; a thumbnail or a link is left out without a word. Where nothing is left, the job is
blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from yt_dlp.utils import sanitize_url

Refusal = Callable[[str], str | None]  # why a URL is refused, or None

_MEDIA = ("url", "manifest_url", "fragment_base_url")
_FORMATS = ("formats", "requested_formats")
_TRACKS = ("subtitles", "automatic_captions")
_LINKS_OF_FORMATS = frozenset(("page_url", "player_url", "tc_url"))
_REFERENCES = ("url", "url_transparent")
_PICTURES = ("thumbnail", "author_thumbnail")


class MediaUrls:
    """Judges the URLs of one result.

    Args:
        refusal: judges an origin, of which a result has few.
    """

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal
        self._known: dict[str, str | None] = {}
        self._latest = "\n"  # the origin that passed last; a thousand tracks in a row have the same

    def choose(self, info: dict[str, Any]) -> None:
        """Leave out formats before yt-dlp chooses among them; all stay where none would be left."""
        formats = [*(info.get("formats") or ())]
        left = [each for each in formats if self._media(each) is None]
        if left and len(left) < len(formats):
            info.update(formats=left, partial=True)

    def prune(self, info: dict[str, Any]) -> str | None:
        """Leave out what names a refused place; the reason where that is the whole result."""
        reason = self._media(info) or self._lists(info) or self._entries(info)
        if reason is None:
            self.links(info)
        return reason

    def _lists(self, info: dict[str, Any]) -> str | None:
        """Leave out formats and tracks; the reason where no format is left."""
        for name in _FORMATS:
            formats = [*(info.get(name) or ())]
            left = [each for each in formats if self._media(each) is None]
            if formats and not left:
                return self._media(formats[0])
            if len(left) < len(formats):
                info.update({name: left, "partial": True})
            for each in left:
                for link in _LINKS_OF_FORMATS & each.keys():
                    if self._judge(each[link]) is not None:
                        del each[link]
        for name in _TRACKS:
            for language, tracks in [*(info.get(name) or {}).items()]:
                left = [track for track in tracks if self._media(track) is None]
                if len(left) < len(tracks):
                    info[name][language] = left
                    info["partial"] = True
        wanted = info.get("requested_subtitles") or {}
        for language in [language for language, track in wanted.items() if self._media(track) is not None]:
            del wanted[language]
            info["partial"] = True
        return None

    def _entries(self, info: dict[str, Any]) -> str | None:
        """Put None for each refused entry; the reason where all are."""
        if not info.get("entries"):
            return None
        entries, reason = [*info["entries"]], None
        for number, entry in enumerate(entries):
            refused = self.prune(entry) if entry else None
            if refused is not None:
                entries[number], reason = None, refused
            if refused is not None or (entry and entry.get("partial")):
                info["partial"] = True
        info["entries"] = entries
        return reason if not any(entries) else None

    def links(self, item: dict[str, Any]) -> None:
        """Leave out pictures and links to pages, those of comments included."""
        for name, value in [*item.items()]:
            if isinstance(value, str) and (name.endswith("_url") or name in _PICTURES):
                if self._judge(value) is not None:
                    del item[name]
            elif name == "thumbnails" and value:
                item[name] = [each for each in value if self._media(each) is None]
            elif name == "comments" and value:
                for comment in value:
                    self.links(comment)

    def _media(self, item: Any) -> str | None:
        """Why `item` is refused: for its URL, its manifest's, or that of a fragment."""
        if type(item) is not dict and not isinstance(item, Mapping):  # there are a thousand, nearly all dicts
            return None
        for name in _MEDIA:
            url = item.get(name)
            if url and (reason := self._judge(url)) is not None:
                if item.get("_type") in _REFERENCES and ":" not in url:
                    continue  # an id, which the extractor of the entry knows
                return reason
        fragments = item.get("fragments")
        if fragments and isinstance(fragments, Iterable):
            return next((reason for each in fragments if (reason := self._media(each)) is not None), None)
        return None

    def _judge(self, url: Any) -> str | None:
        if not isinstance(url, str):
            return "a URL that is none"
        if url.startswith(self._latest):
            return None
        origin = "/".join(sanitize_url(url).split("/", 3)[:3])  # yt-dlp gives //host/path a scheme
        if origin not in self._known:
            self._known[origin] = self._refusal(origin)
        reason = self._known[origin]
        if reason is None:
            self._latest = f"{origin}/"
        return reason
