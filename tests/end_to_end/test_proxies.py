"""End-to-end: the reverse proxies of deploy/, from a client's socket through each to the running service."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.internet import Internet
from tests.support.api_page import try_size_out
from tests.support.browser import errors, needs_browser
from tests.support.reverse_proxies import PROGRAMS, SUBPATH, ReverseProxy, reverse_proxy
from tests.support.running_service import ADMIN, PATIENCE, Service, eventually
from tests.support.silent_close import SilentlyClosing

BIG = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"  # 400 KB of metadata
SETTINGS = {
    "SCALING": "fixed:4",
    "TRUSTED_PROXIES": "127.0.0.1",
    "YTDLP_TIMEOUT": 60_000,
    "KEEP_ALIVE_MS": 5000,
}
CLIENT = "127.0.0.5"
KEPT = httpx.Limits(keepalive_expiry=60)  # a client that does not close its connections


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module", params=PROGRAMS)
def proxy(
    request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReverseProxy]:
    with reverse_proxy(request.param, [address(service)], tmp_path_factory.mktemp("proxy")) as running:
        yield running


def address(service: Service) -> str:
    return service.url.removeprefix("http://")


def is_idle(service: Service) -> bool:
    return bool(service.pool()["activeTasks"] == 0)


def test_the_client_s_address_is_believed(service: Service, proxy: ReverseProxy) -> None:
    """A client's own X-Forwarded-For does not count: the proxy appends the address that it saw."""
    headers = {"X-Forwarded-For": "198.51.100.7", "X-Request-ID": f"through-{proxy.name}"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address=CLIENT)) as client:
        assert client.get(proxy.url + "/api/v1/docs", headers=headers, timeout=PATIENCE).status_code == 200

    def line() -> list[dict[str, Any]]:
        found = service.events("request")
        return [record for record in found if record["request_id"] == headers["X-Request-ID"]]

    eventually(line)
    assert [record["client"] for record in line()] == [CLIENT]


def test_a_client_that_leaves_ends_its_extraction(service: Service, proxy: ReverseProxy) -> None:
    url = f"https://drip.fail-{70 + PROGRAMS.index(proxy.name)}.example/"
    client = HTTPConnection(proxy.url.removeprefix("http://"))
    client.request("GET", f"/api/v1/extract?url={url}")
    eventually(lambda: not is_idle(service))
    client.close()
    eventually(lambda: is_idle(service))


def test_progress_arrives_while_the_extraction_runs(service: Service, proxy: ReverseProxy) -> None:
    url = f"https://drip.fail-{80 + PROGRAMS.index(proxy.name)}.example/"
    headers = {"Accept": "text/event-stream"}
    with httpx.stream(
        "GET", proxy.url + "/api/v1/extract", params={"url": url}, headers=headers, timeout=PATIENCE
    ) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = answer.iter_lines()
        assert "event: started" in iter(lambda: next(lines), "event: done")
        assert not is_idle(service)
    eventually(lambda: is_idle(service))


def test_lines_of_a_batch_arrive_one_by_one(service: Service, proxy: ReverseProxy) -> None:
    urls = [
        f"https://drip.fail-{90 + PROGRAMS.index(proxy.name)}.example/",
        "https://html5.example/?through-a-proxy",
    ]
    with httpx.stream("POST", proxy.url + "/api/v1/batch", json={"urls": urls}, timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        lines = answer.iter_lines()
        first = json.loads(next(lines))
        assert (first["index"], first["ok"]) == (1, True)
        assert not is_idle(service)  # the other one runs until its deadline
    eventually(lambda: is_idle(service))


def test_a_big_answer_arrives_whole(service: Service, proxy: ReverseProxy) -> None:
    asked = {"url": BIG}
    direct = service.post("/api/v1/extract", asked)
    through = proxy.post("/api/v1/extract", asked, headers={"Accept-Encoding": "identity"})
    assert len(through.content) > 300_000
    assert through.json() == direct.json()


def test_a_request_with_cookies_gets_through(proxy: ReverseProxy) -> None:
    """As many as the service accepts; for more, its own 413 comes through, not the proxy's."""
    cookies = "# Netscape HTTP Cookie File\n" + "".join(
        f".elsewhere.example\tTRUE\t/\tTRUE\t0\tname{number}\t{'v' * 200}\n" for number in range(900)
    )
    assert 200_000 < len(cookies) < 256_000
    asked = {"url": "https://html5.example/", "cookies": cookies}
    assert proxy.post("/api/v1/extract", asked).status_code == 200
    refused = proxy.post("/api/v1/extract", {**asked, "cookies": cookies * 2})
    assert (refused.status_code, refused.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_all_of_it_works_below_a_path(service: Service, proxy: ReverseProxy) -> None:
    size = proxy.post(f"{SUBPATH}/api/v1/size", {"url": BIG})
    assert size.json() == service.size(BIG).json()
    for page in ("/", "/dashboard", "/api/v1/docs"):
        url = proxy.url + SUBPATH + page
        html = httpx.get(url, headers={"Accept": "text/html"}, timeout=PATIENCE).text
        links = [link for link in re.findall(r'(?:href|src)="([^"#]+)"', html) if ":" not in link]
        assert len(links) >= 3
        for link in links:
            target = urljoin(url, link)
            assert target.startswith(proxy.url + SUBPATH)
            assert httpx.get(target, headers=ADMIN, timeout=PATIENCE).status_code == 200, target


@needs_browser
def test_a_browser_below_a_path_stays_there(service: Service, driver: Any, tmp_path: Path) -> None:
    """With and without X-Forwarded-Prefix, which some proxies send: all that the service says is relative."""
    file = "http://files.example/nohead.mp4"
    with reverse_proxy("nginx", [address(service)], tmp_path) as proxy:
        root = proxy.url + SUBPATH
        for headers in ({}, {"X-Forwarded-Prefix": SUBPATH}):
            driver.execute_cdp_cmd("Network.enable", {})
            driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})
            driver.get(f"{root}/api/v1/docs")
            assert f"'{root}/api/v1/size'" in try_size_out(driver)
            driver.get(f"{root}/")
            driver.switch_to.active_element.send_keys(BIG, Keys.ENTER)
            eventually(lambda: driver.find_element(By.ID, "status").text == "Done.")
            curl = driver.find_element(By.ID, "curl").get_attribute("textContent")
            assert f"'{root}/api/v1/size'" in curl
            driver.find_element(By.LINK_TEXT, "Dashboard").click()
            assert driver.current_url == f"{root}/dashboard"
            eventually(lambda: driver.find_element(By.ID, "health").text not in ("", "Connecting"))
            assert errors(driver) == []

            (server,) = httpx.get(f"{root}/api/v1/openapi", headers=headers).json()["servers"]
            assert urljoin(f"{root}/api/v1/openapi", server["url"]) == f"{root}/"
            query = {"url": file}
            found = httpx.get(f"{root}/api/v1/redirect", params=query, headers=headers, timeout=PATIENCE)
            assert (found.status_code, found.headers["Location"]) == (302, file)


