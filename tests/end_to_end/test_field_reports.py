"""What people reported of services like this, and what each input is answered (end-to-end).

A row's name has the report, the input and what it was answered before. Reports of settings, signals and
proxies need services of their own and have their tests elsewhere.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import httpx
import pytest

from tests.internet import Internet
from tests.internet.media import MP4_SIZE
from tests.support.running_service import NO_TLS, PATIENCE, Service

Ask = Callable[[Service], httpx.Response]
Row = tuple[
    Ask, int, dict[str, Any]
]  # the status, and fields of the answer by their paths: a value or its type


def size(url: str, **options: Any) -> Ask:
    return lambda service: service.size(url, **options)


def extract(url: str, **options: Any) -> Ask:
    return lambda service: service.extract(url, **options)


def get(target: str) -> Ask:
    return lambda service: service.get(f"/api/v1/{target}")


def sent(method: str, path: str, content: bytes = b"", **headers: str) -> Ask:
    said = {"Content-Type": "application/json"} if content else {}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda service: httpx.request(
        method,
        f"{service.url}/api/v1/{path}",
        content=content,
        headers=said,
        timeout=PATIENCE,
        verify=NO_TLS,
    )


VIDEO = "https://youtu.be/dQw4w9WgXcQ"
BODY = json.dumps({"url": VIDEO}).encode()
FEED = "https://feed.example/rss.xml"
FILES = "https://files.example"
JAR = "https://cookies.example/cookies"
COOKIE = ".cookies.example\tTRUE\t/\tFALSE\t0\tsid\t"
ORIGIN = "https://app.example"
PREFLIGHT = {"Origin": ORIGIN, "Access_Control_Request_Method": "POST"}
EXACT = {"best.bytes": MP4_SIZE, "best.accuracy": "exact"}
DONE = {"ok": True, "duration": 212}
NO_MEDIA = {"code": "NO_MEDIA"}
A_LIST = {"code": "IS_A_LIST"}
UPCOMING = {"code": "UPCOMING", "video.live_status": "is_upcoming", "video.title": str, "retryAfter": int}

ROWS: dict[str, Row] = {
    # The size of what has no size by resolution
    "A1 video.mp4, was null": (size("https://direct.example/video.mp4"), 200, EXACT),
    "A1 mp3, was null": (size("https://feed.example/episode-1.mp3"), 200, {"best.accuracy": "exact"}),
    "A1 html5 source, was null": (size("https://html5.example/"), 200, EXACT),
    "A1 og:video, was null": (size(f"{FILES}/og-video"), 200, EXACT),
    "A1 JSON-LD, was null": (size(f"{FILES}/json-ld"), 200, EXACT),
    "A1 HEAD refused, was null": (size(f"{FILES}/headonly403.mp4"), 200, EXACT),
    "A1 no length at all, was null": (size(f"{FILES}/unsized.mp4"), 200, {"best": None, "reason": str}),
    "A5 HLS with audio apart, was null": (
        size("https://hls.example/master.m3u8"),
        200,
        {"best.bytes": 72_000_000, "best.accuracy": "estimated"},
    ),
    "A12 a feed, was NO_MEDIA": (size(FEED), 422, {**A_LIST, "video.playlistCount": 5}),
    "A12 a channel, was NO_MEDIA": (size("https://www.youtube.com/@someone/videos"), 422, A_LIST),
    # What nobody knows, and what is known by another name
    "A6 url not encoded, was another video": (
        get("extract?url=https://any.example/play?id=1&ep=5"),
        400,
        {"field": "ep"},
    ),
    "A6 fields[], was all 74": (
        get(f"extract?url={VIDEO}&fields[]=title&fields[]=duration"),
        200,
        {"keys": {"ok", "title", "duration"}},
    ),
    "A6 offset, was page 1": (extract(FEED, playlist=2, offset=2), 400, {"field": "offset"}),
    "A6 start, was page 1": (extract(FEED, count=2, start=3), 200, {"hasMore": True, "playlistCount": 5}),
    "A6 nosuchfield, was {ok}": (extract(VIDEO, fields=["nosuchfield"]), 400, {"field": "fields.0"}),
    "A6 format, was ignored": (
        size(VIDEO, format="bv*[height<=720]+ba"),
        200,
        {"selection.accuracy": "exact"},
    ),
    # Files that are media, and files that are not
    "A7 octet-stream, was NO_MEDIA": (size(f"{FILES}/attachment"), 200, EXACT),
    "A7 application/mp4, was NO_MEDIA": (size(f"{FILES}/typed"), 200, EXACT),
    "A7 .json, was 200": (extract(f"{FILES}/data.json"), 422, NO_MEDIA),
    "A7 .vtt, was 200": (size(f"{FILES}/said.vtt"), 422, NO_MEDIA),
    # What browsers and people send
    "A10 Cache-Control, was refused": (
        sent("OPTIONS", "size", b"", **PREFLIGHT, Access_Control_Request_Headers="cache-control"),
        204,
        {},
    ),
    "A15 a..b, was EXTRACTOR_BROKEN": (size("https://a..b.example/v.mp4"), 400, {"code": "INVALID_URL"}),
    "A16 sid=✓, was INVALID_URL": (
        extract(JAR, cookies=f"{COOKIE}✓"),
        400,
        {"code": "INVALID_REQUEST", "field": "cookies"},
    ),
    "A16 a line of six, was refused": (
        extract(JAR, cookies=f"{COOKIE}secret1\n.a.example\tTRUE\t/\tFALSE\t0\tx"),
        200,
        {"warnings": list},
    ),
    "A16 a BOM, was refused": (extract(JAR, cookies=f"\ufeff{COOKIE}secret1"), 200, {"ok": True}),
    "A18 blanks, was refused": (size(f" {VIDEO}"), 200, DONE),
    "A18 a line end, was refused": (size(f"{VIDEO}\r\n"), 200, DONE),
    "A18 a zero-width space, was refused": (size(f"\u200b{VIDEO}"), 200, DONE),
    "A18 http, was refused": (size("http://files.example/nohead.mp4"), 200, EXACT),
    "A19 gzip, was no JSON": (
        sent("POST", "size", gzip.compress(BODY), Content_Encoding="gzip"),
        200,
        DONE,
    ),
    "A19 JSON with a BOM, was no JSON": (sent("POST", "size", b"\xef\xbb\xbf" + BODY), 200, DONE),
    "A19 HEAD of extract, was work": (sent("HEAD", f"extract?url={VIDEO}"), 405, {}),
    # What was missing
    "B4 redirect, was 404": (
        get("redirect?url=http://files.example/nohead.mp4"),
        302,
        {"location": "http://files.example/nohead.mp4"},
    ),
    "B7 upcoming, was a code alone": (size("https://youtu.be/upcoming___"), 422, UPCOMING),
    "B8 transcript, was 404": (get(f"subtitles?url={VIDEO}&format=json"), 200, {"0.text": str}),
    "B10 GET size, was 405": (get(f"size?url={VIDEO}"), 200, DONE),
}


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"ALLOWED_ORIGINS": ORIGIN}) as running:
        yield running


@pytest.mark.parametrize("report", ROWS)
def test_each_report_has_its_answer(service: Service, report: str) -> None:
    ask, status, found = ROWS[report]
    answer = ask(service)
    assert answer.status_code == status, answer.text[:500]
    for path, expected in found.items():
        value = reduce(part, path.split("."), answer.json())
        assert isinstance(value, expected) if isinstance(expected, type) else value == expected, path


def part(value: Any, name: str) -> Any:
    """A field of an object, its fields' names, or an item of a list."""
    if isinstance(value, list):
        return value[int(name)]
    return set(value) if name == "keys" else value[name]
