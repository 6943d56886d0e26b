"""Sizes of files and lists, choices, redirects and transcripts over HTTP (end-to-end)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.internet import Internet
from tests.internet.media import MP4_SIZE
from tests.support.running_service import Service

VIDEO = "https://youtu.be/dQw4w9WgXcQ"
FILE = "http://files.example/nohead.mp4"


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"MIN_WORKERS": "1", "MAX_WORKERS": "2"}) as running:
        yield running


def get(service: Service, path: str, **query: str) -> httpx.Response:
    return service.get(f"/api/v1/{path}", params=query)


def test_the_size_of_a_file_is_that_of_its_server(service: Service) -> None:
    best = get(service, "size", url=FILE).json()["best"]
    assert (best["bytes"], best["accuracy"]) == (MP4_SIZE, "exact")
    again = get(service, "size", url=FILE)
    assert again.headers["X-Cache"] == "hit"


def test_a_size_comes_with_a_picture_and_what_its_rows_are_of(service: Service) -> None:
    answer = service.size(VIDEO).json()
    assert answer["thumbnail"].startswith("https://i.ytimg.com/")
    (row,) = (row for row in answer["resolutions"] if row["resolution"] == "1080p")
    assert row["codec"].startswith("av01")
    assert row["fps"] > 0


def test_a_choice_of_formats(service: Service) -> None:
    chosen = get(service, "size", url=VIDEO, format="bv*[height<=720]+ba").json()["selection"]
    assert chosen["bytes"] == sum(item["bytes"] for item in chosen["formats"])
    wrong = get(service, "size", url=VIDEO, format="bv*[height<=720]++ba")
    assert wrong.status_code == 400
    assert "character" in wrong.json()["error"]


def test_the_sizes_of_a_list(service: Service) -> None:
    alone = service.size("https://feed.example/rss.xml")
    assert (alone.status_code, alone.json()["code"]) == (422, "IS_A_LIST")
    assert alone.json()["video"]["playlistCount"] == 5
    body = service.size("https://feed.example/rss.xml", entries=True, count=3).text
    *entries, last = map(json.loads, body.splitlines())
    assert [line["ok"] for line in entries] == [True] * 3
    assert last["sum"] == {
        "bytes": 3 * 345_678,
        "human": "1.04 MB",
        "accuracy": "exact",
        "entries": 3,
        "unknown": 0,
    }
    rest = service.size("https://feed.example/rss.xml", entries=True, start=4).text.splitlines()
    assert json.loads(rest[-1])["sum"]["entries"] == 2


def test_whoever_follows_the_cursor_of_a_long_list_gets_each_entry_once(service: Service) -> None:
    url = "https://files.example/list-5000"
    pages = [get(service, "extract", url=url, count="500").json()]
    while pages[-1]["hasMore"]:
        pages.append(get(service, "extract", url=url, cursor=pages[-1]["cursor"]).json())
    titles = [entry["title"] for page in pages for entry in page["entries"]]
    assert titles == [f"Episode {number}" for number in range(1, 5001)]
    assert {page["playlistCount"] for page in pages} == {5000}
    assert "cursor" not in pages[-1]
    other = get(service, "extract", url=VIDEO, cursor=pages[0]["cursor"])
    assert (other.status_code, other.json()["field"]) == (400, "cursor")


def test_a_redirect_to_a_file(service: Service) -> None:
    answer = get(service, "redirect", url=FILE)
    assert (answer.status_code, answer.headers["Location"]) == (302, FILE)
    refused = get(service, "redirect", url=VIDEO, format="bv+ba")
    assert (refused.status_code, refused.json()["code"]) == (422, "NO_DIRECT_URL")


def test_a_transcript(service: Service) -> None:
    answer = get(service, "subtitles", url=VIDEO, language="de")
    assert answer.text == "Hello in de\nand welcome\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_upcoming_video(service: Service) -> None:
    answer = service.size("https://youtu.be/upcoming___")
    assert (answer.status_code, answer.json()["code"]) == (422, "UPCOMING")
    assert answer.json()["video"]["live_status"] == "is_upcoming"
    assert int(answer.headers["Retry-After"]) > 3600