def test_no_request_is_lost_on_a_connection_that_the_service_has_closed(
    service: Service, tmp_path: Path
) -> None:
    """Each proxy keeps its connections, and closes idle ones before the service does."""
    with ExitStack() as stack:
        relays, clients = {}, {}
        for name in PROGRAMS:
            relays[name] = stack.enter_context(SilentlyClosing.to(address(service)))
            proxy = stack.enter_context(reverse_proxy(name, [relays[name].address], tmp_path))
            client = httpx.Client(base_url=proxy.url, timeout=PATIENCE, limits=KEPT)
            clients[name] = stack.enter_context(client)

        def ask(name: str) -> int:
            return clients[name].post("/api/v1/size", json={"url": "nothing"}).status_code

        assert {name: [ask(name) for _ in range(3)] for name in PROGRAMS} == dict.fromkeys(
            PROGRAMS, [400] * 3
        )
        assert {name: relay.carried for name, relay in relays.items()} == dict.fromkeys(PROGRAMS, 1)
        deadline = time.monotonic() + 7
        while any(relay.open for relay in relays.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # time for the client to see that its connection is closed
        assert {name: ask(name) for name in PROGRAMS} == dict.fromkeys(PROGRAMS, 400)


def test_a_drain_answers_every_request(internet: Internet, tmp_path: Path) -> None:
    """Running requests finish, new ones are refused, and none gets a 502, until the last one is answered."""
    answers: dict[str, list[httpx.Response]] = {name: [] for name in PROGRAMS}

    def client(proxy: ReverseProxy, number: int) -> None:
        for turn in range(10_000):
            url = f"https://html5.example/?{proxy.name}-{number}-{turn}"
            answer = proxy.post("/api/v1/extract", {"url": url})
            answers[proxy.name].append(answer)
            if answer.status_code != 200:
                return

    internet.set_latency("slow.example", 1.0)
    try:
        with ExitStack() as stack:
            settings = {**SETTINGS, "SCALING": "fixed:7", "SHUTDOWN_GRACE_MS": 60_000}
            service = stack.enter_context(Service.run(internet, settings=settings))
            proxies = [
                stack.enter_context(reverse_proxy(name, [address(service)], tmp_path)) for name in PROGRAMS
            ]
            threads = stack.enter_context(ThreadPoolExecutor(16))
            last = HTTPConnection(address(service))  # the drain goes on until it leaves
            last.request("GET", "/api/v1/extract?url=https://drip.fail-60.example/")
            clients = [threads.submit(client, proxy, number) for proxy in proxies for number in range(2)]
            try:
                eventually(lambda: all(answers.values()))
                long = [
                    threads.submit(
                        proxy.post, "/api/v1/extract", {"url": f"https://{proxy.name}.slow.example/"}
                    )
                    for proxy in proxies
                ]
                eventually(lambda: all(internet.counters().of(f"{name}.slow.example") for name in PROGRAMS))
            finally:
                service.process.send_signal(signal.SIGTERM)
                wait(clients)
                last.close()
            for each in clients:
                each.result()  # raises what a client met other than an answer
            assert [each.result().status_code for each in long] == [200] * len(proxies)
            assert service.process.wait(PATIENCE) == 0
    finally:
        internet.set_latency("slow.example", 0)
    for name, found in answers.items():
        assert {answer.status_code for answer in found} == {200, 503}, name
        # HAProxy checks the service's health, so it may refuse first with its own page.
        refused = [answer for answer in found if answer.status_code == 503 and name != "haproxy"]
        assert {answer.json()["code"] for answer in refused} <= {"SHUTTING_DOWN"}, name
