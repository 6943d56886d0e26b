"""Contract: the load generator keeps its schedule and counts the answers; pure: the report's tables.

The generator runs in a process of its own, against a server of a few lines.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench import _report
from bench._contenders import latencies, rate, spread, statuses
from bench._generator import Load, Samples
from bench._load import running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def server(answer: bytes, *, stall: tuple[int, float] = (0, 0.0)) -> Iterator[tuple[int, list[bytes]]]:
    """Gives `answer` to every request, the n-th of all after `stall[1]` seconds; records the requests."""
    asked: list[bytes] = []
    threads: list[threading.Thread] = []

    def talk(client: socket.socket) -> None:
        with client:
            while data := client.recv(65536):
                asked.append(data.split(b" ")[1])
                if len(asked) == stall[0]:
                    time.sleep(stall[1])
                client.sendall(answer)
                if b"close" in answer:
                    return

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=talk, args=(client,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for thread in threads:
            thread.join()


def drive(load: Load) -> Samples:
    with running(load) as generator:
        return generator.samples()


def test_an_open_loop_counts_from_the_schedule_so_that_a_stall_is_felt() -> None:
    with server(OK, stall=(10, 0.5)) as (port, asked):
        samples = drive(Load("127.0.0.1", port, "/", 1.0, clients=1, rate=50.0))
    assert len(asked) == len(samples.status) == 50
    assert samples.status == [200] * 50
    felt = sum(took > 0.05 for took in samples.took)
    assert felt >= 10, "those who were due during the stall have waited, too"


def test_numbers_are_new_each_time_or_come_round() -> None:
    with server(OK) as (port, asked):
        drive(Load("127.0.0.1", port, "/a{n} /b", 5.0, clients=1, limit=4))
        assert asked == [b"/a0000000", b"/b", b"/a0000002", b"/b"]
        asked.clear()
        drive(Load("127.0.0.1", port, "/{n}", 5.0, clients=1, limit=4, distinct=2))
        assert asked == [b"/0000000", b"/0000001"] * 2


def test_a_closed_loop_goes_on_after_its_connection_was_closed() -> None:
    with server(BUSY) as (port, asked):
        samples = drive(Load("127.0.0.1", port, "/", 5.0, clients=3, limit=9))
    assert len(asked) == 9
    assert statuses(samples) == {"503": 9}


def test_a_load_can_end_before_its_time() -> None:
    with (
        server(OK) as (port, asked),
        running(Load("127.0.0.1", port, "/", 60.0, clients=1, rate=50.0)) as generator,
    ):
        time.sleep(0.3)
        generator.stop()
        samples = generator.samples()
    assert samples.status == [200] * len(asked)
    assert 0 < len(asked) < 3000


def test_no_answer_is_told_as_such() -> None:
    with server(b"") as (port, _):
        samples = drive(Load("127.0.0.1", port, "/", 0.2, clients=2, timeout=0.3))
    assert statuses(samples) == {"none": 2}
    assert latencies(samples) == []


def test_a_generator_that_cannot_begin_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RuntimeError, match="load generator failed"):
        drive(Load("127.0.0.1", port, "/", 1.0, clients=1))


def test_rates_and_percentiles() -> None:
    samples = Samples([0.0, 1.0, 2.0], [1.0, 1.0, 2.0], [200, 503, 200], [0, 0, 0])
    assert rate(samples) == 0.5
    assert spread(latencies(samples)) == {"p50": 1000.0, "p95": 2000.0, "p99": 2000.0}
    assert rate(Samples()) == 0.0
    late = Samples([0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 3.0], [200] * 4, [0, 1, 0, 1])
    assert rate(late) == 2 / 2 + 2 / 4, "who has to wait for nobody is not idle until the last one is through"


MACHINE = {"cores": 2, "cpu": "some", "memory": 1, "python": "3.11", "load": 0.5}


def row(who: str, latency: float, rate: float) -> dict[str, Any]:
    times = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    return {"who": who, "latency_ms": latency, "clients": 10, "rate": rate, "rounds": [rate], **times}


def test_the_report_says_which_claims_hold() -> None:
    rows = [
        row("ytdlpd", 0.0, 30.0),
        row("spawn", 0.0, 1.5),
        row("workers", 0.0, 40.0),
        row("stock", 0.0, 0.0),
    ]
    results = {
        "machine": MACHINE,
        "date": "2026-01-01",
        "seconds": 1,
        "quick": True,
        "throughput": {"rows": rows},
        "soak": {
            "jobs": 1,
            "pss_early": 0,
            "pss_late": 0,
            "server_rss_end": 0,
            "cache_bytes": 0,
            "statuses": {},
        },
        "sigterm": {"error": "RuntimeError: no"},
    }
    report = _report.markdown(results)
    assert "| 20.00 (30.0/s against 1.5/s) | yes |" in report
    assert "| 0.75 (30.0/s against 40.0/s) | **no** |" in report
    assert "| not measured | **no** |" in report, "a rival that answers nothing is no rival"
    assert "| 0 MB, +inf% | **no** |" in report, "what was not measured does not hold"
    assert "Failed: RuntimeError: no" in report
    assert "too short to be quoted" in report
