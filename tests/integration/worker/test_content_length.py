"""Sizes that only a media server knows (contract: a real worker and yt-dlp against the small internet)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.codes import Code
from service.wire import Failure, Job, Kind, Success
from tests.internet import Internet
from tests.internet.media import MP4_SIZE
from tests.support.lone_worker import LoneWorker

SITE = "https://files.example"


def size(worker: LoneWorker, path: str, timeout: float = 20.0, **given: Any) -> dict[str, Any]:
    outcome = worker.run(Job(Kind.SIZE, f"{SITE}/{path}", **given), timeout)
    assert isinstance(outcome, Success), outcome
    answer: dict[str, Any] = json.loads(outcome.body)
    return answer


@pytest.mark.parametrize(
    "path",
    [
        "video.mp4",
        "nohead.mp4",
        "headonly403.mp4",
        "moved.mp4",
        "html5",
        "og-video",
        "twitter-player",
        "jwplayer",
        "json-ld",
    ],
)
def test_a_file_is_as_big_as_its_server_says(worker: LoneWorker, path: str) -> None:
    best = size(worker, path)["best"]
    assert (best["bytes"], best["accuracy"]) == (MP4_SIZE, "exact")


def test_audio_alone(worker: LoneWorker) -> None:
    answer = size(worker, "sound.mp3")
    assert answer["best"]["bytes"] == answer["audio"]["bytes"] == 345_678
    assert answer["audio"]["accuracy"] == "exact"
    assert answer["audio"]["codec"] == "mp3"


def test_each_resolution_is_asked_for_and_no_more_than_its_head(
    internet: Internet, worker: LoneWorker
) -> None:
    internet.reset()
    answer = size(worker, "ladder")
    rows = {row["resolution"]: row for row in answer["resolutions"]}
    for resolution in ("1080p", "720p"):
        assert (rows[resolution]["bytes"], rows[resolution]["accuracy"]) == (MP4_SIZE, "exact")
        assert answer["bytes"][f"s{resolution}"] == MP4_SIZE
    assert (rows["480p"]["bytes"], rows["480p"]["accuracy"]) == (None, "unknown")
    assert "answers 404" in rows["480p"]["reason"]
    assert internet.counters().bytes_sent < 50_000


def test_what_a_site_tells_is_not_asked_for_again(internet: Internet, worker: LoneWorker) -> None:
    internet.reset()
    outcome = worker.run(Job(Kind.SIZE, "https://www.youtube.com/watch?v=dQw4w9WgXcQ"))
    assert isinstance(outcome, Success)
    assert not [host for host in internet.counters().hosts if "googlevideo" in host]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("html5-unsized", "does not tell its size"),
        ("html5-login-file", "does not tell its size"),
        ("html5-gone-file", "answers 404"),
    ],
)
def test_where_nothing_is_known_the_answer_says_why(worker: LoneWorker, path: str, words: str) -> None:
    answer = size(worker, path)
    assert answer["best"] is None
    assert words in answer["reason"]


def test_a_silent_server_does_not_keep_the_answer(worker: LoneWorker) -> None:
    answer = size(worker, "html5-silent-file", timeout=2.0)
    assert answer["best"] is None
    assert "in time" in answer["reason"]
    assert size(worker, "video.mp4")["best"]["bytes"] == MP4_SIZE, "the next job has its own time"


def test_a_file_in_a_private_network_ends_the_job(internet: Internet, worker: LoneWorker) -> None:
    outcome = worker.run(Job(Kind.SIZE, f"{SITE}/html5-private-file"))
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.BLOCKED_TARGET
    assert internet.counters().private_hits == 0


def test_the_bandwidth_of_hls_includes_its_audio(worker: LoneWorker) -> None:
    answer = size(worker, "master.m3u8")
    assert answer["best"]["bytes"] == answer["bytes"]["s1080p"] == 4_800_000 * 120 // 8
    assert answer["best"]["accuracy"] == "estimated"
    assert answer["best"]["formats"] == "4800+audio-English"


def test_a_page_with_hls_has_the_duration_of_its_segments(worker: LoneWorker) -> None:
    answer = size(worker, "html5-hls")
    assert answer["duration"] == 120
    assert answer["best"]["bytes"] == 4_800_000 * 120 // 8


def test_each_resolution_says_what_is_known(worker: LoneWorker) -> None:
    rows = {row["resolution"]: row for row in size(worker, "manifest.mpd")["resolutions"]}
    assert len(rows) == 9
    assert rows["1080p"]["accuracy"] == "estimated"
    assert rows["1080p"]["format"] == "v1080+a"
    assert rows["480p"]["accuracy"] == "unknown"
    assert rows["480p"]["reason"]
    live = size(worker, "live.m3u8")
    assert {row["accuracy"] for row in live["resolutions"]} == {"live", "unknown"}
    assert "duration_hint" in live["reason"]
