"""End-to-end: YouTube as hard as the field, with player scripts of real size that are replaced by others."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.internet import REALISTIC, Internet, youtube
from tests.internet.youtube_data import STREAMS, scrambled_signature
from tests.support.running_service import Service

PATIENCE = 300  # seconds; a new script takes two of CPU, and workers have a low priority
VIDEOS = ("aaaaaaaaaaa", "bbbbbbbbbbb")


@pytest.fixture(scope="module")
def field() -> Iterator[Internet]:
    with Internet.spawn(settings=REALISTIC) as running:
        yield running


@pytest.fixture(scope="module")
def service(field: Internet) -> Iterator[Service]:
    with Service.run(field, settings={"YTDLP_TIMEOUT": 1000 * PATIENCE}) as running:
        yield running


def test_each_format_of_each_release_is_solved(field: Internet, service: Service) -> None:
    players = {video: youtube.player_of(video, REALISTIC) for video in VIDEOS}
    assert len(set(players.values())) == len(VIDEOS)
    for video, player in players.items():
        url = f"https://www.youtube.com/watch?v={video}"
        answer = httpx.post(f"{service.url}/api/v1/extract", json={"url": url}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        solved = {row["format_id"]: parse_qs(urlsplit(row["url"]).query) for row in answer.json()["formats"]}
        for stream in STREAMS:
            query = solved[str(stream.itag)]
            assert query["n"] == [player.solve_n(f"{video}-wG9")]
            assert query["sig"] == [player.solve_signature(scrambled_signature(stream.itag))]
    assert field.counters().of("www.youtube.com", "script") == len(VIDEOS)
