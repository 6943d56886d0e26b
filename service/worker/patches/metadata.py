"""Patches of the search for the tags of a page that describe it: `<meta>`."""

from __future__ import annotations

import re
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

from ._patch import Patch

slow_html_search_meta = InfoExtractor._html_search_meta
_SHORT = 50_000  # characters of a page that is searched again and again in no time
_TAG = re.compile("<meta", re.IGNORECASE)


def html_search_meta(self: Any, name: Any, html: Any, *args: Any, **kwargs: Any) -> Any:
    """InfoExtractor._html_search_meta, which looks for the tags of a long page once."""
    if type(html) is not str or len(html) < _SHORT or "flags" in kwargs:
        return slow_html_search_meta(self, name, html, *args, **kwargs)
    known, places = vars(self).get("_meta_tags", (None, ()))
    if known is not html:
        places = [tag.start() for tag in _TAG.finditer(html)]
        self._meta_tags = html, places
    for one in (name,) if isinstance(name, str) else name:
        matches = re.compile(self._meta_regex(one)).match
        for place in places:
            if matches(html, place):
                return slow_html_search_meta(self, one, html[place:], *args, **kwargs)
    return slow_html_search_meta(self, name, "", *args, **kwargs)


PATCHES = (
    Patch(
        slow_html_search_meta,
        html_search_meta,
        "8f82485c423ee537 db5eac6a96b56af4",  # until 2026.8.19, 2026.10.26
        (InfoExtractor._meta_regex, InfoExtractor._html_search_regex, InfoExtractor._search_regex),
        holder=InfoExtractor,
    ),
)
