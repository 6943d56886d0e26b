"""A format's address loses only what yt-dlp does not read. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st
from yt_dlp.extractor.youtube import YoutubeIE

from service.worker import scope
from service.worker.patches import digest
from tests.internet.youtube_data import STREAMS, media_url

_names = st.sampled_from(["n", "xtags", "expire", "sig", "nn", "N", "%6E", "a-b", ""])
_values = st.text(alphabet="ab=&#%?/;+ \u00e92367DF", max_size=6)
_pairs = st.lists(st.tuples(_names, _values), max_size=5)
_raw = st.text(alphabet="n=&#%?x36DF+", max_size=20).map("https://x.example/v?".__add__)
_urls = st.one_of(_raw, _pairs.map(urlencode).map("https://x.example/videoplayback?".__add__))


def read(url: str) -> tuple[Any, ...]:
    """What yt-dlp makes of an address."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return parts.netloc, parts.path, [query.get(name) for name in scope.READ]


@given(_urls)
def test_a_plain_address(url: str) -> None:
    stream = {"url": url}
    scope.shorten(stream)
    assert read(stream["url"]) == read(url)


@given(_urls, st.sampled_from([quote, lambda url: quote(url, safe=""), str, str.casefold]))
@example("https://x.example/v?n=1&sig=2", lambda url: quote(url, safe="").lower())
@example("https://x.example/v?n=%3FD", str)
def test_an_address_in_a_cipher(url: str, spelling: Any) -> None:
    cipher = f"s=abc%3D&sp=sig&url={spelling(url)}"
    stream = {"signatureCipher": cipher}
    scope.shorten(stream)
    found, before = parse_qs(stream["signatureCipher"]), parse_qs(cipher)
    assert [found.get(name) for name in ("s", "sp")] == [before.get(name) for name in ("s", "sp")]
    assert read(found["url"][0]) == read(before["url"][0])


def test_an_ordinary_address_becomes_short() -> None:
    url = media_url(STREAMS[0], n="challenge", xtags="sr=1")
    plain, signed = {"url": url}, {"signatureCipher": f"s=a&sp=sig&url={quote(url, safe='')}"}
    scope.shorten(plain)
    scope.shorten(signed)
    short = "https://rr3---sn-4g5e6nsz.googlevideo.com/videoplayback?n=challenge&xtags=sr%3D1"
    assert plain["url"] == short
    assert signed["signatureCipher"] == f"s=a&sp=sig&url={quote(short, safe='')}"


def test_this_yt_dlp_reads_no_more() -> None:
    """Where it differs nothing is shortened; see what it reads, then renew the digest."""
    assert digest(YoutubeIE._extract_formats_and_subtitles) in scope.READERS
