"""End-to-end: the running service, with the real yt-dlp, against the small internet."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.internet import Internet
from tests.support.processes import alive
from tests.support.running_service import ADMIN, Service, eventually

VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    settings = {"YTDLP_TIMEOUT": 6000, "SCALING": "fixed:4"}
    with Service.run(internet, settings=settings) as running:
        yield running


def test_sizes_are_av1_first_with_audio(service: Service) -> None:
    answer = service.size(VIDEO)
    assert answer.status_code == 200
    sizes = answer.json()
    assert sizes["ok"] is True
    formats = {one["format_id"]: one.get("filesize") for one in service.extract(VIDEO).json()["formats"]}
    for key, itag in {"s144p": "394", "s720p": "398", "s1080p": "399", "s1440p": "400"}.items():
        assert sizes["bytes"][key] == formats[itag] + formats["251"]
    for key, itag in {"s1080p_299": "299", "s1080p_303": "303", "s1440p_308": "308"}.items():
        assert sizes["bytes"][key] == formats[itag] + formats["251"]
    assert sizes["human"]["s1080p"] == f"{sizes['bytes']['s1080p'] / 1e6:.2f} MB"
    assert (sizes["duration"], sizes["human"]["duration"]) == (212, "3:32")
    assert answer.headers["Server-Timing"]
    assert answer.headers["X-Request-ID"].startswith("req_")


@pytest.mark.parametrize(
    ("url", "extractor"),
    [
        (VIDEO, "youtube"),
        ("https://youtu.be/dQw4w9WgXcQ?t=1&list=PLabcdefghij0123456789", "youtube"),
        ("https://html5.example/", "html5"),
        ("https://direct.example/video.mp4", "generic"),
        ("https://hls.example/master.m3u8", "generic"),
        ("https://dash.example/manifest.mpd", "generic"),
        ("https://any.example/json-ld", "generic"),
    ],
)
def test_every_kind_of_page_is_extracted(service: Service, url: str, extractor: str) -> None:
    answer = service.extract(url)
    assert answer.status_code == 200, answer.text
    info = answer.json()
    assert info["ok"] is True
    assert info["extractor"] == extractor
    assert info["formats"]
    assert service.get("/api/v1/extract", params={"url": url}).json()["id"] == info["id"]


def test_a_feed_is_a_playlist(service: Service) -> None:
    info = service.extract("https://feed.example/rss.xml", playlist=3).json()
    assert info["_type"] == "playlist"
    assert len(info["entries"]) == 3


def test_the_runtime_solves_a_challenge(service: Service) -> None:
    answer = service.extract("https://youtu.be/challenge__")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["formats"]) > 20
    assert "deno" in service.get("/health").json()["dependencies"]["javascript"]["version"]


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("https://youtu.be/private____", 422, "PRIVATE"),
        ("https://youtu.be/removed____", 422, "REMOVED"),
        ("https://youtu.be/agegate____", 422, "AGE_RESTRICTED"),
        ("https://youtu.be/geoblock___", 422, "GEO_RESTRICTED"),
        ("https://youtu.be/members____", 422, "PAID"),
        ("https://youtu.be/upcoming___", 422, "UPCOMING"),
        ("https://youtu.be/drm________", 422, "DRM"),
        ("https://youtu.be/botcheck___", 429, "BOT_CHECK"),
        ("https://429.fail-01.example/", 429, "RATE_LIMITED"),
        ("https://403.fail-02.example/", 502, "FORBIDDEN"),
        ("https://404.fail-03.example/", 422, "NOT_FOUND"),
        ("https://410.fail-04.example/", 422, "REMOVED"),
        ("https://401.fail-05.example/", 422, "LOGIN_REQUIRED"),
        ("https://402.fail-06.example/", 422, "PAID"),
        ("https://451.fail-07.example/", 422, "GEO_RESTRICTED"),
        ("https://500.fail-08.example/", 502, "UPSTREAM_ERROR"),
        ("https://cloudflare.fail-09.example/", 429, "BOT_CHECK"),
        ("https://reset.fail-12.example/", 502, "UPSTREAM_NETWORK"),
        ("https://truncated.fail-13.example/", 502, "UPSTREAM_NETWORK"),
        ("https://empty.fail-14.example/", 422, "NO_MEDIA"),
        ("https://garbage.fail-23.example/", 422, "NO_MEDIA"),
        ("https://huge.fail-24.example/", 502, "BUDGET_EXCEEDED"),
        ("https://redirect-loopback.fail-16.example/", 403, "BLOCKED_TARGET"),
        ("https://redirect-metadata.fail-17.example/", 403, "BLOCKED_TARGET"),
        ("https://redirect-hex.fail-18.example/", 403, "BLOCKED_TARGET"),
        ("https://redirect-file.fail-19.example/", 403, "BLOCKED_TARGET"),
        ("https://hls-private.fail-20.example/", 403, "BLOCKED_TARGET"),
        ("https://refused.fail-21.example/", 502, "UPSTREAM_NETWORK"),
        ("https://proxy-auth.fail-22.example/", 403, "BLOCKED_TARGET"),
        ("http://127.0.0.1:9/", 403, "BLOCKED_TARGET"),
    ],
)
def test_every_failure_has_its_code_and_status(service: Service, url: str, status: int, code: str) -> None:
    assert_failed(service.extract(url), status, code)


def test_a_job_without_end_is_ended_at_its_deadline(service: Service) -> None:
    with ThreadPoolExecutor(3) as threads:
        hosts = ("hang.fail-10", "drip.fail-11", "regex-bomb.fail-15")
        for answer in threads.map(service.extract, [f"https://{host}.example/" for host in hosts]):
            assert_failed(answer, 504, "DEADLINE")


def assert_failed(answer: httpx.Response, status: int, code: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["ok"] is False
    assert body["requestId"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in body["error"]
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1


def test_a_site_that_names_its_pause_is_quoted(service: Service) -> None:
    answer = service.extract("https://429-after.fail-30.example/")
    assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
    assert answer.headers["Retry-After"] == "7"


def test_a_failing_site_opens_its_own_breaker_only(service: Service) -> None:
    url = "https://500.fail-31.example/"
    with ThreadPoolExecutor(4) as threads:  # each is tried three times, and counts once
        codes = list(threads.map(lambda n: service.extract(f"{url}?{n}").json()["code"], range(10)))
    assert codes[0] == "UPSTREAM_ERROR"
    refused = service.extract(url)
    assert (refused.status_code, refused.json()["code"]) == (503, "CIRCUIT_OPEN")
    assert service.extract(VIDEO).status_code == 200
    metrics = service.get("/api/v1/metrics").json()
    assert metrics["circuitBreaker"]["state"] == "OPEN"
    assert service.get("/health").json()["status"] == "degraded"
    reset = service.post("/api/v1/admin/circuit-breaker/reset", {"site": "fail-31.example"}).json()
    assert (reset["ok"], reset["previousState"], reset["currentState"]) == (True, "OPEN", "CLOSED")
    assert service.extract(url).json()["code"] == "UPSTREAM_ERROR"


def test_a_worker_killed_in_the_middle_of_a_job_costs_nothing(service: Service, internet: Internet) -> None:
    internet.set_latency("html5.example", 1.5)
    try:
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(service.extract, "https://html5.example/?killed")
            eventually(lambda: busy(service))
            os.kill(busy(service)[0], signal.SIGKILL)
            assert answer.result().status_code == 200
    finally:
        internet.set_latency("html5.example", 0)
    assert service.pool()["retriedTasks"] >= 1


def test_a_client_that_hangs_up_frees_its_slot_and_kills_its_process(service: Service) -> None:
    before = len(busy(service))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(service.url + "/api/v1/extract", json={"url": "https://hang.fail-32.example/"}, timeout=1)
    eventually(lambda: len(busy(service)) <= before, within=3)  # the job's own deadline is six seconds away
    eventually(lambda: "interrupted" in [each["reason"] for each in service.events("WorkerEnded")])


def test_equal_requests_cost_one_extraction(service: Service, internet: Internet) -> None:
    internet.set_latency("direct.example", 0.5)
    tasks = service.pool()["totalTasks"]
    url = "https://direct.example/video.mp4?shared"
    try:
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda _: service.extract(url), range(20)))
    finally:
        internet.set_latency("direct.example", 0)
    assert {answer.status_code for answer in answers} == {200}
    assert service.pool()["totalTasks"] == tasks + 1


def test_cookies_reach_only_their_site(service: Service) -> None:
    line = "\t".join(["any.example", "FALSE", "/", "TRUE", "2147483647", "session", "TOPSECRET"])
    cookies = f"# Netscape HTTP Cookie File\n{line}\n"
    url = "https://any.example/cookies"
    with_cookies = service.extract(url, cookies=cookies)
    assert with_cookies.status_code == 200, with_cookies.text
    assert "session=TOPSECRET" in with_cookies.json()["title"]  # the page prints the cookies that it gets
    assert "cookies" not in with_cookies.json()
    for _ in range(8):
        assert "TOPSECRET" not in service.extract(url).text
    eventually(lambda: any(each["reason"] == "cookies" for each in service.events("WorkerEnded")))
    assert "TOPSECRET" not in service.log


def crashed(service: Service) -> int:
    return sum(each["reason"] == "crashed" for each in service.events("WorkerEnded"))


def test_cookies_of_any_letters_kill_no_worker_and_close_no_url(service: Service) -> None:
    url = "https://any.example/closed-by-cookies"
    cookies = "\t".join([".example.com", "TRUE", "/", "FALSE", "0", "n", "é" * 125_000])
    body = json.dumps({"url": url, "cookies": cookies}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"} | ADMIN
    before = crashed(service)
    for _ in range(2):
        answer = httpx.post(service.url + "/api/v1/extract", content=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
    assert service.extract(url).status_code == 200
    assert crashed(service) == before


def test_health_answers_while_every_worker_is_busy(service: Service) -> None:
    with ThreadPoolExecutor(8) as threads:
        urls = [f"https://hang.fail-{n}.example/" for n in range(40, 48)]
        answers = [threads.submit(service.extract, url) for url in urls]
        eventually(lambda: len(busy(service)) == 4)
        started = time.monotonic()
        for _ in range(20):
            assert service.get("/health").status_code == 200
        took = time.monotonic() - started
        running = sum(not answer.done() for answer in answers)
    assert running == 8 or took > 4  # all were waiting for their sites, unless this machine is slow
    assert {answer.result().json()["code"] for answer in answers} <= {"DEADLINE", "QUEUE_FULL"}


def test_the_log_keeps_secrets(service: Service) -> None:
    service.extract("https://any.example/text?token=QUERYSECRET")
    answer = service.extract("https://user:WORDSECRET@any.example/")
    assert answer.status_code == 400
    assert "WORDSECRET" not in answer.text
    assert "QUERYSECRET" not in service.log
    assert "WORDSECRET" not in service.log


def test_nothing_reached_the_private_side(service: Service, internet: Internet) -> None:
    service.extract("https://redirect-private.fail-50.example/")
    assert internet.counters().private == []


def busy(service: Service) -> list[int]:
    """The pids of the workers that have a job."""
    family = {process.pid for process in alive(service.family())}
    workers = service.pool()["workers"]
    return [worker["pid"] for worker in workers if worker["state"] == "busy" and worker["pid"] in family]
