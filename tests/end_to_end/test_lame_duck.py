"""End-to-end: between SIGTERM and the drain balancers look elsewhere, and nobody is refused."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.internet import Internet
from tests.support.reverse_proxies import ReverseProxy, reverse_proxy
from tests.support.running_service import NO_TLS, PATIENCE, Service, eventually

BALANCERS = ("nginx", "haproxy")


@pytest.fixture
def slow(internet: Internet) -> Iterator[None]:
    """Sites that answer slowly."""
    internet.set_latency("html5.example", 1.0)
    yield
    internet.set_latency("html5.example", 0)


def is_refused(service: Service) -> bool:
    try:
        httpx.get(service.url + "/health/live", timeout=PATIENCE, verify=NO_TLS)
    except httpx.ConnectError:
        return True
    return False


def test_a_lame_duck_serves_what_comes_and_says_that_it_is_not_ready(internet: Internet) -> None:
    with Service.run(internet, settings={"DRAIN_DELAY_MS": 3_600_000}) as service:
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: service.events("LameDuckBegan"))
        ready = service.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "lame_duck")
        assert service.get("/health").status_code == 503
        assert service.get("/health/live").status_code == 200
        answer = service.extract("https://html5.example/?lame")
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        lines = service.post("/api/v1/batch", {"urls": [f"https://html5.example/?{n}" for n in range(6)]})
        assert [json.loads(line)["ok"] for line in lines.text.splitlines()] == [True] * 6
        service.process.send_signal(signal.SIGTERM)  # the second one: now
        assert service.process.wait(PATIENCE) == 0


def test_then_nobody_is_connected_and_what_waits_is_served(internet: Internet, slow: None) -> None:
    settings = {"DRAIN_DELAY_MS": 1, "SHUTDOWN_GRACE_MS": 600_000, "MIN_WORKERS": 1, "MAX_WORKERS": 1}
    with (
        Service.run(internet, settings=settings) as service,
        ThreadPoolExecutor() as threads,
    ):
        answers = [threads.submit(service.extract, f"https://html5.example/?{n}") for n in range(3)]
        eventually(lambda: service.pool()["queueLength"] == 2)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(service))
        assert not all(answer.done() for answer in answers)
        assert [answer.result().status_code for answer in answers] == [200] * 3
        assert service.process.wait(PATIENCE) == 0


def test_an_instance_that_stops_behind_a_balancer_loses_no_request(
    internet: Internet, tmp_path: Path
) -> None:
    """One of two is stopped under load; nginx has no health checks, HAProxy has its defaults, but faster."""
    over = threading.Event()
    answers: dict[str, list[httpx.Response]] = {name: [] for name in BALANCERS}

    def client(proxy: ReverseProxy, number: int) -> None:
        with httpx.Client(base_url=proxy.url, timeout=PATIENCE) as connection:
            turn = 0
            while not over.is_set():
                body = {"url": f"https://html5.example/?{proxy.name}-{number}-{turn}"}
                answers[proxy.name].append(connection.post("/api/v1/extract", json=body))
                turn += 1

    with ExitStack() as stack:
        settings = {"DRAIN_DELAY_MS": 2000, "SCALING": "fixed:2", "TRUSTED_PROXIES": "127.0.0.1"}
        services = [stack.enter_context(Service.run(internet, settings=settings)) for _ in range(2)]
        addresses = tuple(service.url.removeprefix("http://") for service in services)
        proxies = [stack.enter_context(reverse_proxy(name, addresses, tmp_path)) for name in BALANCERS]
        threads = stack.enter_context(ThreadPoolExecutor())
        clients = [threads.submit(client, proxy, number) for proxy in proxies for number in range(2)]
        try:
            eventually(lambda: all(len(found) > 10 for found in answers.values()))
            services[0].process.send_signal(signal.SIGTERM)
            assert services[0].process.wait(PATIENCE) == 0
            before = {name: len(found) for name, found in answers.items()}
            eventually(lambda: all(len(answers[name]) > before[name] + 5 for name in BALANCERS))
        finally:
            over.set()
        for each in clients:
            each.result()  # raises what a client met other than an answer
    for name, found in answers.items():
        assert [answer.text for answer in found if answer.status_code != 200] == [], name
