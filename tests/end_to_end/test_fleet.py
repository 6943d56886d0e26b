"""End-to-end: two running services and a real Valkey between them, against the small internet."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from service.keys import new_key
from tests.internet import Internet
from tests.support.engine import Engine, engine
from tests.support.plugins import install_plugin
from tests.support.running_service import ADMIN, PATIENCE, Service, eventually

VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
CRASHING = """
import os
import signal

from yt_dlp.extractor.common import InfoExtractor


class CrashIE(InfoExtractor):
    _VALID_URL = r"https?://crash\\.example/"

    def _real_extract(self, url):
        os.kill(os.getpid(), signal.SIGKILL)
"""
KEY, HASH = new_key()
LIMIT = 20
COOKIES = "# Netscape HTTP Cookie File\n.elsewhere.example\tTRUE\t/\tTRUE\t0\tname\tvalue\n"


@pytest.fixture(scope="module")
def valkey() -> Iterator[Engine]:
    with engine() as running:
        yield running


@pytest.fixture(scope="module")
def settings(valkey: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    keys = {"alice": {"hash": HASH, "rate": 0.001, "burst": LIMIT}}
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), CRASHING)
    return {
        "SCALING": "fixed:2",
        "CLUSTER_URL": valkey.url,
        "YTDLP_TIMEOUT": 60_000,
        "KEYS": json.dumps(keys),
        "PLUGIN_DIR": plugins,
    }


@pytest.fixture(scope="module")
def fleet(
    internet: Internet, settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    stores = [{"YTDLP_DIR": tmp_path_factory.mktemp("releases"), "YTDLP_UPDATE": "off"} for _ in range(2)]
    with ExitStack() as stack:
        yield [stack.enter_context(Service.run(internet, settings={**settings, **each})) for each in stores]


def state(service: Service) -> str:
    found: str = service.get("/health").json()["cluster"]["state"]
    return found


def sharing(fleet: list[Service]) -> bool:
    return [state(each) for each in fleet] == ["ok", "ok"]


def test_what_one_has_extracted_the_other_has(fleet: list[Service]) -> None:
    one, two = fleet
    turns = itertools.count()

    def shared() -> bool:
        """Whether that is so; an engine on a busy machine may be late, and is then not asked for a moment."""
        url = f"{VIDEO}&t={next(turns)}"
        first, second, third = one.extract(url), two.extract(url), two.extract(url)
        assert first.headers["X-Cache"] == "miss"
        assert third.headers["X-Cache"] == "hit"
        if second.headers["X-Cache"] == "miss":
            return False
        assert first.content == second.content == third.content
        assert first.headers["ETag"] == second.headers["ETag"]
        assert first.headers["X-Ytdlp-Version"] == second.headers["X-Ytdlp-Version"]
        return True

    eventually(lambda: sharing(fleet) and shared())
    assert two.get("/health").json()["cluster"]["hits"] >= 1


def test_equal_requests_are_one_extraction_in_the_fleet(internet: Internet, fleet: list[Service]) -> None:
    turns = itertools.count()

    def requests(asked: int) -> int:
        """How many the site gets when both instances are asked so often for one page."""
        host = f"{next(turns)}.slow.example"
        with ThreadPoolExecutor(asked) as threads:
            answers = [
                threads.submit(fleet[number % 2].extract, f"https://{host}/") for number in range(asked)
            ]
        assert {each.result().status_code for each in answers} == {200}
        return internet.counters().of(host)

    internet.set_latency("slow.example", 0.5)
    try:
        alone = requests(1)
        eventually(lambda: sharing(fleet) and requests(8) == alone)
    finally:
        internet.set_latency("slow.example", 0)


def test_each_sees_all(fleet: list[Service]) -> None:
    def seen(service: Service) -> list[tuple[str, str, int]]:
        """Port, phase and workers of each instance, as of its last heartbeat."""
        found = service.get("/api/v1/fleet").json()["instances"]
        return sorted((each["name"].rpartition(":")[2], each["phase"], each["workers"]) for each in found)

    ready = sorted((each.url.rpartition(":")[2], "ready", 2) for each in fleet)
    for each in fleet:
        eventually(lambda: seen(each) == ready)  # noqa: B023  (it is called at once)
        answer = each.get("/api/v1/fleet").json()
        assert answer["cluster"]["state"] == "ok"
        (me,) = [instance for instance in answer["instances"] if instance["answers"]]
        assert each.url.endswith(me["name"].rpartition(":")[2])
    assert httpx.get(f"{fleet[0].url}/api/v1/fleet", timeout=PATIENCE).status_code == 401


def test_the_dashboard_of_each_shows_all(fleet: list[Service]) -> None:
    eventually(lambda: all(len(instances(each)) == 2 for each in fleet))
    assert [each["name"] for each in instances(fleet[0])] == [each["name"] for each in instances(fleet[1])]


def instances(service: Service) -> list[dict[str, Any]]:
    """Those of the dashboard's next snapshot."""
    stream = httpx.stream("GET", f"{service.url}/api/v1/dashboard/stream", headers=ADMIN, timeout=PATIENCE)
    with stream as response:
        line = next(line for line in response.iter_lines() if line.startswith("data: "))
    found: list[dict[str, Any]] = json.loads(line.removeprefix("data: "))["instances"]
    return found


