"""The shortcuts for YouTube's extractor give what yt-dlp's own functions give. Pure."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from yt_dlp.extractor.youtube import _video
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS, YoutubeBaseInfoExtractor
from yt_dlp.utils import parse_qs, update_url_query

from service.worker import shortcuts

_words = st.text(alphabet="ab%+&=#;? /\u00e9\u20ac2F", max_size=8)
_urls = st.one_of(
    st.builds("https://www.youtube.com/api/timedtext?{}".format, _words),
    st.builds(
        "https://x.example/p?{}#{}".format,
        st.lists(st.tuples(_words, _words), max_size=4).map(lambda p: "&".join(map("=".join, p))),
        _words,
    ),
    st.sampled_from(
        ["", "https://x.example", "https://x.example/?", "//x.example/a?b=c", "?a=1&a=2", "a;b?c=d"]
    ),
)
_queries = st.dictionaries(_words, st.one_of(_words, st.just([]), st.lists(_words, max_size=2)), max_size=4)


@given(_urls, _queries)
@example("https://x.example/?v=1&lang=en&v=2", {"fmt": "vtt", "xosf": [], "v": "3"})
def test_update_url_query(url: str, query: dict[str, Any]) -> None:
    assert shortcuts.update_url_query(url, query) == update_url_query(url, query)


@given(_urls)
def test_parse_qs(url: str) -> None:
    theirs = parse_qs(url)
    mine = shortcuts.url_parse_qs(url)
    assert mine == theirs
    assert list(mine) == list(theirs)
    mine["spoilt"] = ["by its caller"]
    for values in mine.values():
        values.clear()
    assert shortcuts.url_parse_qs(url) == theirs


def test_other_uses_go_to_the_originals() -> None:
    assert shortcuts.url_parse_qs("https://x.example/?a=", keep_blank_values=True) == {"a": [""]}
    assert shortcuts.update_url_query(query={"a": "b"})("https://x.example/") == "https://x.example/?a=b"


def test_a_clients_configuration_is_a_copy() -> None:
    for client, original in INNERTUBE_CLIENTS.items():
        before = copy.deepcopy(original)
        mine = shortcuts._default_ytcfg(None, client)
        assert mine == original
        mine["INNERTUBE_CONTEXT"]["client"]["hl"] = "xx"
        assert INNERTUBE_CLIENTS[client] == before


def test_this_yt_dlp_still_has_what_is_replaced() -> None:
    """A shortcut that no longer applies is skipped in silence; here it is noticed."""
    shortcuts.install()
    assert _video.update_url_query is shortcuts.update_url_query
    assert _video.parse_qs is shortcuts.url_parse_qs
    assert YoutubeBaseInfoExtractor._get_default_ytcfg is shortcuts._default_ytcfg
