"""Collaboration and pure: formats, languages, pages of lists, redirects and transcripts as jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import cursors
from service.codes import Code
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.wire import Job, Kind
from tests.support.web_app import URL, Web, web


async def asked(path: str, **query: Any) -> Job:
    """The job that a query stands for."""
    it = web()
    response = await it.get(f"/api/v1/{path}", query_string={"url": URL, **query})
    assert response.status_code == 200, await response.get_data()
    return it.dispatcher.seen[0][0]


async def refused(path: str, **query: Any) -> Any:
    it = web()
    response = await it.get(f"/api/v1/{path}", query_string={"url": URL, **query})
    assert response.status_code == 400
    assert it.dispatcher.seen == []
    return json.loads(await response.get_data())


async def test_a_size_by_query() -> None:
    job = await asked("size", duration_hint="5", format="bv*[height<=720]+ba", language="pt-BR")
    assert job == Job(Kind.SIZE, URL, duration_hint=5.0, format="bv*[height<=720]+ba", language="pt-BR")


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("size", {"format": "b" * 201}, "format"),
        ("size", {"language": "de/../x"}, "language"),
        ("size", {"duration_hint": "long"}, "duration_hint"),
        ("extract", {"start": "0"}, "start"),
        ("extract", {"count": "501"}, "count"),
        ("extract", {"cursor": "nonsense"}, "cursor"),
        ("extract", {"cursor": ""}, "cursor"),
        ("extract", {"cursor": cursors.encode(URL, 101, 100), "start": "1"}, "start"),
        ("extract", {"cursor": cursors.encode("https://other.example/", 101, 100)}, "cursor"),
        ("subtitles", {"format": "pdf"}, "format"),
    ],
)
async def test_a_wrong_choice_is_named(path: str, query: dict[str, str], field: str) -> None:
    answer = await refused(path, **query)
    assert (answer["code"], answer["field"]) == ("INVALID_REQUEST", field)


async def test_what_is_blank_is_not_given() -> None:
    blank = await asked("size", duration_hint="", format="", language="")
    assert blank == Job(Kind.SIZE, URL)
    assert (await asked("extract", fields="", count="", playlist="")) == Job(Kind.EXTRACT, URL)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, (1, 0)),
        ({"playlist": "30"}, (1, 30)),
        ({"start": "31"}, (31, 50)),
        ({"start": "31", "count": "200"}, (31, 200)),
        ({"playlist": "true", "start": "51"}, (51, 50)),
        ({"cursor": cursors.encode(URL, 101, 100)}, (101, 100)),
        ({"cursor": cursors.encode(URL, 101, 100), "count": "10"}, (101, 10)),
    ],
)
async def test_the_page_of_a_list(query: dict[str, str], page: tuple[int, int]) -> None:
    job = await asked("extract", **query)
    assert (job.start, job.playlist) == page


@given(st.integers(1, cursors.MAX_START), st.integers(1, 500), st.text())
def test_a_cursor_leads_where_it_says(start: int, count: int, url: str) -> None:
    cursor = cursors.encode(url, start, count)
    assert cursors.decode(cursor, url) == (start, count)
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=40))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cursor|URL"):
        cursors.decode(text, URL)


def with_answer(body: bytes) -> Web:
    it = web()
    it.dispatcher.answer = Answer(body, etag="abc")
    return it


async def test_a_redirect() -> None:
    it = with_answer(b'{"ok":true,"location":"https://cdn.example/a b\\n\xc3\xa4.mp4?x=%20&y"}')
    response = await it.get("/api/v1/redirect", query_string={"url": URL, "format": "18"})
    assert response.status_code == 302
    assert response.headers["Location"] == "https://cdn.example/a%20b%0A%C3%A4.mp4?x=%20&y"
    assert it.dispatcher.seen[0][0] == Job(Kind.LOCATION, URL, format="18")


async def test_where_nothing_can_be_redirected_to() -> None:
    it = web()
    it.dispatcher.fail(ExtractionError(Code.NO_DIRECT_URL, "it comes in two parts"))
    response = await it.get("/api/v1/redirect", query_string={"url": URL})
    assert response.status_code == 422
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("form", "content_type"),
    [
        ("txt", "text/plain"),
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt"),
        ("json", "application/json"),
    ],
)
async def test_a_transcript(form: str, content_type: str) -> None:
    it = with_answer("Grüße\n".encode())
    query = {"url": URL, "format": form, "language": "de"}
    response = await it.get("/api/v1/subtitles", query_string=query)
    assert (await response.get_data()).decode() == "Grüße\n"
    assert response.headers["Content-Type"].startswith(content_type)
    assert it.dispatcher.seen[0][0] == Job(Kind.SUBTITLES, URL, format=form, language="de")
    again = await it.get("/api/v1/subtitles", query_string=query, headers={"If-None-Match": 'W/"abc"'})
    assert again.status_code == 304


async def test_what_is_known_of_a_video_comes_with_the_error() -> None:
    it = web()
    about = {"title": "Soon", "live_status": "is_upcoming", "release_timestamp": 4_070_908_800}
    it.dispatcher.fail(ExtractionError(Code.UPCOMING, "not yet", retry_after=3599.2, about=about))
    response = await it.get("/api/v1/size", query_string={"url": URL})
    answer = json.loads(await response.get_data())
    assert response.status_code == 422
    assert (answer["code"], answer["retryAfter"], answer["video"]) == ("UPCOMING", 3600, about)
    assert response.headers["Retry-After"] == "3600"