def test_an_order_to_one_is_carried_out_by_all(fleet: list[Service]) -> None:
    one, two = fleet
    eventually(lambda: all(len(each.get("/api/v1/fleet").json()["instances"]) == 2 for each in fleet))
    site = {"site": "ordered.example"}  # which neither has met
    opened = one.post("/api/v1/admin/circuit-breaker/open", site).json()
    assert [answer["after"] != "" for answer in opened["others"]] == [True]
    for each in fleet:
        refused = each.extract("https://ordered.example/")
        assert (refused.status_code, refused.json()["code"]) == (503, "CIRCUIT_OPEN")
    (answer,) = two.post("/api/v1/admin/circuit-breaker/reset", site).json()["others"]
    assert answer["before"] == "FORCED_OPEN"
    answers = [each.extract("https://ordered.example/").json() for each in fleet]
    assert "CIRCUIT_OPEN" not in [answer.get("code") for answer in answers]
    unknown = two.post("/api/v1/admin/circuit-breaker/reset", {"site": "never.example"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "INVALID_REQUEST")


def test_a_url_that_killed_workers_of_one_is_refused_by_the_other(fleet: list[Service]) -> None:
    one, two = fleet
    eventually(lambda: sharing(fleet))
    url = "https://crash.example/"
    assert one.extract(url).json()["code"] == "WORKER_CRASHED"
    eventually(lambda: two.get("/api/v1/admin/quarantine").json()["urls"])
    assert two.extract(url).json()["code"] == "QUARANTINED"
    released = two.post("/api/v1/admin/quarantine/release", {"url": url}).json()
    assert (released["released"], [each["before"] for each in released["others"]]) == (1, ["1"])
    assert one.get("/api/v1/admin/quarantine").json()["urls"] == []


def test_a_release_that_one_bars_all_bar(fleet: list[Service]) -> None:
    one, two = fleet
    path, bad = "/api/v1/admin/releases", {"version": "2030.01.01", "reason": "it is known to be bad"}

    def barred() -> list[dict[str, str]]:
        return [each.get(path).json()["barred"] for each in fleet]

    eventually(lambda: sharing(fleet))
    (answer,) = one.post(f"{path}/bar", bad).json()["others"]
    assert (answer["before"], answer["after"]) == ("allowed", "barred")
    assert barred() == [{"2030.1.1": "it is known to be bad"}] * 2
    two.post(f"{path}/unbar", {"version": "2030.1.1"})
    eventually(lambda: barred() == [{}, {}])


def test_one_that_starts_later_learns_what_stands(
    internet: Internet, settings: dict[str, object], fleet: list[Service]
) -> None:
    one, two = fleet
    eventually(lambda: sharing(fleet))
    url, site = "https://crash.example/?late", {"site": "standing.example"}
    assert one.extract(url).json()["code"] == "WORKER_CRASHED"
    two.post("/api/v1/admin/circuit-breaker/open", site)
    with Service.run(internet, settings=settings) as late:
        eventually(lambda: late.get("/api/v1/admin/quarantine").json()["urls"])
        assert late.extract(url).json()["code"] == "QUARANTINED"
        assert late.extract("https://standing.example/").json()["code"] == "CIRCUIT_OPEN"
        eventually(lambda: len(late.get("/api/v1/fleet").json()["instances"]) == 3)
        late.post("/api/v1/admin/circuit-breaker/reset", site)
    assert one.extract("https://standing.example/").json().get("code") != "CIRCUIT_OPEN"


def test_one_that_starts_without_its_engine_is_ready(internet: Internet, settings: dict[str, object]) -> None:
    nowhere = {**settings, "CLUSTER_URL": "redis://127.0.0.1:1"}
    with Service.run(internet, settings=nowhere) as alone:
        assert alone.get("/health/ready").status_code == 200
        assert alone.extract(f"{VIDEO}&t=alone").status_code == 200
        assert state(alone) == "degraded"


def test_cookies_stay_where_they_are(fleet: list[Service], valkey: Engine) -> None:
    before = set(valkey.ask("KEYS", "*"))
    for each in fleet:
        answer = each.extract("https://html5.example/?cookies", cookies=COOKIES)
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "miss")
    assert {key for key in set(valkey.ask("KEYS", "*")) - before if key.startswith(b"ytdlpd:1:r:")} == set()


def test_a_rate_limit_is_that_of_all_together(fleet: list[Service]) -> None:
    eventually(lambda: sharing(fleet))

    def ask(service: Service) -> int:
        asked = {"url": "https://html5.example/?limited"}
        headers = {"X-API-Key": KEY}
        return httpx.post(
            f"{service.url}/api/v1/size", json=asked, headers=headers, timeout=PATIENCE
        ).status_code

    one, two = fleet
    assert [ask(one) for _ in range(LIMIT + 1)] == [200] * LIMIT + [429]
    admitted = 0
    while ask(two) == 200:
        admitted += 1
        time.sleep(0.3)  # longer than two exchanges
    assert admitted < LIMIT


def test_without_the_engine_everything_goes_on(fleet: list[Service], valkey: Engine) -> None:
    eventually(lambda: sharing(fleet))
    with valkey.paused():
        for number, each in enumerate(fleet):
            assert each.extract(f"https://html5.example/?alone-{number}").status_code == 200
        eventually(lambda: [state(each) for each in fleet] == ["degraded", "degraded"])
        for each in fleet:
            assert each.get("/health/ready").status_code == 200
            assert each.get("/health").json()["status"] == "degraded"
            assert "ytdlpd_cluster_up 0.0" in each.get("/metrics").text
            assert each.events("ClusterLost")
    eventually(lambda: sharing(fleet))
    assert "ytdlpd_cluster_up 1.0" in fleet[0].get("/metrics").text
