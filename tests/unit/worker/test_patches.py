"""The patches return what yt-dlp's own functions return. Mostly pure; test_traversal.py has the largest."""

from __future__ import annotations

import copy
import subprocess
import sys
from http.cookiejar import Cookie
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yt_dlp import YoutubeDL
from yt_dlp.cookies import YoutubeDLCookieJar
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS, YoutubeBaseInfoExtractor
from yt_dlp.utils import FormatSorter, RegexNotFoundError

from service.worker import patches
from service.worker.patches import cookies, iterables, metadata, sorting, urls, youtube
from service.worker.patches._patch import Patch
from service.worker.patches.urls import slow_parse_qs, slow_sanitize_url, slow_update_url_query, slow_urljoin

_words = st.text(alphabet="ab%+&=#;? /:@~-_.\\\0\t\u00e9\u20ac02357ACDEFf", max_size=8)
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
@example("https://x.example/?v=1&lang=en", {"v": [], "fmt": None})
@example("https://x.example/p?2=2#", {"2": []})
@example("https://x.example/p?=\ud800", {"": []})
@example("https://x.example/p\0?a=b", {"a": "c"})
@example("https://x.example/p;?a=b", {"a": "c"})
def test_update_url_query(url: str, query: dict[str, Any]) -> None:
    assert urls.update_url_query(url, query) == slow_update_url_query(url, query)


@given(_urls)
def test_parse_qs(url: str) -> None:
    theirs = slow_parse_qs(url)
    mine = urls.url_parse_qs(url)
    assert mine == theirs
    assert list(mine) == list(theirs)
    mine["spoilt"] = ["by its caller"]
    for values in mine.values():
        values.clear()
    assert urls.url_parse_qs(url) == theirs


@given(_words)
@example("s=a%3D&sp=sig&url=https%3A%2F%2Fx.example%2F%3Fn%3D1&s=b")
def test_parse_a_query(query: str) -> None:
    theirs = urls.slow_parse_query(query)
    mine = urls.parse_query(query)
    assert (mine, list(mine)) == (theirs, list(theirs))
    for values in mine.values():
        values.clear()
    assert urls.parse_query(query) == theirs
    assert urls.parse_query(b"a=1&b=2") == {b"a": [b"1"], b"b": [b"2"]}
    assert urls.parse_query(query, True) == urls.slow_parse_query(query, keep_blank_values=True)


_spellings = st.builds(
    "{}{}".format,
    st.sampled_from(["https://", "http://", "httpss://", "rmtpe://", "HTTPS://", "//", "/", "", "a:"]),
    _words,
)


@given(_spellings)
def test_sanitize_url(url: str) -> None:
    assert urls.sanitize_url(url) == slow_sanitize_url(url)
    assert urls.sanitize_url(url, scheme="https") == slow_sanitize_url(url, scheme="https")


@given(_spellings, st.one_of(_spellings, st.just(None), st.just(b"https://x.example/")))
def test_urljoin(base: str, path: Any) -> None:
    assert urls.urljoin(base, path) == slow_urljoin(base, path)
    assert urls.urljoin(base)(path) == slow_urljoin(base)(path)


def test_other_uses_go_to_the_originals() -> None:
    assert urls.url_parse_qs("https://x.example/?a=", keep_blank_values=True) == {"a": [""]}
    assert urls.update_url_query(query={"a": "b"})("https://x.example/") == "https://x.example/?a=b"
    assert urls.sanitize_url(None) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        (1,),
        {1},
        frozenset(),
        "text",
        b"b",
        {},
        1,
        1.5,
        True,
        None,
        len,
        str,
        int,
        range(3),
        iter([]),
        ...,
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_thing_or_several(value: Any) -> None:
    def function() -> None: ...

    for thing in (value, function, Cookie):
        for types in ((), ((str, dict),), (list,)):
            theirs = iterables.slow_is_iterable_like(thing, *types)
            assert iterables.is_iterable_like(thing, *types) == theirs
        assert iterables.is_iterable_like(thing, blocked_types=int) == iterables.slow_is_iterable_like(
            thing, blocked_types=int
        )
        for allowed in ((), ((list, str),)):
            assert iterables.variadic(thing, *allowed) == iterables.slow_variadic(thing, *allowed)


