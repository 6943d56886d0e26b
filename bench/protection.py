"""What the egress layers cost: the same load on the service with them and without them, in turns.

The service has no switch that turns its protection off. So this benchmark replaces the layers in the template
of a second service by functions that do nothing. Both services run at once and get load in turns, and each
ratio is of two measurements of the same round.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from service.pool.accounting import cost_of
from tests.internet import REALISTIC, Internet, Settings

from ._contenders import FIXED, PAGE, WORKERS, Salts, Server, extraction, ours, rate

PAGES = {"YouTube": PAGE + "{}{{n}}", "html5": "https://video.example/html5?{}{{n}}"}
PRIVATE = "http://10.0.0.1/"

# Each Python process of the service imports it first; only the template, which forks the workers, heeds it.
UNPROTECTED = """
import sys
if "service.worker.template" in sys.orig_argv:
    from service.worker import egress, landlock
    layers = (
        *((egress.Guard, name) for name in ("check_url", "refusal", "install")),
        (landlock, "restrict"),
    )
    assert all(hasattr(owner, name) for owner, name in layers)
    for owner, name in layers:
        setattr(owner, name, lambda *_: None)
"""


@dataclass
class Row:
    """Of one page: a figure for each round, with protection and without."""

    rates: list[tuple[float, float]] = field(default_factory=list)  # extractions per second
    cpu: list[tuple[float, float]] = field(default_factory=list)  # seconds of template and workers per job


def compare(
    rounds: int, seconds: float, clients: int = WORKERS, sites: Settings = REALISTIC
) -> dict[str, Row]:
    """Drive both services with each of PAGES, `rounds` times.

    Raises:
        RuntimeError: the two services do not differ.
    """
    rows = {page: Row() for page in PAGES}
    salts = Salts()
    with (
        Internet.spawn(settings=sites) as internet,
        ours(internet) as protected,
        _unprotected(internet) as bare,
    ):
        if _refuses(protected) == _refuses(bare):
            raise RuntimeError("the layers are on in both services, or in none")
        for number in range(-1, rounds):  # the first does not count: a worker's first jobs are slower
            for page, url in PAGES.items():
                # In both orders, so that a machine that gets slower affects both.
                there = protected, bare, bare, protected
                target = [extraction(url.format(salts.take())) for _ in there]
                driven = [_drive(*each, seconds, clients) for each in zip(there, target, strict=True)]
                with_layers, without = _mean(driven[0], driven[3]), _mean(driven[1], driven[2])
                if number >= 0:
                    rows[page].rates.append((with_layers[0], without[0]))
                    rows[page].cpu.append((with_layers[1], without[1]))
    return rows


def _drive(server: Server, target: str, seconds: float, clients: int) -> tuple[float, float]:
    """Extractions per second, and seconds of CPU that template, workers and what they start took for each."""
    template, *_ = server.process.children()
    before = cost_of(template.pid)
    samples = server.drive(target, seconds, clients)
    spent = cost_of(template.pid) - before
    return rate(samples), spent.cpu / max(1, samples.status.count(200))


def _mean(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def _refuses(server: Server) -> bool:
    assert server.service is not None
    return bool(server.service.extract(PRIVATE).json().get("code") == "BLOCKED_TARGET")


@contextlib.contextmanager
def _unprotected(internet: Internet) -> Iterator[Server]:
    with TemporaryDirectory(prefix="unprotected-") as folder:
        (Path(folder) / "sitecustomize.py").write_text(UNPROTECTED)
        with ours(internet, {**FIXED, "PYTHONPATH": folder}) as server:
            yield server


def table(rows: dict[str, Row]) -> str:
    """Medians over the rounds; the ratio is the median of the rounds' own, with its range."""
    lines = [
        "| page | what | with | without | ratio (range over rounds) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for page, row in rows.items():
        for what, unit, pairs in (
            ("extractions per second", 1, row.rates),
            ("CPU per extraction, ms", 1e3, row.cpu),
        ):
            ours, bare = (median(pair[side] for pair in pairs) * unit for side in (0, 1))
            ratios = sorted(pair[0] / pair[1] for pair in pairs)
            between = f"{median(ratios):.3f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            lines.append(f"| {page} | {what} | {ours:.1f} | {bare:.1f} | {between} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench protection", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--clients", type=int, default=WORKERS)
    given = parser.parse_args(arguments)
    print(table(compare(given.rounds, given.seconds, given.clients)))
    return 0
