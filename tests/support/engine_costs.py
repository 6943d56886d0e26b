"""What a fleet costs its engine: commands, bytes and CPU of a real Valkey with up to 100 instances.

    python -m tests.support.engine_costs    # three minutes

The instances are the clusters of so many services in one process; the engine sees what it would see of them.
A row is without what the idle fleet costs in the same time. tests/support/fleet_simulation.py plans
with the figures. Times are this machine's.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from service.cluster.fleet import INTERVAL
from service.cluster.port import Spending, Vote
from service.dispatch.request import Answer
from service.wire import Job, Kind
from tests.integration.cluster.test_heartbeats import introduce
from tests.support.engine import Engine, engine
from tests.support.instances import Instance, instances, until

FLEETS = (3, 30, 100)
SECONDS = 10.0  # of each measurement
PLACES, CLIENTS = 10, 10  # that each instance asks, and serves, in each exchange
EXTRACTIONS = 300
BODY = os.urandom(14_500).hex().encode()  # packs to what a YouTube page takes, some 19 KB
ETAG = hashlib.blake2b(BODY, digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine has counted: seconds of CPU, commands, bytes received, bytes sent; and when."""

    at: float
    counts: tuple[float, ...]

    @classmethod
    def of(cls, valkey: Engine) -> Reading:
        found: dict[str, str] = {}
        for section in ("cpu", "stats"):
            text = valkey.ask("INFO", section).decode()
            found |= dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        cpu = float(found["used_cpu_user"]) + float(found["used_cpu_sys"])
        names = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")
        return cls(trio.current_time(), (cpu, *(float(found[name]) for name in names)))

    def since(self, before: Reading, idle: Sequence[float]) -> list[float]:
        """What was counted meanwhile, but for what is `idle` in each second."""
        seconds = self.at - before.at
        return [
            now - then - seconds * each
            for now, then, each in zip(self.counts, before.counts, idle, strict=True)
        ]


def row(title: str, counted: Sequence[float], count: float, unit: str) -> None:
    cpu, commands, received, sent = (each / count for each in counted)
    print(
        f"| {title} | {unit} | {commands:.1f} | {received:,.0f} | {sent:,.0f} | {cpu * 1e6:,.0f} |",
        flush=True,
    )


class Asking:
    """A voter and a budget that have as much to say each time as they can.

    Attributes:
        said: how often they were asked; many instances in one process are slower than their intervals.
    """

    def __init__(self) -> None:
        self.said = 0

    def votes(self) -> list[Vote]:
        self.said += 1
        return [Vote(f"{number}.example", 0.0) for number in range(PLACES)]

    def adopt(self, place: str, seconds: float) -> None:
        return None

    def share(self) -> None:
        return None

    def spent(self) -> list[Spending]:
        self.said += 1
        return [Spending("address", f"192.0.2.{number}", 0.001, 60.0) for number in range(CLIENTS)]

    def learn(self, spending: Spending, ahead: float, now: float) -> None:
        return None


class Silent(Asking):
    """Has nothing to say about sites."""

    def votes(self) -> list[Vote]:
        return []


async def during(valkey: Engine, idle: Sequence[float]) -> list[float]:
    """What is counted in SECONDS."""
    before = Reading.of(valkey)
    await trio.sleep(SECONDS)
    return Reading.of(valkey).since(before, idle)


async def extract(
    fleet: Sequence[Instance], valkey: Engine, further: int, idle: Sequence[float]
) -> list[float]:
    """What each of EXTRACTIONS jobs costs, at one instance after the other, from so many `further` on."""

    async def made() -> Answer:
        return Answer(BODY, "youtube", etag=ETAG, ytdlp="2026.8.19")

    before = Reading.of(valkey)
    for number in range(EXTRACTIONS):
        job = Job(Kind.EXTRACT, f"https://site.example/{number}")
        await fleet[(number + further) % len(fleet)].cluster.once(job, made, fresh=False)
    await trio.sleep(0.5)
    return Reading.of(valkey).since(before, idle)


async def measure(size: int) -> None:
    nothing = (0.0,) * 4
    with engine() as valkey:
        own = [each / SECONDS for each in await during(valkey, nothing)]  # its own timers
        async with instances(valkey, size) as fleet:
            for number, each in enumerate(fleet):
                introduce(each, f"10.1.22.{number}:3000")
            await until(lambda: all(len(each.cluster.sightings()) == size for each in fleet))
            told = await during(valkey, own)
            idle = [each / SECONDS + alone for each, alone in zip(told, own, strict=True)]
            row(f"{size}: heartbeats", told, SECONDS * size / INTERVAL, "heartbeat")
            row(f"{size}: new result", await extract(fleet, valkey, 0, idle), EXTRACTIONS, "result")
            row(f"{size}: kept result", await extract(fleet, valkey, 1, idle), EXTRACTIONS, "result")
            voting, spending = Asking(), Asking()
            for each in fleet:
                each.cluster.share_breakers(voting)
            row(f"{size}: votes on {PLACES} sites", await during(valkey, idle), voting.said, "exchange")
            for each in fleet:
                each.cluster.share_breakers(Silent())
                each.cluster.share_limits(spending)
            row(f"{size}: limits of {CLIENTS} clients", await during(valkey, idle), spending.said, "exchange")


def main() -> int:
    print("| fleet | per | commands | B received | B sent | µs of CPU |\n|---|---|---|---|---|---|")
    for size in FLEETS:
        trio.run(measure, size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