_numbers = st.one_of(st.none(), st.integers(-1, 4000), st.floats(0, 4000))
_formats = st.lists(
    st.fixed_dictionaries(
        {
            "url": st.sampled_from(["https://x.example/v.mp4", "https://x.example/v.m3u8"]),
            "format_id": _words,
        },
        optional={
            **dict.fromkeys(("height", "width", "tbr", "fps", "filesize", "language_preference"), _numbers),
            "vcodec": st.sampled_from(["none", "avc1.4d401f", "vp09.00", "av01", None, "h265"]),
            "acodec": st.sampled_from(["none", "mp4a.40.2", "opus", None]),
            "ext": st.sampled_from(["mp4", "webm", "flv", "m4a", "odd"]),
            "dynamic_range": st.sampled_from(["SDR", "HDR10", None]),
            "preference": st.one_of(_numbers, st.just(["not hashable"])),
            "has_drm": st.booleans(),
        },
    ),
    max_size=6,
)
_orders = st.sampled_from([(), ("res", "fps", "hdr:12", "vcodec", "lang"), ("+size", "br~1000", "res:480")])


@given(_formats, _orders)
def test_the_worth_of_formats(formats: list[dict[str, Any]], order: tuple[str, ...]) -> None:
    def worths(reckon: Any) -> Any:
        with YoutubeDL({"quiet": True}, auto_init=False) as downloader:
            sorter = FormatSorter(downloader, order)
            found: list[Any] = []
            for one in copy.deepcopy(formats):
                try:
                    found.append((reckon(sorter, one), one))
                except TypeError as error:
                    found.append(str(error))
            return found

    assert worths(sorting.calculate_preference) == worths(sorting.slow_calculate_preference)


_tags = st.sampled_from(
    [
        '<meta name="a" content="x &amp; y">', "<META itemprop=b content='<i>1</i>'>", '<meta content="n">',
        '<meta property="c" content="', '<meta name="a"', '">', "<p>", 'content="late"', "<meta id='c'>",
    ]
)  # fmt: skip
_names = st.sampled_from(["a", "b", "c", "A", ["c", "a"], ["d", "b"], ("d",)])


_pages = st.lists(st.one_of(_tags, st.text("<meta> \n", max_size=3)), max_size=12).map("".join)


@given(_pages, st.lists(_names))
def test_the_tags_of_a_page(page: str, names: list[Any]) -> None:
    for filler in (" " * metadata._SHORT, ""):
        with YoutubeDL({"quiet": True, "no_warnings": True}, auto_init=False) as downloader:
            extractor = InfoExtractor(downloader)
            for name in names:
                theirs = metadata.slow_html_search_meta(extractor, name, page + filler, default=None)
                assert metadata.html_search_meta(extractor, name, page + filler, default=None) == theirs


def test_the_tags_of_one_page_are_not_those_of_another() -> None:
    extractor = InfoExtractor(YoutubeDL({"quiet": True}, auto_init=False))
    pages = [f'<meta name="a" content="{text}">'.rjust(2 * metadata._SHORT) for text in ("one", "two")]
    assert [metadata.html_search_meta(extractor, "a", page) for page in pages] == ["one", "two"]
    with pytest.raises(RegexNotFoundError):
        metadata.html_search_meta(extractor, "b", pages[0], fatal=True)


def test_formats_share_the_answer_about_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def fetch(*, required: bool) -> str | None:
        asked.append(required)
        return "token" if required else None

    responses = [{"streamingData": {youtube.TOKEN: fetch}}, {"streamingData": None}, {}]
    monkeypatch.setattr(youtube, "slow_extract_player_responses", lambda *_, **__: (responses, "player"))
    found, player = youtube.extract_player_responses(None)
    token = found[0]["streamingData"][youtube.TOKEN]
    assert [token(required=required) for required in (False, True, False, True)] == [None, "token"] * 2
    assert (asked, player) == ([False, True], "player")


