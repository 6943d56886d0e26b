"""The scenarios of the load suite. Each returns JSON-ready figures; rates are per second, times as named."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.internet import Internet

from ._contenders import (
    CEILINGS,
    FIXED,
    METRICS,
    OTHERS,
    PAGE,
    WORKERS,
    Salts,
    ceiling,
    extraction,
    latencies,
    middle,
    other,
    ours,
    rate,
    spread,
    statuses,
)
from ._load import running
from ._statistics import probe

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How long and how often; `soak` in extractions."""

    rounds: int
    seconds: float
    clients: tuple[int, ...]
    latencies: tuple[float, ...]
    soak: int


FULL = Scale(3, 2.5, (1, 10, 20, 50), (0.0, 0.1, 0.3), 10_000)
QUICK = Scale(1, 1.5, (1, 10), (0.0,), 300)


class Bench:
    """What the scenarios share: the origin, new ids, and a progress bar."""

    def __init__(self, internet: Internet, scale: Scale, step: Callable[[str], None]) -> None:
        self.internet = internet
        self.scale = scale
        self.step = step
        self.salts = Salts()

    def fresh(self, **options: str) -> str:
        """A target in which each number is a new video."""
        return extraction(f"{PAGE}{self.salts.take()}{{n}}", **options)

    def latency(self, seconds: float) -> None:
        self.internet.set_latency("*", seconds)


def throughput(bench: Bench) -> Figures:
    """Uncached extractions per number of clients and origin latency, interleaved with the baselines.

    The baselines are measured at the ends of the range of latencies.
    """
    found: dict[tuple[float, str, int], list[float]] = {}
    times: dict[tuple[float, str, int], list[float]] = {}
    scale = bench.scale
    with ours(bench.internet) as service, _others(bench) as others:
        service.drive(bench.fresh(), 2, WORKERS)  # a worker's first extractions are slower
        for _ in range(scale.rounds):
            for delay in scale.latencies:
                bench.latency(delay)
                seconds = scale.seconds * (1 + 3 * delay)
                for clients in scale.clients:
                    bench.step(f"{clients} clients, {delay * 1000:.0f} ms")
                    samples = service.drive(bench.fresh(), seconds, clients)
                    found.setdefault((delay, "ytdlpd", clients), []).append(rate(samples))
                    times.setdefault((delay, "ytdlpd", clients), []).extend(latencies(samples))
                if delay not in (scale.latencies[0], scale.latencies[-1]):
                    continue
                for rival in others:
                    bench.step(f"{rival.name}, {delay * 1000:.0f} ms")
                    longer = 3 * seconds if rival.name == "spawn" else 2 * seconds
                    samples = rival.drive(bench.fresh(), longer, WORKERS)
                    found.setdefault((delay, rival.name, WORKERS), []).append(rate(samples))
                    times.setdefault((delay, rival.name, WORKERS), []).extend(latencies(samples))
                for name in CEILINGS:
                    bench.step(f"{name}, no HTTP, {delay * 1000:.0f} ms")
                    reached = ceiling(name, bench.internet, seconds, bench.salts.take())
                    found.setdefault((delay, name, WORKERS), []).append(reached)
    bench.latency(0)
    rows = [
        {
            "latency_ms": delay * 1000,
            "who": who,
            "clients": clients,
            "rate": middle(rates),
            "rounds": rates,
            **spread(times.get((delay, who, clients), [])),
        }
        for (delay, who, clients), rates in found.items()
    ]
    return {"rows": rows}


class _others:
    """The baselines, all running at once: idle ones cost nothing."""

    def __init__(self, bench: Bench) -> None:
        self._managers = [other(name, bench.internet) for name in OTHERS]

    def __enter__(self) -> list[Any]:
        return [manager.__enter__() for manager in self._managers]

    def __exit__(self, *error: object) -> None:
        for manager in self._managers:
            manager.__exit__(None, None, None)


