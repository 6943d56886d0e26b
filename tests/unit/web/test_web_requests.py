"""Collaboration and pure: the validation of requests, and the sentences about invalid ones."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from service.breaker.pacing import PaceStatistics
from service.codes import Code
from service.dispatch.request import Answer
from service.errors import ExtractionError, QueueFull
from service.web.api import urls
from service.web.api.cookies import usable
from service.web.errors import Refused
from tests.support.web_app import URL, web

BODY = json.dumps({"url": URL}).encode()
COOKIE = ".example.com\tTRUE\t/\tTRUE\t0\tname\t"


async def body_of(response: Any) -> Any:
    return json.loads(await response.get_data())


@pytest.mark.parametrize("path", ["/api/v1/size", "/api/v1/extract"])
@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "url", "url is required"),
        ({"url": ""}, "url", "url is required"),
        ({"url": None}, "url", "url"),
        ({"url": 5}, "url", "string"),
        ({"url": ["https://a.example"]}, "url", "string"),
        ({"url": "not a url"}, "url", "Invalid URL"),
        ({"url": URL, "cookies": 5}, "cookies", "string"),
        ({"url": URL, "cookies": "a=b; c=d"}, "cookies", "Netscape"),
        ({"url": URL, "cookies": "# fine\n\n#HttpOnly_.a.example\tTRUE"}, "cookies", "line 3"),
        ({"url": URL, "cookies": COOKIE + "\u2713"}, "cookies", "line 1"),
        ({"url": URL, "offset": 5}, "offset", "no field"),
        ({"url": URL, "Url": URL}, "Url", "no field"),
    ],
)
async def test_a_wrong_field_is_named(path: str, body: Any, field: str, words: str) -> None:
    it = web()
    response = await it.post(path, body)
    assert response.status_code == 400
    told = await body_of(response)
    assert told["code"] in ("INVALID_REQUEST", "INVALID_URL")
    assert told["field"] == field
    assert field in told["error"]
    assert words in told["error"]
    assert it.dispatcher.seen == []


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("size", {"URL": URL}, "URL", "is it url?"),
        ("size", {"urls": [URL]}, "urls", "is it url?"),
        ("size", {"link": URL}, "link", "the field url is required"),
        ("extract", {"url": URL, "feilds": ["title"]}, "feilds", "is it fields?"),
        ("extract", {"url": URL, "fields": ["title;id"]}, "fields.0", "letters, digits"),
        ("size", {"url": URL, "language": "en_US"}, "language", "as in de or pt-BR"),
        ("size", {"url": URL, "count": 5}, "count", "of use with entries: true alone"),
        ("batch", {"urls": [URL], "kind": "size", "fields": ["title"]}, "fields", "kind: extract alone"),
    ],
)
async def test_a_field_that_is_nearly_right_is_told_what_would_be(
    path: str, body: Any, field: str, words: str
) -> None:
    it = web()
    told = await body_of(await it.post(f"/api/v1/{path}", body))
    assert (told["code"], told["field"]) == ("INVALID_REQUEST", field)
    assert words in told["error"]
    assert it.dispatcher.seen == []


@pytest.mark.parametrize("path", ["size?entries=true", "size?count=2", "size?cookies=a", "extract?cookies=a"])
async def test_what_a_post_alone_may_have_is_told_so(path: str) -> None:
    told = await body_of(await web().get(f"/api/v1/{path}&url={URL}"))
    assert told["code"] == "INVALID_REQUEST"
    assert "in the body of a POST alone" in told["error"]


async def test_the_place_of_what_is_no_json_is_told() -> None:
    headers = {"Content-Type": "application/json"}
    response = await web().request("POST", "/api/v1/size", data=b"{\"url\": 'a'}", headers=headers)
    assert "line 1 column 9" in (await body_of(response))["error"]


@pytest.mark.parametrize("hint", ["212", True, -1, 86_401, [1], {}])
async def test_a_duration_hint_is_a_number_of_seconds(hint: Any) -> None:
    response = await web().post("/api/v1/size", {"url": URL, "duration_hint": hint})
    assert response.status_code == 400
    assert "duration_hint" in (await body_of(response))["error"]


@pytest.mark.parametrize("hint", [0, 0.5, 86_400, None])
async def test_a_sane_duration_hint_is_passed_on(hint: float | None) -> None:
    it = web()
    assert (await it.post("/api/v1/size", {"url": URL, "duration_hint": hint})).status_code == 200
    assert it.dispatcher.seen[0][0].duration_hint == hint


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"playlist": 101}, "playlist"),
        ({"playlist": -1}, "playlist"),
        ({"playlist": "many"}, "playlist"),
        ({"playlist": 1.5}, "playlist"),
        ({"fields": 5}, "fields"),
        ({"fields": ["id", 5]}, "fields"),
        ({"fields": ["a b"]}, "fields"),
        ({"fields": ["titel"]}, "is it title?"),
        ({"fields": ["x"] * 101}, "fields"),
    ],
)
async def test_wrong_options_of_extract(options: Any, field: str) -> None:
    response = await web().post("/api/v1/extract", {"url": URL, **options})
    assert response.status_code == 400
    assert field in (await body_of(response))["error"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "url"),
        ({"url": URL, "playlist": "x"}, "playlist"),
        ({"url": URL, "playlist": "101"}, "playlist"),
        ({"url": URL, "fields": "a b"}, "fields"),
        ({"url": URL, "fields": "nosuchfield"}, "nosuchfield"),
        ({"url": URL, "feilds": "id"}, "feilds"),
        ({"url": URL, "fields[0]": "id"}, "fields[0]"),
        ([("url", URL), ("url", URL)], "percent-encode the url"),
        ({"url": URL, "cookies": COOKIE}, "cookies"),
    ],
)
async def test_wrong_queries_of_extract(query: Any, field: str) -> None:
    response = await web().get("/api/v1/extract", query_string=query)
    assert response.status_code == 400
    assert field in (await body_of(response))["error"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"nonsense", b'{"url": NaN', b"[" * 5000, b"\xff\xfe", b'{"url": "\\ud800"}'],
    ids=["empty", "cut", "words", "NaN", "deep", "bytes", "surrogate"],
)
async def test_malformed_json(data: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = await web().request("POST", "/api/v1/size", data=data, headers=headers)
    assert response.status_code == 400
    assert (await body_of(response))["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize(("number", "status"), [("NaN", 400), ("-Infinity", 400), ("60", 200)])
async def test_numbers_that_json_does_not_have_are_refused(number: str, status: int) -> None:
    data = f'{{"url": "https://a.test/?NaN", "duration_hint": {number}}}'
    headers = {"Content-Type": "application/json"}
    response = await web().request("POST", "/api/v1/size", data=data, headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize("value", [[], "text", 5, None, [{"url": URL}]])
async def test_json_that_is_no_object(value: Any) -> None:
    response = await web().post("/api/v1/size", value)
    assert response.status_code == 400
    assert "object" in (await body_of(response))["error"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/problem+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        (None, 415),
    ],
)
async def test_the_body_must_be_declared_as_json(content_type: str | None, status: int) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    data = json.dumps({"url": URL})
    response = await web().request("POST", "/api/v1/size", data=data, headers=headers)
    assert response.status_code == status
    if status == 415:
        assert (await body_of(response))["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    ("size", "cookies", "status"),
    [
        (10 * 1024, False, 200),
        (10 * 1024 + 1, False, 413),
        (256 * 1024, True, 200),
        (256 * 1024 + 1, True, 413),
        (1_000_000, False, 413),
    ],
)
async def test_bodies_are_bounded(size: int, cookies: bool, status: int) -> None:
    data = json.dumps({"url": URL, "cookies": COOKIE if cookies else None}).ljust(size)
    assert len(data) == size
    headers = {"Content-Type": "application/json"}
    response = await web().request("POST", "/api/v1/size", data=data, headers=headers)
    assert response.status_code == status
    if status == 413:
        assert (await body_of(response))["code"] == "PAYLOAD_TOO_LARGE"


async def test_a_refusal_repeats_no_cookie() -> None:
    response = await web().post("/api/v1/size", {"url": URL, "cookies": "sid=hush"})
    assert b"hush" not in await response.get_data()


async def test_sites_youtube_keeps_other_sites_out() -> None:
    it = web(sites="youtube")
    response = await it.post("/api/v1/size", {"url": "https://vimeo.com/1"})
    assert response.status_code == 400
    body = await body_of(response)
    assert body["code"] == "INVALID_URL"
    assert body["error"].startswith("Invalid YouTube URL")
    assert (await it.post("/api/v1/size", {"url": URL})).status_code == 200


async def test_http_is_taken_too() -> None:
    it = web()
    plain = {"url": "http://example.com/v"}
    assert (await it.post("/api/v1/size", plain)).status_code == 200
    assert (await it.post("/api/v1/extract", plain)).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://example.com",
            "http://example.com:8080/a?b=c#d",
            "https://EXAMPLE.com/ä",
            "https://[::1]/",
        ),
        *("https://bücher.example/", f"https://example.com/{'x' * (2048 - 20)}", "HTTPS://example.com/"),
        *("https://a_b.example./", "https://127.1/", "https://xn--bcher-kva.example/"),
    ],
)
def test_urls_that_may_be_asked_for(url: str) -> None:
    assert urls.check(url, sites="any") == url


@pytest.mark.parametrize(
    "url",
    [
        *("example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "javascript:alert(1)"),
        *("https://", "https:///path", "https:example.com", "ytsearch:cats", "https://?", "https://:80/"),
        *("https://a b.example", "https://a.example/\x00", "https://a.example/a\nb"),
        *("https://a..b.example/v.mp4", "https://.example", f"https://{'a' * 64}.example", "https://a%2eb/"),
        *("https://a.example..", "https://1.2.3.4.5/", "https://999.1.1.1/", "https://a,b.example/"),
        *("https://a.example\\@b.example", "https://a.example/\u200b", "https://a.example/\u2028"),
        *("https://user:pw@a.example", "https://user@a.example", "https://@a.example", "https://[::1"),
        *("https://a.example:99999", "https://a.example:x", f"https://a.example/{'x' * 2048}"),
        *("https://a.example/#__youtubedl_smuggle=%7B%7D", f"https://{'a' * 254}/"),
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"^Invalid URL"):
        urls.check(url, sites="any")


@pytest.mark.parametrize(
    ("host", "accepted"),
    [
        *((host, True) for host in ("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com")),
        *(
            ("youtu.be", True),
            ("YouTube.com", True),
            ("evilyoutube.com", False),
            ("youtube.com.a.example", False),
        ),
        *(("a.example/youtube.com", False), ("www.youtu.be", False)),
    ],
)
def test_the_hosts_of_youtube(host: str, accepted: bool) -> None:
    url = f"https://{host}/watch?v=x"
    if accepted:
        assert urls.check(url, sites="youtube") == url
    else:
        with pytest.raises(Refused, match=r"^Invalid YouTube URL"):
            urls.check(url, sites="youtube")


@pytest.mark.parametrize(("sent", "seconds"), [("1500", 1.5), ("1", 0.001), ("9999999999", 9_999_999.999)])
async def test_a_client_may_say_how_long_an_answer_is_of_use(sent: str, seconds: float) -> None:
    it = web()
    response = await it.post("/api/v1/size", {"url": URL}, headers={"X-Deadline-Ms": sent})
    assert response.status_code == 200
    assert it.dispatcher.seen[0][1].timeout == seconds


@pytest.mark.parametrize("sent", ["0", "-1", "1.5", "soon", "99999999999", "²"])
async def test_a_deadline_that_is_none_is_named(sent: str) -> None:
    it = web()
    response = await it.request("GET", f"/api/v1/extract?url={URL}", headers={"X-Deadline-Ms": sent})
    assert response.status_code == 400
    assert "X-Deadline-Ms" in (await body_of(response))["error"]
    assert it.dispatcher.seen == []


async def test_an_answer_tells_its_place_in_the_queue() -> None:
    it = web()
    it.dispatcher.answer = Answer(b"{}", position=3, expected_wait=4.25)
    response = await it.post("/api/v1/size", {"url": URL})
    assert response.headers["X-Queue-Position"] == "3"
    assert response.headers["X-Expected-Wait"] == "4.2"


async def test_a_refusal_tells_the_wait_that_was_expected() -> None:
    it = web()
    it.dispatcher.fail(QueueFull(8, retry_after=12.3, expected_wait=31.4))
    response = await it.post("/api/v1/size", {"url": URL})
    assert response.status_code == 503
    assert (response.headers["X-Expected-Wait"], response.headers["Retry-After"]) == ("31.4", "13")


async def test_the_quarantine_is_listed_and_released_by_an_admin(autojump_clock: MockClock) -> None:
    it = web(admin_key="the key of an admin")
    quarantine, poison = it.dispatcher.quarantine, "https://a.example/poison"
    quarantine.killed(poison, "a client", trio.current_time(), ["SIGSEGV", "SIGSEGV"])
    path, admin = "/api/v1/admin/quarantine", {"X-API-Key": "the key of an admin"}
    assert (await it.get(path)).status_code == 401
    assert (await it.request("POST", f"{path}/release")).status_code == 401
    (listed,) = (await body_of(await it.get(path, headers=admin)))["urls"]
    assert (listed["url"], listed["host"], listed["deaths"]) == (poison, "a.example", 2)
    assert (listed["causes"], listed["clients"], listed["cookies"]) == ({"SIGSEGV": 2}, 1, False)
    assert listed["refusedTo"] == "the clients whose jobs killed two workers"
    released = await it.request("POST", f"{path}/release", headers=admin, json={"url": poison})
    assert (await body_of(released))["released"] == 1
    assert (await body_of(await it.get(path, headers=admin)))["urls"] == []
    assert (await body_of(await it.request("POST", f"{path}/release", headers=admin)))["released"] == 0


async def test_the_pace_of_a_slowed_site_is_shown() -> None:
    it = web()
    it.dispatcher.shown = (
        PaceStatistics("a.example", 2.5, 0.4, cuts=1),
        PaceStatistics("b.example", 9, 0, 0),
    )
    paces = (await body_of(await it.get("/api/v1/metrics")))["paces"]
    assert paces == [{"site": "a.example", "rate": 2.5, "wait": 0.4, "cuts": 1}]


@pytest.mark.parametrize("path", ["/api/v1/extract", "/api/v1/size", "/api/v1/redirect", "/api/v1/subtitles"])
async def test_a_url_that_is_not_encoded_is_not_taken_for_another(path: str) -> None:
    it = web()
    response = await it.get(f"{path}?url=https://a.example/play?id=1&ep=5")
    assert response.status_code == 400
    told = await body_of(response)
    assert (told["code"], told["field"]) == ("INVALID_REQUEST", "ep")
    assert "percent-encode the url" in told["error"]
    assert it.dispatcher.seen == []


async def test_fields_as_axios_sends_them() -> None:
    it = web()
    query = [("url", URL), ("fields[]", "title"), ("fields[]", "duration")]
    assert (await it.get("/api/v1/extract", query_string=query)).status_code == 200
    assert it.dispatcher.seen[0][0].fields == ("title", "duration")


@pytest.mark.parametrize("around", [" ", "\r\n", "\ufeff", "\u200b", "\t\u200e", "\u00a0\u2060"])
async def test_what_a_copy_leaves_around_a_url_is_cut_off(around: str) -> None:
    it = web()
    pasted = f"{around}{URL}{around}"
    assert (await it.post("/api/v1/size", {"url": pasted})).status_code == 200
    assert (await it.get("/api/v1/extract", query_string={"url": pasted})).status_code == 200
    batch = await it.post("/api/v1/batch", {"urls": [pasted]})
    await batch.get_data()
    assert [job.url for job, _ in it.dispatcher.seen] == [URL] * 3


@pytest.mark.parametrize(
    ("data", "encoding", "status"),
    [
        (gzip.compress(BODY), "gzip", 200),
        (b"\xef\xbb\xbf" + BODY, "identity", 200),
        (gzip.compress(b"\xef\xbb\xbf" + BODY), "GZIP", 200),
        (gzip.compress(BODY.ljust(10_000_000)), "gzip", 413),
        (gzip.compress(BODY)[:-1], "gzip", 400),
        (BODY, "gzip", 400),
        (BODY, "br", 415),
    ],
    ids=["gzip", "BOM", "both", "bomb", "cut", "plain", "brotli"],
)
async def test_bodies_as_programs_encode_them(data: bytes, encoding: str, status: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    response = await web().request("POST", "/api/v1/size", data=data, headers=headers)
    assert response.status_code == status
    assert response.headers.get("Accept-Encoding") == ("gzip" if status == 415 else None)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *((path, "GET, OPTIONS, POST") for path in ("extract", "size")),
        *((path, "GET, OPTIONS") for path in ("redirect", "subtitles")),
    ],
)
async def test_a_head_does_no_work(path: str, allowed: str) -> None:
    it = web()
    response = await it.request("HEAD", f"/api/v1/{path}?url={URL}")
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
    assert it.dispatcher.seen == []


async def test_a_bad_line_of_the_cookies_is_lost_alone() -> None:
    it = web()
    it.dispatcher.answer = Answer(b'{"ok":true}')
    sent = {"url": URL, "cookies": f"\ufeff# Netscape\n{COOKIE}1\n.a.example\tTRUE\t/\tTRUE\t0\tname\n"}
    told = await body_of(await it.post("/api/v1/extract", sent))
    assert told["ok"] is True
    assert "line 3" in told["warnings"][0]
    assert it.dispatcher.seen[0][0].cookies == f"{COOKIE}1"
    it.dispatcher.fail(ExtractionError(Code.LOGIN_REQUIRED, "no"))
    assert "line 3" in (await body_of(await it.post("/api/v1/size", sent)))["warnings"][0]


@pytest.mark.parametrize("text", [None, "", "\ufeff\r\n"])
def test_a_cookie_file_that_is_empty(text: str | None) -> None:
    assert usable(text) == (None, [])
