"""The table of extractors chooses as yt-dlp does, but faster (contract: the real extractors; no network)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor

from service.worker import extractors, patches
from service.worker.extractors import EMBEDDING, KNOWN, Extractors, longest_literal

SITES = 300  # of the 6,000 URLs that yt-dlp tests itself with
UNKNOWN = [
    "https://video.example/a.mp4",
    "http://127.0.0.1/",
    "https://www.youtube.com",
    "https://x.example/\u017f",
]


@pytest.fixture(scope="module")
def table() -> Extractors:
    # Not by extraction.shared, which patches yt-dlp for every later test of this process.
    with YoutubeDL({"quiet": True, "cachedir": False}, auto_init="no_verbose_header") as stock:
        return Extractors(dict(stock._ies))


def _real(extractor: type[InfoExtractor]) -> type[InfoExtractor]:
    real: type[InfoExtractor] = getattr(extractor, "real_class", extractor)
    return real


def test_it_chooses_the_extractor_that_asking_all_would_choose(table: Extractors) -> None:
    tests = [test for extractor in table.classes.values() for test in getattr(_real(extractor), "_TESTS", ())]
    urls = sorted({test["url"] for test in tests if test["url"].startswith("http")})
    for url in [*urls[:: len(urls) // SITES], *UNKNOWN]:
        asked = next(key for key, extractor in table.classes.items() if extractor.suitable(url))
        assert table.choose(url) == asked, url


def test_extractors_that_are_not_asked_for_embeds_find_none(table: Extractors) -> None:
    """What the regular expressions of all others find is in this page; those left out find nothing."""
    asked = set(table.table().values())
    assert 100 < len(asked) < len(table.classes) / 2
    page = " ".join(
        f'<iframe src="https://{host}/embed/1234567"></iframe><video src="https://{host}/v.mp4"></video>'
        for host in ("player.vimeo.com/video", "www.youtube.com", "fast.wistia.net", "www.dailymotion.com")
    )
    with YoutubeDL({"quiet": True, "cachedir": False}) as downloader:
        for extractor in table.classes.values():
            if extractor not in asked:
                found = extractor.extract_from_webpage(downloader, "https://x.example/", page)
                assert [*found] == [], extractor


def test_a_table_is_a_downloaders_own(table: Extractors) -> None:
    first, second = table.table(), table.table()
    assert first == dict(table.classes)
    first["Generic"] = first["Another"] = first["Youtube"]
    assert second == dict(table.classes)


def test_this_yt_dlp_still_looks_for_embeds_as_is_known() -> None:
    """With another yt-dlp the service asks all extractors; this test fails: compare, and renew the digest."""
    assert patches.digest(*(getattr(InfoExtractor, name).__func__ for name in EMBEDDING)) == KNOWN


def test_of_another_yt_dlp_all_are_asked(monkeypatch: pytest.MonkeyPatch, table: Extractors) -> None:
    monkeypatch.setattr(extractors, "KNOWN", "of another yt-dlp")
    names = {"Youtube", "Vimeo", "Twitch", "Generic"}
    few = {key: extractor for key, extractor in table.classes.items() if key in names}
    assert [*Extractors(few).table().values()] == [*few.values()]


PATTERNS = [
    r"https?://(?:www\.)?site\.example/(?P<id>\d+)",
    r"(?x)https?:// (?: a | b )\.example / v (?:/x)+",
    r"(?i)HTTPS?://Site\.example",
    r"https?://(?:one|two)\.example/(?!not)(?=in)[a-z]+",
    r"(?:abc)?x{2,3}y?[^z]",
    r".*",
    r"(a)(?:b(c))+\1",
]


@given(st.data(), st.sampled_from(PATTERNS))
def test_a_required_literal_is_in_all_that_matches(data: st.DataObject, pattern: str) -> None:
    matching: Any = data.draw(st.from_regex(re.compile(pattern, re.ASCII)))
    if matching.isascii():
        assert longest_literal(pattern) in matching.lower()


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [(PATTERNS[0], "site.example/"), (PATTERNS[2], "://site.example"), (".*", ""), ("(", "")],
)
def test_the_longest(pattern: str, literal: str) -> None:
    assert longest_literal(pattern) == literal
