"""How far many workers carry where sites take their time: throughput, CPU and memory per worker.

A site that answers in hundreds of milliseconds leaves the CPU idle, so the number of workers and their memory
decide. The ideal is workers ÷ the time of one extraction without any other, as long as the CPU has room.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import psutil

from tests.internet import REALISTIC, Internet

from ._contenders import PAGE, Salts, Server, extraction, latencies, ours, rate
from ._generator import Samples

WORKERS = (10, 32, 64)
LATENCIES = (0.3, 1.0)  # seconds, of each request to a site
SECONDS = 12.0  # of each measurement
WARM_UP = 20.0  # seconds at most
SETTINGS = {"QUEUE_MAX": 200, "MAX_TASKS_PER_WORKER": 0, "CACHE_MAX_BYTES": 0}


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    Attributes:
        scaling: the setting: fixed:N, or auto.
        workers: as many as there were at the end.
        alone: seconds of one extraction while there is no other.
        rate: extractions per second.
        busy: share of the machine's CPU, the sites and the load generator included.
        memory: bytes of template and workers.
    """

    latency: float
    scaling: str
    workers: int
    alone: float
    rate: float
    busy: float
    memory: int

    @property
    def ideal(self) -> float:
        return self.workers / self.alone


def measure(
    internet: Internet, salts: Salts, latency: float, scaling: str, clients: int, seconds: float
) -> Row:
    """Drive a service of its own with as many clients as it may have workers."""
    settings = {**SETTINGS, "MIN_WORKERS": 2, "MAX_WORKERS": clients, "SCALING": scaling}
    internet.set_latency("*", 0)
    with ours(internet, settings) as server:
        # A worker's first extractions are slower, and scripts are new.
        _drive(server, salts, WARM_UP, clients, limit=2 * clients)
        internet.set_latency("*", latency)
        alone = median(latencies(_drive(server, salts, WARM_UP, 1, limit=3)[0]))
        if scaling == "auto":  # finds its number
            _drive(server, salts, seconds, clients)
        samples, busy = _drive(server, salts, seconds, clients)
        workers = server.metrics()["workerPool"]["activeWorkers"]
        return Row(latency, scaling, workers, alone, rate(samples), busy, server.memory()[0])


def _drive(
    server: Server, salts: Salts, seconds: float, clients: int, limit: int = 0
) -> tuple[Samples, float]:
    """New videos for `clients`, at most `limit` in all; the samples, and how busy the CPU was."""
    psutil.cpu_percent()
    target = extraction(f"{PAGE}{salts.take()}{{n}}")
    samples = server.drive(target, seconds, clients, limit=limit)
    return samples, psutil.cpu_percent() / 100


def head(challenge: str) -> str:
    """What is above the rows."""
    return "\n".join(
        (
            f"YouTube, challenge: {challenge}, {os.cpu_count()} cores",
            "",
            "| site answers in | scaling | workers | ideal per s | measured | share | CPU | MB per worker |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        )
    )


def line(row: Row, rows: Sequence[Row]) -> str:
    """A row; the memory is what each worker adds to that of the row with the fewest."""
    least = min((one for one in rows if one.latency == row.latency), key=lambda one: one.workers)
    further = row.workers - least.workers
    added = f"{(row.memory - least.memory) / further / 1e6:.0f}" if further else ""
    return (
        f"| {row.latency * 1e3:.0f} ms | {row.scaling} | {row.workers} | {row.ideal:.1f} "
        f"| {row.rate:.1f} | {row.rate / row.ideal:.2f} | {row.busy:.0%} | {added} |"
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench wide", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--latencies", type=float, nargs="+", default=LATENCIES, help="in seconds")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--challenge", choices=("none", "known"), default="none")
    given = parser.parse_args(arguments)
    salts, rows = Salts(), list[Row]()
    most = max(given.workers)
    with Internet.spawn(settings=replace(REALISTIC, challenge=given.challenge == "known")) as internet:
        print(head(given.challenge), flush=True)
        for latency in given.latencies:
            for scaling, clients in (*((f"fixed:{count}", count) for count in given.workers), ("auto", most)):
                rows.append(measure(internet, salts, latency, scaling, clients, given.seconds))
                print(line(rows[-1], rows), flush=True)
    return 0
