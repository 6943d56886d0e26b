"""An outage: one of three sites fails for a minute; requests of the others, and its recovery.

Three sites are asked at a steady pace, in an open loop, with a URL of its own each time, by a client each or
all by one. The failing site's cooldown is 5 s here and does not grow, so that a minute shows a dozen
half-open moments; all else is as by default.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit

from tests.internet import Internet
from tests.support.running_service import Service

from ._generator import Load, Samples
from ._load import running
from ._statistics import percentile

COOLDOWN = 5.0  # seconds
PROBES = 2
RATE = 3.0  # requests per second and site
LATENCY = 0.1  # seconds that each site takes to answer
FAILING = "broken.example"
NEIGHBOURS = ("html5.example", "direct.example")
MANNERS = ("500", "hang", "drip", "reset")
SETTINGS = f"""
[site."{FAILING}"]
cooldown = {COOLDOWN}
cooldown_factor = 1.0
probes = {PROBES}
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """What the clients of the other sites saw in one phase; times in seconds."""

    name: str
    requests: int
    succeeded: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The results.

    Attributes:
        asked: requests of clients for the failing site during the outage.
        opened: seconds from the failing to the breaker's first trip.
        ratio: the neighbours' p95 during the outage, by that of before.
        reached: requests that the failing site got during the outage, retries before the trip included.
        after_trip: those of them after the breaker's first trip.
        allowed: probes that the breaker may have let through.
        refused_p95: seconds in which a refusal was answered while the breaker was open.
        recovery: seconds from the healing to the first success; at most the cooldown and one probe.
        unhonest: answers of the failing site's clients that were neither 200 nor an honest 502, 503 or 504.
    """

    phases: tuple[Phase, ...]
    outage: float
    opened: float
    ratio: float
    asked: int
    reached: int
    after_trip: int
    allowed: int
    refused_p95: float
    recovery: float
    unhonest: int

    def table(self) -> str:
        lines = ["| neighbours | requests | succeeded | p50 | p95 |", "|---|---|---|---|---|"]
        lines += [
            f"| {phase.name} the outage | {phase.requests} | {phase.succeeded:.1%} | "
            f"{phase.p50 * 1000:.0f} ms | {phase.p95 * 1000:.0f} ms |"
            for phase in self.phases
        ]
        lines += [
            "",
            "| the failing site | |",
            "|---|---|",
            f"| its breaker opened after | {self.opened:.1f} s |",
            f"| the neighbours' p95, by that of before | {self.ratio:.2f} |",
            f"| asked for by clients in {self.outage:.0f} s | {self.asked} |",
            f"| requests that reached it | {self.reached} |",
            f"| of them after the first trip (probes allowed) | {self.after_trip} ({self.allowed}) |",
            f"| a refusal took, p95 | {self.refused_p95 * 1000:.0f} ms |",
            f"| back after (cooldown {COOLDOWN:.0f} s and a probe) | {self.recovery:.1f} s |",
            f"| answers that were neither 200, 502, 503 nor 504 | {self.unhonest} |",
        ]
        return "\n".join(lines)


def measure(calm: float, outage: float, *, how: str = "500", one_key: bool = False) -> Figures:
    """Run it.

    Args:
        calm: seconds before the outage and after it.
        how: the manner in which the site fails.
        one_key: one client asks all sites.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        (folder / "settings.toml").write_text(SETTINGS)
        internet = stack.enter_context(Internet.spawn())
        internet.set_latency("*", LATENCY)
        settings = {"YTDLPD_CONFIG": folder / "settings.toml", "CACHE_MAX_BYTES": 0, "LOG_LEVEL": "info"}
        settings["TRUSTED_PROXIES"] = "127.0.0.1"
        service = stack.enter_context(Service.run(internet, settings=settings))
        address = urlsplit(service.url)
        seconds = 2 * calm + outage
        began = time.monotonic()
        loads = {
            site: stack.enter_context(
                running(
                    Load(
                        str(address.hostname),
                        address.port or 80,
                        f"/api/v1/extract?url={quote(f'https://{site}/json-ld?', safe='')}{{n}}",
                        seconds,
                        clients=100,
                        rate=RATE,
                        headers={} if one_key else {"X-Forwarded-For": f"192.0.2.{number}"},
                    )
                )
            )
            for number, site in enumerate((FAILING, *NEIGHBOURS), 1)
        }
        time.sleep(max(0.0, began + calm - time.monotonic()))
        internet.fail(FAILING, how)
        down, before = time.monotonic() - began, _reached(internet)
        while not _opened(service) and time.monotonic() < began + calm + outage:
            time.sleep(0.05)
        at_trip, opened = _reached(internet), time.monotonic() - began - down
        time.sleep(max(0.0, began + calm + outage - time.monotonic()))
        reached = _reached(internet)
        internet.heal(FAILING)
        up = time.monotonic() - began
        samples = {site: load.samples() for site, load in loads.items()}
    return _figures(samples, down, up, seconds, opened, reached - before, reached - at_trip)


def _reached(internet: Internet) -> int:
    return internet.counters().of(FAILING)


def _opened(service: Service) -> bool:
    return any(
        event["site"] == FAILING and event["current"] == "OPEN" for event in service.events("BreakerChanged")
    )


def _figures(
    samples: dict[str, Samples],
    down: float,
    up: float,
    end: float,
    opened: float,
    reached: int,
    after_trip: int,
) -> Figures:
    spans = {"before": (0.0, down), "during": (down, up), "after": (up, end)}
    failing = _rows(samples[FAILING], 0.0, end)
    during = [row for row in failing if down <= row[0] < up]
    recovered = [began + took for began, took, status in failing if began >= up - 1 and status == 200]
    recovered = [moment for moment in recovered if moment >= up]
    phases = tuple(_phase(name, samples, *span) for name, span in spans.items())
    return Figures(
        phases=phases,
        outage=up - down,
        opened=opened,
        ratio=phases[1].p95 / phases[0].p95,
        asked=len(during),
        reached=reached,
        after_trip=after_trip,
        allowed=PROBES * math.ceil((up - down) / COOLDOWN),
        refused_p95=percentile([took for _, took, status in during if status == 503], 0.95),
        recovery=min(recovered, default=math.inf) - up,
        unhonest=sum(status not in (200, 502, 503, 504) for _, _, status in failing),
    )


def _phase(name: str, samples: dict[str, Samples], start: float, end: float) -> Phase:
    rows = [row for site in NEIGHBOURS for row in _rows(samples[site], start, end)]
    took = [row[1] for row in rows]
    good = sum(status == 200 for _, _, status in rows)
    return Phase(name, len(rows), good / len(rows), percentile(took, 0.5), percentile(took, 0.95))


def _rows(samples: Samples, start: float, end: float) -> list[tuple[float, float, int]]:
    """When each request of a span was due, how long its answer took, and its status."""
    rows: Iterable[tuple[float, float, int]] = zip(samples.began, samples.took, samples.status, strict=True)
    return [row for row in rows if start <= row[0] < end]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench outage", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an outage of 20 s instead of a minute")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--how", choices=MANNERS, default="500", help="how the site fails (default: 500)")
    parser.add_argument("--one-key", action="store_true", help="one client asks all sites")
    given = parser.parse_args(arguments)
    calm, outage = (8.0, 20.0) if given.quick else (20.0, 60.0)
    figures = measure(calm, outage, how=given.how, one_key=given.one_key)
    print(json.dumps(asdict(figures), indent=1) if given.json else figures.table())
    return 0