def repeated(bench: Bench) -> Figures:
    """Ten URLs repeatedly, against a bare ASGI app on the same server; and one new URL for 100 clients."""
    rows = []
    seconds = bench.scale.seconds
    gzip = {"Accept-Encoding": "gzip"}
    with ours(bench.internet) as service:
        for name, options, headers in (
            ("fields=title,duration", {"fields": "title,duration"}, {}),
            ("whole, gzip", {}, gzip),
            ("whole, plain", {}, {}),
        ):
            target = bench.fresh(**options)
            with probe(service.host, service.port) as connection:
                lines = [f"GET {target.replace('{n}', '0' * 7)} HTTP/1.1", "Host: bench"]
                lines += [f"{key}: {value}" for key, value in headers.items()]
                length = len(connection.ask(("\r\n".join(lines) + "\r\n\r\n").encode())[1])
            service.drive(target, 1, 10, distinct=10)
            with other("bare", None, "--length", str(length)) as bare:
                mine, bares, waits = [], [], []
                for _ in range(bench.scale.rounds):
                    bench.step(f"repeated, {name}")
                    samples = service.drive(target, seconds, 32, distinct=10, headers=headers)
                    mine.append(rate(samples))
                    waits += latencies(samples)
                    bares.append(rate(bare.drive("/", seconds, 32)))
                row = {"what": name, "bytes": length, "rate": middle(mine), "bare": middle(bares)}
                ratio = middle([rate / bare for rate, bare in zip(mine, bares, strict=True)])
                rows.append({**row, "ratio": ratio, **spread(waits)})
        bench.step("100 clients, one new URL")
        before = bench.internet.counters().of("www.youtube.com", "watch")
        one = extraction(f"{PAGE}{bench.salts.take()}onlyone")
        samples = service.drive(one, 10, 100, limit=100)
        asked = bench.internet.counters().of("www.youtube.com", "watch") - before
        together = {"answers": statuses(samples), "extractions": asked, **spread(latencies(samples))}
    return {"rows": rows, "one_new_url": together}


def health(bench: Bench) -> Figures:
    """/health on schedule, 50 times a second, while the service is idle and while every worker is busy."""
    seconds = 3 * bench.scale.seconds
    found: Figures = {}
    with ours(bench.internet) as service:
        service.drive("/health", 1, 4, rate=50.0)
        idle, busy = [], []
        for _ in range(bench.scale.rounds):
            bench.step("/health, idle")
            idle += latencies(service.drive("/health", seconds, 8, rate=50.0))
            bench.step("/health, saturated")
            with running(service.load(bench.fresh(), seconds + 2, 2 * WORKERS)) as load:
                time.sleep(1)
                busy += latencies(service.drive("/health", seconds, 8, rate=50.0))
                load.samples()
        found = {"idle": spread(idle), "saturated": spread(busy)}
    found["ratio_p99"] = found["saturated"]["p99"] / found["idle"]["p99"]
    return found


