"""A client's choice of formats and language, and addresses to use as they are (contract: a real worker)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.codes import Code
from service.wire import Failure, Job, Kind, Success
from tests.internet import Internet
from tests.internet.media import MP4_SIZE
from tests.support.lone_worker import LoneWorker

VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
SITE = "https://files.example"


def answer(worker: LoneWorker, kind: Kind, url: str, **given: Any) -> dict[str, Any]:
    outcome = worker.run(Job(kind, url, **given))
    assert isinstance(outcome, Success), outcome
    found: dict[str, Any] = json.loads(outcome.body)
    return found


def failure(worker: LoneWorker, kind: Kind, url: str, **given: Any) -> Failure:
    outcome = worker.run(Job(kind, url, **given))
    assert isinstance(outcome, Failure), outcome
    return outcome


def test_a_choice_has_its_formats_their_urls_and_the_size_of_all(worker: LoneWorker) -> None:
    found = answer(worker, Kind.SIZE, VIDEO, format="bv*[height<=720][vcodec^=av01]+ba[ext=webm]")
    chosen = found["selection"]
    assert [item["format_id"] for item in chosen["formats"]] == ["398", "251"]
    assert chosen["bytes"] == found["bytes"]["s720p"] == sum(item["bytes"] for item in chosen["formats"])
    assert chosen["accuracy"] == "exact"
    assert all(item["url"].startswith("https://") for item in chosen["formats"])
    assert all("User-Agent" in item["http_headers"] for item in chosen["formats"])


def test_metadata_have_the_choice_too(worker: LoneWorker) -> None:
    found = answer(worker, Kind.EXTRACT, VIDEO, format="18/b", fields=("title", "format_id"))
    assert found["title"]
    assert found["format_id"] == found["selection"]["formats"][0]["format_id"]
    assert len(found["selection"]["formats"]) == 1


def test_the_size_of_a_chosen_file_is_asked_for(worker: LoneWorker) -> None:
    found = answer(worker, Kind.EXTRACT, f"{SITE}/ladder", format="b[height=720]", fields=("title",))
    assert (found["selection"]["bytes"], found["selection"]["accuracy"]) == (MP4_SIZE, "exact")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("bv[height<=720]++ba", "character 17"),
        ("+ba", "character 1:"),
        ("(bv+ba", "bracket"),
        ("b[height<<3]", "character 3: Invalid filter specification 'height<<3'"),
        ("b[ext=mp4] / bv[height = < 720]", "character 17:"),
        ("b[format_id~='(']", "format"),
        ("b" * 201, "at most 200"),
        ("(" * 199, "format"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place_before_the_site_is_asked(
    internet: Internet, worker: LoneWorker, expression: str, words: str
) -> None:
    internet.reset()
    refused = failure(worker, Kind.SIZE, VIDEO, format=expression)
    assert (refused.code, refused.about) == (Code.INVALID_REQUEST, {"field": "format"})
    assert words in refused.message
    assert internet.counters().requests == 0


@pytest.mark.parametrize("expression", ["b[url~='^(.+)+[|]$']", "+".join(["all"] * 12)])
def test_an_expression_that_takes_long_is_refused(worker: LoneWorker, expression: str) -> None:
    refused = failure(worker, Kind.SIZE, VIDEO, format=expression)
    assert refused.code is Code.INVALID_REQUEST
    assert "simplify" in refused.message


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("b[height>9000]", "there are "),
        ("1080p", "b[height<=720]"),
        ("bv[hieght<=720]+ba", "no format has a field hieght; is it height?"),
    ],
)
def test_a_choice_of_nothing(worker: LoneWorker, expression: str, words: str) -> None:
    refused = failure(worker, Kind.SIZE, VIDEO, format=expression)
    assert refused.code is Code.FORMAT_NOT_AVAILABLE
    assert words in refused.message


def test_a_choice_leaves_the_best_of_all_as_it_is(worker: LoneWorker) -> None:
    best = answer(worker, Kind.SIZE, VIDEO)["best"]
    found = answer(worker, Kind.SIZE, VIDEO, format="worst")
    assert found["best"] == best
    assert found["selection"]["bytes"] < best["bytes"]


def test_a_language(worker: LoneWorker) -> None:
    url = f"{SITE}/languages.m3u8"
    german = answer(worker, Kind.SIZE, url, language="de")
    assert german["audio"]["language"] == "de-DE"
    assert german["best"]["formats"].endswith("a-Deutsch")
    assert answer(worker, Kind.SIZE, url, language="en-GB")["audio"]["language"] == "en"
    refused = failure(worker, Kind.SIZE, url, language="fr")
    assert refused.code is Code.FORMAT_NOT_AVAILABLE
    assert "de-DE, en" in refused.message
    assert failure(worker, Kind.SIZE, f"{SITE}/video.mp4", language="fr").code is Code.FORMAT_NOT_AVAILABLE


def test_an_address_to_use_as_it_is(worker: LoneWorker) -> None:
    assert answer(worker, Kind.LOCATION, f"{SITE}/og-video") == {"ok": True, "location": f"{SITE}/video.mp4"}
    assert "googlevideo" in answer(worker, Kind.LOCATION, VIDEO, format="18")["location"]


@pytest.mark.parametrize(
    ("url", "expression", "words"),
    [
        (VIDEO, "bv+ba", "two parts"),
        (f"{SITE}/master.m3u8", "bv", "fragments"),
        (f"{SITE}/cookies", "b", "cookies"),
        (f"{SITE}/html5-login-file", "b", "Referer"),
        (f"{SITE}/html5-gone-file", "b", "answers 404"),
    ],
)
def test_an_address_that_serves_nobody_else(
    worker: LoneWorker, url: str, expression: str, words: str
) -> None:
    refused = failure(worker, Kind.LOCATION, url, format=expression)
    assert refused.code is Code.NO_DIRECT_URL
    assert words in refused.message


def test_a_server_that_does_not_answer_does_not_keep_the_answer(worker: LoneWorker) -> None:
    outcome = worker.run(Job(Kind.LOCATION, f"{SITE}/html5-silent-file", format="b"), 3.0)
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.NO_DIRECT_URL
    assert "in time" in outcome.message
    assert outcome.usage.wall < 3.0


def test_places_inside_a_private_network_are_neither_named_nor_asked(
    internet: Internet, worker: LoneWorker
) -> None:
    url = f"{SITE}/partly-private"
    chosen = answer(worker, Kind.EXTRACT, url, format="all", fields=("title",))
    assert [item["url"] for item in chosen["selection"]["formats"]] == [f"{SITE}/video.mp4"]
    assert answer(worker, Kind.LOCATION, url)["location"] == f"{SITE}/video.mp4"
    assert answer(worker, Kind.SIZE, url)["best"]["bytes"] == MP4_SIZE
    assert failure(worker, Kind.SUBTITLES, url, format="txt").code is Code.NO_SUBTITLES
    listed = answer(worker, Kind.ENTRIES, f"{SITE}/feed-partly-private")
    assert (listed["entries"], listed["missing"]) == ([f"{SITE}/video.mp4"], 1)
    assert [place["index"] for place in listed["places"]] == [0]
    assert failure(worker, Kind.LOCATION, f"{SITE}/html5-private-file").code is Code.BLOCKED_TARGET
    assert internet.counters().private_hits == 0


@pytest.mark.parametrize("kind", [Kind.SIZE, Kind.EXTRACT])
def test_a_video_that_is_not_to_be_had_is_described(worker: LoneWorker, kind: Kind) -> None:
    upcoming = failure(worker, kind, "https://youtu.be/upcoming___")
    assert upcoming.code is Code.UPCOMING
    assert upcoming.about["title"] == "A normal video (Official Video)"
    assert upcoming.about["live_status"] == "is_upcoming"
    assert upcoming.about["release_timestamp"] == 4_070_908_800
    assert upcoming.retry_after == 86_400
    for scene, code in (("members____", Code.PAID), ("drm________", Code.DRM)):
        refused = failure(worker, kind, f"https://youtu.be/{scene}")
        assert refused.code is code
        assert refused.about["title"] == "A normal video (Official Video)"
        assert refused.about["duration"] == 212
        assert refused.retry_after is None


def test_a_site_that_says_stop_is_asked_no_more(internet: Internet, worker: LoneWorker) -> None:
    internet.reset()
    refused = failure(worker, Kind.EXTRACT, "https://youtu.be/botcheck___")
    assert refused.code is Code.BOT_CHECK
    assert refused.about == {}
