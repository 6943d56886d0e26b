"""End-to-end: `python -m bench sizes` on the small internet: what is known of each kind of page, by whom."""

from __future__ import annotations

import pytest

from bench import sizes
from service.template_wire import WorkerSettings
from service.wire import Job, Kind
from tests.internet import Internet
from tests.internet.media import MP4_SIZE
from tests.support.lone_worker import LoneWorker
from tests.support.running_service import Service


@pytest.fixture(scope="module")
def rows(internet: Internet) -> dict[str, sizes.Row]:
    with Service.run(internet, settings={"MIN_WORKERS": 1, "MAX_WORKERS": 1}) as service:
        return sizes.compare(internet, service)


def test_a_size_is_exact_where_a_head_tells_it_and_the_same(rows: dict[str, sizes.Row]) -> None:
    told = {kind: row for kind, row in rows.items() if row.head is not None}
    assert set(told) == {
        *("plain file, mp4", "plain file, mp3", "html5 `<source>`", "`og:video`", "JSON-LD", "YouTube")
    }
    for kind, row in told.items():
        assert (row.bytes, row.accuracy) == (row.head, "exact"), kind


def test_more_is_known_than_a_head_tells(rows: dict[str, sizes.Row]) -> None:
    refused = rows["file whose server refuses HEAD"]
    assert (refused.bytes, refused.accuracy, refused.remark) == (MP4_SIZE, "exact", "answers 405")
    for kind in ("HLS without sizes", "HLS with audio groups", "DASH"):
        assert rows[kind].bytes, kind
        assert rows[kind].accuracy == "estimated", kind


def test_what_is_not_known_says_why(rows: dict[str, sizes.Row]) -> None:
    unknown = {kind: row for kind, row in rows.items() if row.bytes is None}
    assert {kind: row.accuracy for kind, row in unknown.items()} == {
        "HLS, live": "live",
        "HLS, one rendition without a bitrate": "unknown",
        "file sent in chunks, without a length": "unknown",
    }
    assert all(row.reason for row in unknown.values())
    assert len(sizes.table(rows).splitlines()) == len(rows) + 2


def test_the_cpu_is_that_of_workers_with_heads_and_without(internet: Internet) -> None:
    found = sizes.spent(internet, rounds=1)
    assert set(found) == set(sizes.PAGES)
    assert all(cpu > 0 for ((with_heads, without),) in found.values() for cpu in (with_heads, without))


def test_one_of_the_workers_asks_no_server(internet: Internet) -> None:
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))
    internet.reset()
    with LoneWorker.spawn(settings, heads=False) as silent:
        silent.run(Job(Kind.SIZE, sizes.PAGES["three heights"]))
    assert internet.counters().of("files.example") == 1, "the page alone"