def spike(bench: Bench) -> Figures:
    """From 1 client to 100, with scaling: workers and queue over time; the median round."""
    rounds = [_spike(bench) for _ in range(bench.scale.rounds)]
    rounds.sort(key=lambda found: float(found["first_burst_ms"]))
    answers: Counter[str] = Counter()
    for found in rounds:
        answers.update(found["statuses"])
    bursts = [found["first_burst_ms"] for found in rounds]
    return {**rounds[len(rounds) // 2], "bursts_ms": bursts, "statuses": answers}


def _spike(bench: Bench) -> Figures:
    bench.step("a spike from 1 to 100 clients")
    bench.latency(0.1)
    settings = {"MIN_WORKERS": 2, "MAX_WORKERS": WORKERS, "LOG_LEVEL": "debug"}
    series = []
    with ours(bench.internet, settings) as service:
        assert service.service is not None
        service.drive(bench.fresh(), 2, 1)
        before = len(service.service.events("WorkerStarted"))
        with running(service.load(bench.fresh(), 4, 100)) as load, probe(service.host, service.port) as watch:
            began, wall = time.perf_counter(), time.time()
            while not load.ended:
                pool = json.loads(watch.ask(METRICS)[1])["workerPool"]
                names = ("activeWorkers", "queueLength", "activeTasks", "target")
                row = {name: pool[name] for name in names}
                series.append({"t": round(time.perf_counter() - began, 3), **row})
                time.sleep(0.03)
            samples = load.samples()
        starts = [_epoch(event["timestamp"]) - wall for event in service.service.events("WorkerStarted")]
    bench.latency(0)
    burst = [start for start in starts[before:] if start < 1]
    return {
        "series": series,
        "worker_starts_s": [round(start, 3) for start in starts[before:]],
        "first_burst_ms": max(burst, default=0.0) * 1000,
        "workers_after_burst": 2 + len(burst),
        "statuses": statuses(samples),
        **spread(latencies(samples)),
    }


def _epoch(timestamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def outage(bench: Bench) -> Figures:
    """The site fails for a while: how soon the breaker opens, and how soon it closes again."""
    bench.step("an outage and the recovery")
    lasts, after = (5.0, 8.0) if bench.scale.rounds > 1 else (3.0, 5.0)
    settings = {**FIXED, "CB_COOLDOWN_MS": 1500}
    total = 3 + lasts + after
    series = []
    with ours(bench.internet, settings) as service:
        service.drive(bench.fresh(), 1, WORKERS)
        asked = bench.internet.counters().of("www.youtube.com")
        load = service.load(bench.fresh(), total, 60, rate=10.0)
        with running(load) as generator, probe(service.host, service.port) as watch:
            began = time.perf_counter()
            failed = healed = False
            while not generator.ended:
                now = time.perf_counter() - began
                if now >= 3 and not failed:
                    bench.internet.fail("youtube.com", "503", seconds=lasts)
                    asked, failed = bench.internet.counters().of("www.youtube.com"), True
                if now >= 3 + lasts and not healed:
                    asked, healed = bench.internet.counters().of("www.youtube.com") - asked, True
                metrics = json.loads(watch.ask(METRICS)[1])
                sites = {site["site"]: site["state"] for site in metrics["circuitBreakers"]}
                series.append((round(now, 2), sites.get("youtube.com", "CLOSED")))
                time.sleep(0.1)
            samples = generator.samples()
    bench.internet.heal("youtube.com")
    rows = list(zip(samples.began, samples.took, samples.status, strict=True))
    opened = [t for t, state in series if state == "OPEN"]
    closed = [t for t, state in series if t > 3 + lasts and state == "CLOSED"]
    refused = [took for began_at, took, status in rows if status == 503]
    return {
        "fails_from": 3,
        "fails_until": 3 + lasts,
        "series": series,
        "answers": sorted([began_at, took, status] for began_at, took, status in rows),
        "opened_after_s": opened[0] - 3 if opened else None,
        "closed_after_s": closed[0] - 3 - lasts if closed else None,
        "requests_to_the_failing_site": asked,
        "refusals": spread(refused),
        "statuses": statuses(samples),
    }


def sigterm(bench: Bench) -> Figures:
    """SIGTERM with twenty active clients: the requests without an answer."""
    found: list[Figures] = []
    for _ in range(bench.scale.rounds):
        bench.step("SIGTERM under load")
        bench.latency(0.3)
        with ours(bench.internet) as service:
            assert service.service is not None
            with running(service.load(bench.fresh(), 4, 2 * WORKERS)) as load:
                time.sleep(2)
                began = time.perf_counter()
                service.service.process.send_signal(signal.SIGTERM)
                code = service.service.process.wait(30)
                took = time.perf_counter() - began
                found.append({"statuses": statuses(load.samples()), "exit": code, "seconds": took})
        bench.latency(0)
    unanswered = sum(run["statuses"].get("none", 0) for run in found)
    return {"runs": found, "unanswered": unanswered}


def soak(bench: Bench) -> Figures:
    """Many extractions on ten workers with the default recycling: memory over time."""
    wanted = bench.scale.soak
    page = "https://soak.example/" + bench.salts.take()
    series = []
    with ours(bench.internet) as service:
        direct, hls = extraction(page + "/{n}.mp4"), extraction(page + "/{n}/master.m3u8")
        targets = f"{bench.fresh()} {direct} {hls}"
        with running(service.load(targets, 3600, 2 * WORKERS, limit=wanted)) as load:
            done = 0
            while not load.ended:
                done = service.metrics()["workerPool"]["completedTasks"]
                pss, rss = service.memory()
                series.append({"jobs": done, "workers_pss": pss, "server_rss": rss})
                bench.step(f"soak, {done} of {wanted}")
                time.sleep(min(1.0, wanted / 3000))  # some thirty times, however short it is
            samples = load.samples()
        cache = service.metrics()["cache"]
    early = [row["workers_pss"] for row in series if wanted * 0.1 <= row["jobs"] <= wanted * 0.3]
    late = [row["workers_pss"] for row in series if row["jobs"] >= wanted * 0.8]
    return {
        "jobs": wanted,
        "series": series,
        "pss_early": middle([float(value) for value in early]),
        "pss_late": middle([float(value) for value in late]),
        "server_rss_end": series[-1]["server_rss"] if series else 0,
        "cache_bytes": cache["bytes"],
        "statuses": statuses(samples),
        **spread(latencies(samples)),
    }


def idle_connections(bench: Bench) -> Figures:
    """A thousand idle keep-alive connections."""
    bench.step("1000 idle connections")
    with ours(bench.internet) as service:
        service.drive("/health", 1, 4, rate=50.0)
        before = service.process.memory_info().rss
        alone = latencies(service.drive("/health", 2, 4, rate=50.0))
        held = []
        try:
            for _ in range(990):
                held.append(socket.create_connection((service.host, service.port), timeout=10))
            for connection in held:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: bench\r\n\r\n")
            for connection in held:
                connection.recv(65536)
            crowded = latencies(service.drive("/health", 2, 4, rate=50.0))
            after = service.process.memory_info().rss
        finally:
            for connection in held:
                connection.close()
    return {
        "connections": len(held),
        "bytes_each": (after - before) / len(held),
        "alone": spread(alone),
        "crowded": spread(crowded),
    }


def big(bench: Bench) -> Figures:
    """Results of 1 MB, new and cached, and the latency of /health meanwhile."""
    bench.step("results of a megabyte")
    seconds = bench.scale.seconds
    with ours(bench.internet) as service:
        page = f"https://{bench.salts.take()}.example/big-"
        fresh = service.drive(extraction(page + "{n}.m3u8"), seconds, WORKERS)
        target = extraction(page + "again{n}.m3u8")
        service.drive(target, 3, 1, limit=1)
        with running(service.load(target, seconds + 1, WORKERS, distinct=1)) as load:
            time.sleep(0.5)
            felt = latencies(service.drive("/health", seconds, 4, rate=50.0))
            kept = load.samples()
    return {
        "bytes": kept.bytes // max(1, len(kept.status)),
        "new": {"rate": rate(fresh), **spread(latencies(fresh)), "statuses": statuses(fresh)},
        "kept": {"rate": rate(kept), **spread(latencies(kept)), "statuses": statuses(kept)},
        "health_meanwhile": spread(felt),
    }


SCENARIOS: dict[str, Callable[[Bench], Figures]] = {
    "throughput": throughput,
    "repeated": repeated,
    "health": health,
    "spike": spike,
    "outage": outage,
    "sigterm": sigterm,
    "idle": idle_connections,
    "big": big,
    "soak": soak,
}


def raise_file_limit() -> None:
    """A thousand connections need as many descriptors."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