def _jar(*domains: str, names: tuple[str, ...] = ("n",)) -> YoutubeDLCookieJar:
    jar = YoutubeDLCookieJar()
    for domain in domains:
        for name in names:
            dotted = domain.startswith(".")
            jar.set_cookie(
                Cookie(
                    0,
                    name,
                    "v",
                    None,
                    False,
                    domain,
                    True,
                    dotted,
                    "/",
                    True,
                    False,
                    None,
                    False,
                    None,
                    None,
                    {},
                )
            )
    return jar


@given(
    st.lists(st.sampled_from([".youtube.com", "youtube.com", ".com", "x.example", "local", "127.0.0.1"])),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["https://", "http://", "//", ""]),
        st.sampled_from(
            [
                "youtube.com", "www.youtube.com", "YouTube.com", "notyoutube.com", "you%74ube.com",
                "localhost", "user:p@youtube.com", "youtube.com:443", "\u24e8outube.com",
                "127.0.0.1", "x.example", "",
            ]
        ),
        st.sampled_from(["", "/", "/p?q", "?q", "#f"]),
    ),
)  # fmt: skip
def test_cookies_for_a_url(domains: list[str], url: str) -> None:
    def names(function: Any) -> Any:
        try:
            return [(cookie.domain, cookie.name) for cookie in function(_jar(*domains), url)]
        except ValueError as error:  # it is no URL
            return str(error)

    assert names(cookies.get_cookies_for_url) == names(cookies.slow_get_cookies_for_url)


@given(
    st.sets(st.sampled_from(["LOGIN_INFO", "SAPISID", "__Secure-3PAPISID", "PREF"])),
    st.sampled_from([".youtube.com", ".google.com"]),
)
def test_whether_there_is_a_login(names: set[str], domain: str) -> None:
    extractor = YoutubeBaseInfoExtractor()
    extractor._downloader = SimpleNamespace(cookiejar=_jar(domain, names=tuple(names)))
    assert cookies.has_auth_cookies(extractor) == cookies.slow_has_auth_cookies.fget(extractor)


def test_a_clients_configuration_is_a_copy() -> None:
    for client, original in INNERTUBE_CLIENTS.items():
        before = copy.deepcopy(original)
        mine = youtube.default_ytcfg(None, client)
        assert mine == original
        mine["INNERTUBE_CONTEXT"]["client"]["hl"] = "xx"
        assert INNERTUBE_CLIENTS[client] == before


@pytest.mark.parametrize("patch", patches.PATCHES, ids=lambda patch: patch.original)
def test_this_yt_dlp_still_has_the_originals(patch: Patch) -> None:
    """The service skips a patch that no longer applies; this test fails: compare, and renew the digest."""
    assert patch.applies, f"its digest is now {patches.digest(patch.original, *patch.along)}"


def test_one_that_has_changed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("yt_dlp.a_module")
    original = urls.slow_urljoin
    vars(module).update(joined=original, sanitize_url=urls.slow_sanitize_url)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    other = urls.PATCHES[0]._replace(known="of another yt-dlp")
    monkeypatch.setattr(patches, "PATCHES", (other, urls.PATCHES[1]))
    patches.install()
    assert vars(module)["joined"] is urls.urljoin
    assert vars(module)["sanitize_url"] is urls.slow_sanitize_url


def test_a_yt_dlp_without_an_original_keeps_the_other_patches() -> None:
    """In its own process, because an import cannot be undone."""
    program = (
        "import yt_dlp.utils.traversal as moved; del moved._RequiredError\n"
        "from service.worker.patches import PATCHES, install\n"
        "install(); print(*(patch.equivalent.__name__ for patch in PATCHES[:2]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sanitize_url", "urljoin"]
