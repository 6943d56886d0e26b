"""Lists page by page: each entry once, and whether there is more (contract: a real worker and yt-dlp)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service import cursors
from service.wire import Job, Kind, Outcome, Success
from service.worker import paging
from service.worker.job_record import MAX_BYTES, JobRecord
from tests.support.lone_worker import LoneWorker

SITE = "https://files.example"
VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


def succeeded(outcome: Outcome) -> Success:
    assert isinstance(outcome, Success), outcome
    return outcome


def pages(worker: LoneWorker, url: str, count: int) -> Iterator[dict[str, Any]]:
    """The pages that a client gets that goes where `cursor` points."""
    start = 1
    while True:
        job = Job(Kind.EXTRACT, url, playlist=count, start=start)
        page: dict[str, Any] = json.loads(succeeded(worker.run(job)).body)
        yield page
        if not page["hasMore"]:
            assert "cursor" not in page
            return
        start, count = cursors.decode(page["cursor"], url)


@pytest.mark.parametrize("count", [30, 40, 45, 89, 90, 91])
def test_a_list_that_comes_in_pages_of_its_own(worker: LoneWorker, count: int) -> None:
    found = list(pages(worker, "https://www.youtube.com/@someone/videos", count))
    ids = [entry["id"] for page in found for entry in page["entries"]]
    assert ids == [f"video{number:06}" for number in range(90)]
    assert len(found) == -(-90 // count)
    assert found[-1]["playlistCount"] == 90


def test_lines_from_any_entry_on(worker: LoneWorker) -> None:
    job = Job(Kind.EXTRACT, f"{SITE}/feed.xml", playlist=2, start=3, lines=True, fields=("title",))
    head, *entries = map(json.loads, succeeded(worker.run(job)).body.splitlines())
    assert (head["hasMore"], head["playlistCount"]) == (True, 5)
    assert [entry["title"] for entry in entries] == ["Episode 3", "Episode 4"]


def test_a_page_past_the_end(worker: LoneWorker) -> None:
    job = Job(Kind.EXTRACT, f"{SITE}/feed.xml", playlist=2, start=9)
    page = json.loads(succeeded(worker.run(job)).body)
    assert (page["entries"], page["hasMore"]) == ([], False)


def test_a_late_page_may_read_as_much_as_all_before_it() -> None:
    assert JobRecord().max_bytes == MAX_BYTES
    early = paging.allowance(Job(Kind.EXTRACT, SITE, playlist=100))
    late = paging.allowance(Job(Kind.EXTRACT, SITE, playlist=100, start=4901))
    assert early < late <= paging.MAX_BYTES
    assert paging.allowance(Job(Kind.EXTRACT, SITE, playlist=500, start=100_000)) == paging.MAX_BYTES


def test_the_addresses_of_a_lists_entries(worker: LoneWorker) -> None:
    listed = json.loads(
        succeeded(worker.run(Job(Kind.ENTRIES, f"{SITE}/feed.xml", playlist=2, start=2))).body
    )
    assert listed["entries"] == [f"{SITE}/episode-2.mp3", f"{SITE}/episode-3.mp3"]
    assert listed["places"] == [{"index": 0, "title": "Episode 2"}, {"index": 1, "title": "Episode 3"}]
    assert (listed["hasMore"], listed["playlistCount"], listed["missing"]) == (True, 5, 0)
    alone = json.loads(succeeded(worker.run(Job(Kind.ENTRIES, VIDEO, playlist=2))).body)
    assert (alone["entries"], alone["hasMore"]) == ([VIDEO], False)
