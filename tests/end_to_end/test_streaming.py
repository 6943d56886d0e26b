"""End-to-end: batches, playlists line by line and progress, from the running service to a client's socket."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.internet import Internet
from tests.support.running_service import ADMIN, PATIENCE, Service, eventually

FAILING = {
    7: ("https://youtu.be/private____", "PRIVATE"),
    13: ("https://404.fail-61.example/", "NOT_FOUND"),
    21: ("https://redirect-metadata.fail-62.example/", "BLOCKED_TARGET"),
    34: ("https://403.fail-63.example/", "FORBIDDEN"),
    42: ("https://user:secret@html5.example/", "INVALID_URL"),
}


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"SCALING": "fixed:4", "YTDLP_TIMEOUT": 15_000}) as running:
        yield running


def batch(service: Service, urls: list[str], **options: Any) -> list[dict[str, Any]]:
    asked = {"urls": urls, **options}
    url = service.url + "/api/v1/batch"
    with httpx.stream("POST", url, json=asked, headers=ADMIN, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.iter_lines()]


def events(service: Service, url: str) -> list[tuple[str, Any]]:
    headers = {**ADMIN, "Accept": "text/event-stream"}
    answer = httpx.get(
        service.url + "/api/v1/extract", params={"url": url}, headers=headers, timeout=PATIENCE
    )
    assert answer.headers["Content-Type"] == "text/event-stream"
    blocks = [block for block in answer.text.strip().split("\n\n") if not block.startswith(":")]
    pairs = [block.split("\n") for block in blocks]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def place(line: dict[str, Any]) -> int:
    index: int = line["index"]
    return index


def test_a_batch_of_50_with_5_failing_sites(service: Service) -> None:
    urls = [f"https://html5.example/?batch={number}" for number in range(50)]
    for index, (url, _) in FAILING.items():
        urls[index] = url
    lines = batch(service, urls)
    assert sorted(line["index"] for line in lines) == list(range(50))
    assert all(line["url"] == urls[line["index"]] for line in lines)
    failed = {line["index"]: line["code"] for line in lines if not line["ok"]}
    assert failed == {index: code for index, (_, code) in FAILING.items()}
    assert all(line["result"]["formats"] for line in lines if line["ok"])
    assert all(line["error"] and line["requestId"] for line in lines if not line["ok"])


def test_lines_come_while_others_still_run(service: Service, internet: Internet) -> None:
    internet.set_latency("dash.example", 2.0)
    urls = ["https://dash.example/manifest.mpd", *(f"https://html5.example/?early={n}" for n in range(6))]
    try:
        assert [line["index"] for line in batch(service, urls)][-1] == 0
    finally:
        internet.set_latency("dash.example", 0)


def test_sizes_in_a_batch(service: Service) -> None:
    (line,) = batch(service, ["https://www.youtube.com/watch?v=dQw4w9WgXcQ"], kind="size")
    assert line["result"]["bytes"]["s720p"] > 0


def test_another_client_is_served_in_the_middle_of_a_batch(service: Service, internet: Internet) -> None:
    internet.set_latency("html5.example", 0.5)
    try:
        with ThreadPoolExecutor() as threads:
            lines = threads.submit(batch, service, [f"https://html5.example/?all={n}" for n in range(40)])
            eventually(lambda: service.pool()["activeTasks"] == 4)
            assert service.pool()["queueLength"] == 0  # the batch waits with its lanes, not in the queue
            assert service.extract("https://direct.example/video.mp4").status_code == 200
            assert not lines.done()
            assert all(line["ok"] for line in lines.result())
    finally:
        internet.set_latency("html5.example", 0)


def test_a_client_that_leaves_cancels_the_batch(service: Service) -> None:
    urls = [f"https://hang.fail-{number}.example/" for number in range(70, 90)]
    tasks = service.pool()["totalTasks"]
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(service.url + "/api/v1/batch", json={"urls": urls}, headers=ADMIN, timeout=1)
    eventually(lambda: service.pool()["activeTasks"] == 0, within=5)
    assert service.pool()["totalTasks"] <= tasks + 4


def test_a_playlist_line_by_line(service: Service) -> None:
    headers = {**ADMIN, "Accept": "application/x-ndjson"}
    asked = {"url": "https://feed.example/rss.xml", "playlist": 4, "fields": ["title", "_type"]}
    answer = httpx.post(service.url + "/api/v1/extract", json=asked, headers=headers, timeout=PATIENCE)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    head, *entries = [json.loads(line) for line in answer.text.splitlines()]
    assert head.pop("cursor")
    assert head.pop("hasMore") is True
    assert head.pop("playlistCount") == 5
    assert head == {"ok": True, "_type": "playlist", "title": "The five episodes"}
    assert len(entries) == 4
    assert all(entry["ok"] and entry["url"] for entry in entries)
    whole = service.extract("https://feed.example/rss.xml", playlist=4).json()
    assert [entry["url"] for entry in entries] == [entry["url"] for entry in whole["entries"]]
    lines = batch(service, [entry["url"] for entry in entries])  # a batch accepts them
    assert [line["result"]["formats"][0]["url"] for line in sorted(lines, key=place)] == [
        entry["url"] for entry in entries
    ]


def test_progress_from_the_start_to_the_result(service: Service) -> None:
    told = events(service, "https://html5.example/?followed")
    assert [name for name, _ in told] == ["started", "done"]
    assert told[-1][1]["ok"] is True
    assert told[-1][1]["formats"]


def test_progress_tells_of_retries(service: Service) -> None:
    told = events(service, "https://500.fail-65.example/")
    assert [name for name, _ in told] == ["started", "retrying", "started", "retrying", "started", "done"]
    assert told[1][1]["code"] == "UPSTREAM_ERROR"
    assert told[-1][1]["code"] == "UPSTREAM_ERROR"


def test_progress_tells_the_place_in_the_queue(service: Service, internet: Internet) -> None:
    internet.set_latency("html5.example", 1.0)
    try:
        with ThreadPoolExecutor() as threads:
            urls = [f"https://html5.example/?before={n}" for n in range(6)]
            answers = [threads.submit(service.extract, url) for url in urls]
            eventually(lambda: service.pool()["queueLength"] == 2)
            told = events(service, "https://direct.example/video.mp4?behind")
            assert all(answer.result().status_code == 200 for answer in answers)
    finally:
        internet.set_latency("html5.example", 0)
    assert [name for name, _ in told] == ["queued", "started", "done"]
    assert 0 <= told[0][1]["position"] <= 2


def test_a_drain_finishes_running_jobs_and_answers_the_other_lines(internet: Internet) -> None:
    internet.set_latency("html5.example", 1.0)
    try:
        with (
            Service.run(internet, settings={"SCALING": "fixed:2"}) as service,
            ThreadPoolExecutor() as threads,
        ):
            urls = [f"https://html5.example/?drained={number}" for number in range(30)]
            answer = threads.submit(batch, service, urls)
            eventually(lambda: service.pool()["activeTasks"] == 2)
            service.process.send_signal(signal.SIGTERM)
            lines = answer.result()
            assert service.process.wait(PATIENCE) == 0
    finally:
        internet.set_latency("html5.example", 0)
    assert sorted(line["index"] for line in lines) == list(range(30))
    assert sum(line["ok"] for line in lines) >= 2
    assert {line["code"] for line in lines if not line["ok"]} == {"SHUTTING_DOWN"}


def test_the_head_comes_before_the_first_line(service: Service) -> None:
    asked = {"urls": ["https://hang.fail-95.example/"]}
    with httpx.stream(
        "POST", service.url + "/api/v1/batch", json=asked, headers=ADMIN, timeout=PATIENCE
    ) as answer:
        assert answer.status_code == 200
        eventually(lambda: service.pool()["activeTasks"] == 1)
    eventually(lambda: service.pool()["activeTasks"] == 0, within=5)


def test_a_client_that_does_not_read_stops_the_batch(service: Service) -> None:
    body = json.dumps({"urls": [f"https://youtu.be/dQw4w9W{number:04d}" for number in range(100)]}).encode()
    url = httpx.URL(service.url)
    tasks = service.pool()["totalTasks"]
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        silent.connect((url.host, url.port))
        head = f"Host: {url.host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        silent.sendall(f"POST /api/v1/batch HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        eventually(lambda: service.pool()["totalTasks"] > tasks)
        eventually(lambda: service.pool()["activeTasks"] == 0)
        time.sleep(1)  # time for all the others to run, some 400 KB each
        assert service.pool()["totalTasks"] < tasks + 40
