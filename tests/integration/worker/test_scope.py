"""A result lacks only what its job leaves out (contract: a real worker against the small internet)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service import sizes
from service.codes import Code
from service.fields import VIDEO as PUBLISHED
from service.wire import Failure, Job, Kind, Outcome, Success
from service.worker import publish
from tests.internet import Internet, youtube
from tests.support.lone_worker import LoneWorker

VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
SITE = "https://video.example"
PAGES = [
    VIDEO,
    *(
        f"{SITE}/{page}"
        for page in ("html5", "video.mp4", "sound.mp3", "master.m3u8", "manifest.mpd", "feed.xml")
    ),
]
# Scenes that hang or fail are left out: they are slow, and do not depend on the scope.
SCENES = sorted(name for name, scene in youtube.SCENES.items() if scene.how is None)


@pytest.fixture(scope="module")
def whole(worker: LoneWorker) -> dict[str, Any]:
    return body_of(worker.run(Job(Kind.EXTRACT, VIDEO)))


def body_of(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Success), outcome
    body: dict[str, Any] = json.loads(
        re.sub(rb" \d{4}-\d\d-\d\d \d\d:\d\d", b"", outcome.body)
    )  # of a live title
    return body


@pytest.mark.parametrize("url", [*PAGES, *(f"https://youtu.be/{youtube.video_id(name)}" for name in SCENES)])
def test_a_size_is_that_of_the_whole_result(worker: LoneWorker, url: str) -> None:
    full, size = worker.run(Job(Kind.EXTRACT, url)), worker.run(Job(Kind.SIZE, url))
    if isinstance(full, Failure):
        assert isinstance(size, Failure)
        assert (size.code, size.message) == (full.code, full.message)
    elif (expected := sizes.report(body_of(full))) is None:
        assert isinstance(size, Failure)
        assert size.code is Code.IS_A_LIST
    else:
        found, told = body_of(size), json.loads(publish.encode(expected))
        if not sizes.unmeasured(*whole_subject(full)):
            assert found == told
        for key, count in told["bytes"].items():
            assert found["bytes"][key] == count or count is None, "a server may tell more than the site"


@pytest.fixture
def unsolvable(internet: Internet) -> Iterator[None]:
    internet.set(player="unknown", release=77)
    yield
    internet.reset()


@pytest.mark.usefixtures("unsolvable")
@pytest.mark.parametrize("name", ["challenge", "mixed"])
def test_a_size_is_that_of_the_formats_that_are_left(worker: LoneWorker, name: str) -> None:
    test_a_size_is_that_of_the_whole_result(worker, f"https://youtu.be/{youtube.video_id(name)}")


def whole_subject(full: Success) -> tuple[Mapping[str, Any], float | None]:
    found = sizes.subject(body_of(full))
    assert found is not None
    return found


@given(fields=st.sets(st.sampled_from(sorted(PUBLISHED)), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
@example(fields={"formats"})
@example(fields={"automatic_captions", "title"})
@example(fields={"http_headers", "requested_formats"})
def test_named_fields_are_cut_from_the_whole_result(
    worker: LoneWorker, whole: dict[str, Any], fields: set[str]
) -> None:
    found = body_of(worker.run(Job(Kind.EXTRACT, VIDEO, fields=tuple(sorted(fields)))))
    expected = {name: value for name, value in whole.items() if name in {"ok", *fields}}
    assert without_times(found) == without_times(expected)


def without_times(value: Any) -> Any:
    """`value` without what differs between any two runs of yt-dlp: times, and a random Chrome version."""
    if isinstance(value, dict):
        return {
            key: without_times(item) for key, item in value.items() if key not in ("epoch", "available_at")
        }
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return re.sub(r"Chrome/[\d.]+", "Chrome", value) if isinstance(value, str) else value


def test_captions_are_built_where_they_are_asked_for(worker: LoneWorker, whole: dict[str, Any]) -> None:
    asked = body_of(worker.run(Job(Kind.EXTRACT, VIDEO, fields=("automatic_captions",))))
    assert len(asked["automatic_captions"]) == len(whole["automatic_captions"]) > 100
