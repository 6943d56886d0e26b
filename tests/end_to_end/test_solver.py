"""End-to-end: the solver in a running service, shared by all workers, and killed during their jobs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import psutil
import pytest

from tests.internet import Internet
from tests.support.processes import alive
from tests.support.running_service import Service, eventually

WORKERS = 3
JOBS = 10

numbers = count()


@pytest.fixture
def service(internet: Internet) -> Iterator[Service]:
    settings = {"MIN_WORKERS": WORKERS, "MAX_WORKERS": WORKERS, "YTDLP_TIMEOUT": 60_000}
    with Service.run(internet, settings=settings) as running:
        yield running


def ask(service: Service) -> dict[str, Any]:
    """A video with challenges; each URL is a different job."""
    answer = service.extract(f"https://www.youtube.com/watch?v=challenge__&number={next(numbers)}")
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def solver(service: Service) -> dict[str, Any]:
    """Its row in /health."""
    row: dict[str, Any] = service.get("/health").json()["solver"]
    return row


def process(service: Service) -> int:
    """The pid of the one script's process."""
    (script,) = solver(service)["scripts"]
    return int(script["pid"])


def test_workers_need_no_memory_for_it(internet: Internet) -> None:
    settings = {"WORKER_MEMORY_MB": 256}  # too little for a runtime in the worker
    with Service.run(internet, settings=settings) as small:
        assert "partial" not in ask(small)


def test_one_fetch_and_one_preparation_for_all_workers(service: Service, internet: Internet) -> None:
    before = internet.counters().of("www.youtube.com", "script")
    with ThreadPoolExecutor(JOBS) as threads:
        results = list(threads.map(lambda _: ask(service), range(JOBS)))
    assert len({str([each["url"] for each in result["formats"]]) for result in results}) == 1
    assert not any("partial" in result for result in results)
    assert internet.counters().of("www.youtube.com", "script") == before + 1
    row = solver(service)
    assert (row["state"], row["fetches"], row["prepared"], row["lost"]) == ("ready", 1, 1, 0)
    assert row["solved"] >= JOBS
    (prepared,) = service.events("ScriptPrepared")
    assert prepared["pid"] == process(service)
    assert not [each for each in service.family() if "deno" in each.name() and each.pid != prepared["pid"]]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_solver_that_is_lost_in_the_middle_of_ten_jobs(service: Service, how: signal.Signals) -> None:
    whole = [each["url"] for each in ask(service)["formats"]]
    lost = process(service)
    os.kill(lost, signal.SIGSTOP)
    with ThreadPoolExecutor(JOBS) as threads:
        answers = [threads.submit(ask, service) for _ in range(JOBS)]
        eventually(lambda: service.pool()["activeTasks"] == WORKERS)
        os.kill(lost, how)
        results = [answer.result() for answer in answers]
    assert [[each["url"] for each in result["formats"]] for result in results] == [whole] * JOBS
    assert not psutil.pid_exists(lost)
    assert solver(service)["lost"] >= 1
    assert process(service) != lost
    assert service.events("SolverEnded")[0]["pid"] == lost


def test_nothing_of_it_is_left(internet: Internet) -> None:
    with Service.run(internet) as running:
        ask(running)
        left = psutil.Process(process(running))
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        eventually(lambda: not alive([left]))
