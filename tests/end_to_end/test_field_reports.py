"""What people reported of services like this, and what each input is answered (end-to-end).

A row's name has the report, the input and what it was answered before; N are those of a newcomer who tried
what no report has. Reports of settings, signals and
proxies need services of their own and have their tests elsewhere.

python -m tests.end_to_end.test_field_reports prints what each is answered now.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from service import cursors
from tests.internet import EASY, Internet
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
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if content:
        said.setdefault("Content-Type", "application/json")
    return lambda service: httpx.request(
        method,
        f"{service.url}/api/v1/{path}",
        content=content,
        headers=said,
        timeout=PATIENCE,
        verify=NO_TLS,
    )


def says(*words: str) -> dict[str, Any]:
    """The sentence of an error, and that it is one: `words` are in it."""
    return {"error": re.compile(".*".join(map(re.escape, words)))}


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
    # What a newcomer tried: URLs as they are copied
    "N1 capitals, was NOT_FOUND": (size("HTTPS://YOUTU.BE/dQw4w9WgXcQ"), 200, DONE),
    "N2 a final dot, was UPSTREAM_NETWORK": (size("https://youtu.be./dQw4w9WgXcQ"), 200, DONE),
    "N3 <URL>, was refused": (size(f"<{VIDEO}>"), 200, DONE),
    "N4 view-source, was refused": (size(f"view-source:{VIDEO}"), 200, DONE),
    "N5 a markdown link, was 'must start with'": (size(f"[this]({VIDEO})"), 400, says("text in front of it")),
    "N6 two URLs, was 'percent-encode them'": (size(f"{VIDEO}\n{VIDEO}"), 400, says("several URLs")),
    "N7 https:// twice, was BLOCKED_TARGET": (size(f"https://{VIDEO}"), 400, says("https:// twice")),
    "N8 encoded twice, was 'must start with'": (
        get(f"size?url={quote(quote(VIDEO, safe=''))}"),
        400,
        says("once too often"),
    ),
    "N9 an IDN that nobody can look up, was BLOCKED_TARGET": (
        size("https://xn--zzzzzzzzü.example/v.mp4"),
        400,
        {"code": "INVALID_URL", "field": "url"},
    ),
    # Choices that are nearly right
    "N10 =< for <=, was without a place": (
        size(VIDEO, format="bv*[height=<720]+ba"),
        400,
        {"field": "format", **says("at character 5")},
    ),
    "N11 a bracket is missing, was without a field": (
        size(VIDEO, format="b[height<=720"),
        400,
        {"field": "format", **says("at character 14")},
    ),
    "N12 hieght, was 'no format'": (size(VIDEO, format="b[hieght<=720]"), 422, says("is it height?")),
    "N13 720p, was 'no format'": (size(VIDEO, format="720p"), 422, says("b[height<=720]")),
    "N14 the best beside worst, was the worst": (
        size(VIDEO, format="worst"),
        200,
        {"best.formats": "402+251"},
    ),
    "N15 en-US, was FORMAT_NOT_AVAILABLE": (size(VIDEO, language="en-US"), 200, DONE),
    "N16 subtitles in en-US, was NO_SUBTITLES": (
        get(f"subtitles?url={VIDEO}&language=en-US&format=json"),
        200,
        {"0.text": str},
    ),
    "N17 en_US, was a regular expression": (size(VIDEO, language="en_US"), 400, says("as in de or pt-BR")),
    # Requests that are nearly right
    "N18 URL for url, was 'url is required'": (
        sent("POST", "size", BODY.replace(b"url", b"URL")),
        400,
        {"field": "URL", **says("is it url?")},
    ),
    "N19 blank fields of a form, was refused": (get(f"size?url={VIDEO}&format=&language="), 200, DONE),
    "N20 entries by GET, was 'percent-encode the url'": (
        get(f"size?url={FEED}&entries=true"),
        400,
        says("POST alone"),
    ),
    "N21 fields of a size in a batch, was ignored": (
        sent("POST", "batch", json.dumps({"urls": [VIDEO], "kind": "size", "fields": ["title"]}).encode()),
        400,
        {"field": "fields"},
    ),
    "N22 a start beside a cursor, was ignored": (
        extract(FEED, start=1, cursor=cursors.encode(FEED, 3, 2)),
        400,
        {"field": "start"},
    ),
    "N23 single quotes, was 'not valid JSON'": (
        sent("POST", "size", BODY.replace(b'"', b"'")),
        400,
        says("line 1 column 2"),
    ),
    "N24 a slash at the end, was 404 alone": (get(f"size/?url={VIDEO}"), 404, says("is it /api/v1/size?")),
    "N25 two slashes, was HTML": (get(f"/size?url={VIDEO}"), 404, says("is it /api/v1/size?")),
    # What was right
    "N26 url twice": (get(f"size?url={VIDEO}&url={VIDEO}"), 400, {"field": "url"}),
    "N27 magnet": (size("magnet:?xt=urn:btih:abc"), 400, {"code": "INVALID_URL"}),
    "N28 a form's body": (
        sent("POST", "size", b"url=x", Content_Type="application/x-www-form-urlencoded"),
        415,
        says("application/json"),
    ),
    "N29 Accept: application/xml": (sent("GET", f"size?url={VIDEO}", Accept="application/xml"), 200, DONE),
    "N30 the cursor of another URL": (
        extract(VIDEO, cursor=cursors.encode(FEED, 3, 2)),
        400,
        says("belongs to another URL"),
    ),
}


SETTINGS = {"ALLOWED_ORIGINS": ORIGIN}


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings=SETTINGS) as running:
        yield running


@pytest.mark.parametrize("report", ROWS)
def test_each_report_has_its_answer(service: Service, report: str) -> None:
    ask, status, found = ROWS[report]
    answer = ask(service)
    assert answer.status_code == status, answer.text[:500]
    for path, expected in found.items():
        value = reduce(part, path.split("."), answer.json())
        assert fits(value, expected), (path, value)


def fits(value: Any, expected: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return expected.search(value) is not None
    return isinstance(value, expected) if isinstance(expected, type) else bool(value == expected)


def part(value: Any, name: str) -> Any:
    """A field of an object, its fields' names, or an item of a list."""
    if isinstance(value, list):
        return value[int(name)]
    return set(value) if name == "keys" else value[name]


def main() -> None:
    """Print a table of what each report's input was answered, and is answered now."""
    print("| report | before | now |", "|---|---|---|", sep="\n")
    with Internet.spawn(settings=EASY) as internet, Service.run(internet, settings=SETTINGS) as running:
        for name, (ask, _, found) in ROWS.items():
            report, _, before = name.partition(", was ")
            print(f"| {report} | {before or 'the same'} | {_told(ask(running), found)} |")


def _told(answer: httpx.Response, found: dict[str, Any]) -> str:
    """The status, and the error's code and sentence or the fields that matter."""
    told = answer.json() if found else {}
    if "code" in told:
        return f"{answer.status_code} {told['code']}: {told['error']}"
    values = {path: reduce(part, path.split("."), told) for path in found}
    return f"{answer.status_code} " + ", ".join(f"{path} {str(value)[:60]}" for path, value in values.items())


if __name__ == "__main__":
    main()
