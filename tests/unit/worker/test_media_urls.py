"""Pure: places that a result may not name, in every field that names one."""

from __future__ import annotations

from typing import Any

import pytest

from service.worker.egress import refusal, rules
from service.worker.media_urls import MediaUrls

GOOD = "https://cdn.example/a"
BAD = (
    *(
        "file:///etc/passwd",
        "ws://cdn.example/",
        "wss://cdn.example/",
        "rtmp://cdn.example/a",
        "ftp://cdn.example/",
    ),
    *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", " file:///etc/passwd"),
    *("http://10.0.0.1/a", "HTTP://10.0.0.1/a", "//10.0.0.1/a", "http://[::1]/a", "http://2130706433/a"),
    *(
        "http://router.local/",
        "http://redis.prod.svc/",
        "http://cdn.example\\@10.0.0.1/",
        "http://",
        "etc/passwd",
    ),
)


def prune(info: dict[str, Any]) -> str | None:
    return MediaUrls(refusal).prune(info)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["url", "manifest_url", "fragment_base_url"])
def test_a_format_is_left_out(name: str, bad: str) -> None:
    info = {"url": GOOD, "formats": [{"url": GOOD}, {"url": GOOD, name: bad}]}
    assert prune(info) is None
    assert info == {"url": GOOD, "formats": [{"url": GOOD}], "partial": True}
    assert prune(info := {"url": GOOD, "formats": [{"url": GOOD, "tc_url": bad, "page_url": GOOD}]}) is None
    assert info["formats"] == [{"url": GOOD, "page_url": GOOD}]


@pytest.mark.parametrize("bad", BAD)
def test_a_fragment_is_no_way_around(bad: str) -> None:
    fragments = {"url": GOOD, "fragments": [{"url": GOOD}, {"url": bad}]}
    info = {
        "url": GOOD,
        "formats": [{"url": GOOD}, fragments],
        "requested_formats": [{"url": GOOD}, fragments],
    }
    assert prune(info) is None
    assert info["formats"] == info["requested_formats"] == [{"url": GOOD}]


@pytest.mark.parametrize("bad", BAD)
def test_neither_are_tracks_pictures_and_links(bad: str) -> None:
    info: dict[str, Any] = {
        "url": GOOD,
        "subtitles": {"en": [{"url": GOOD}, {"url": bad}], "de": [{"data": "1"}]},
        "automatic_captions": {"en": [{"url": GOOD, "manifest_url": bad}]},
        "requested_subtitles": {"en": {"url": bad}},
        "thumbnail": bad,
        "thumbnails": [{"url": bad}, {"url": GOOD}],
        "webpage_url": GOOD,
        "uploader_url": bad,
        "comments": [{"text": bad, "author_url": bad, "author_thumbnail": bad}],
    }
    assert prune(info) is None
    assert info == {
        "url": GOOD,
        "subtitles": {"en": [{"url": GOOD}], "de": [{"data": "1"}]},
        "automatic_captions": {"en": []},
        "requested_subtitles": {},
        "thumbnails": [{"url": GOOD}],
        "webpage_url": GOOD,
        "comments": [{"text": bad}],
        "partial": True,
    }


@pytest.mark.parametrize("bad", BAD)
def test_what_is_told_of_a_refused_video_names_no_such_place(bad: str) -> None:
    known = {"title": "A video", "thumbnail": bad, "webpage_url": GOOD}
    MediaUrls(refusal).links(known)
    assert known == {"title": "A video", "webpage_url": GOOD}


@pytest.mark.parametrize("bad", BAD)
def test_an_entry_becomes_none(bad: str) -> None:
    reference = {"_type": "url", "url": bad}
    video = {"url": GOOD, "formats": [{"url": bad}]}
    info: dict[str, Any] = {"_type": "playlist", "entries": [{"url": GOOD}, video, None]}
    assert prune(info) is None
    assert info == {"_type": "playlist", "entries": [{"url": GOOD}, None, None], "partial": True}
    if ":" in bad:
        assert prune({"_type": "playlist", "entries": [reference]}) is not None


def test_an_entry_may_be_the_id_that_its_extractor_knows() -> None:
    info = {"_type": "playlist", "entries": [{"_type": "url", "url": "dQw4w9WgXcQ", "ie_key": "Youtube"}]}
    assert prune(info) is None
    assert len(info["entries"]) == 1


@pytest.mark.parametrize("bad", BAD)
def test_where_nothing_is_left_there_is_a_reason(bad: str) -> None:
    assert prune({"url": bad})
    assert prune({"url": GOOD, "formats": [{"url": bad}]})
    assert prune({"_type": "playlist", "entries": [{"url": bad}, None]})


def test_yt_dlp_chooses_among_what_is_left() -> None:
    judge = MediaUrls(refusal)
    info: dict[str, Any] = {"formats": [{"url": BAD[0], "height": 2160}, {"url": GOOD, "height": 360}]}
    judge.choose(info)
    assert info == {"formats": [{"url": GOOD, "height": 360}], "partial": True}
    refused = {"formats": [{"url": BAD[0]}]}
    judge.choose(refused)
    assert refused == {"formats": [{"url": BAD[0]}]}, "prune says why"


def test_what_the_operator_allows_is_named() -> None:
    allow = rules(["media.lan:8080"])
    judge = MediaUrls(lambda url: refusal(url, allow))
    assert judge.prune({"url": "http://media.lan:8080/a"}) is None
    assert judge.prune({"url": "http://media.lan:8081/a"}) is not None
