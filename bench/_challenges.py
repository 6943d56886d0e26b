"""What YouTube's JavaScript challenges cost: videos without one, with a known script, and with a new one."""

from __future__ import annotations

from statistics import median

from service.pool.accounting import cost_of

from ._contenders import WORKERS, ceiling, middle, other, ours, rate
from ._scenarios import Bench, Figures

NEW_SCRIPTS = 3


def challenges(bench: Bench) -> Figures:
    """Uncached extractions at 10 clients per kind of challenge, in turns with the alternatives."""
    found: dict[str, dict[str, list[float]]] = {}
    cpu: dict[str, list[float]] = {}
    with ours(bench.internet) as service, other("spawn", bench.internet) as spawn:
        for number in range(bench.scale.rounds + 1):  # the first does not count: scripts are new then
            for kind, challenge in (("none", False), ("known script", True)):
                bench.step(f"challenge: {kind}")
                bench.internet.set(challenge=challenge)
                seconds = bench.scale.seconds
                before = cost_of(service.process.pid).cpu
                samples = service.drive(bench.fresh(), seconds, WORKERS)
                spent = (cost_of(service.process.pid).cpu - before) / max(1, samples.status.count(200))
                rates = {
                    "ytdlpd": rate(samples),
                    "spawn": rate(spawn.drive(bench.fresh(), 3 * seconds, WORKERS)),
                    "stock": ceiling("stock", bench.internet, 2 * seconds, bench.salts.take()),
                }
                if number:
                    cpu.setdefault(kind, []).append(spent)
                    for who, one in rates.items():
                        found.setdefault(kind, {}).setdefault(who, []).append(one)
        new = []
        for release in range(NEW_SCRIPTS):
            bench.step("challenge: new script")
            bench.internet.set(release=100 + release, rotation=1)
            before = cost_of(service.process.pid).cpu
            samples = service.drive(bench.fresh(), 60, WORKERS, limit=WORKERS)
            new.append(
                ((cost_of(service.process.pid).cpu - before), max(samples.took), samples.status.count(200))
            )
        memory = service.memory()[0]
    return {
        "rows": [
            {"challenge": kind, "cpu": middle(cpu[kind]), **{who: middle(one) for who, one in rates.items()}}
            for kind, rates in found.items()
        ],
        "new": {
            "clients": WORKERS,
            "answered": min(answered for _, _, answered in new),
            "cpu": median(cost for cost, _, _ in new),
            "last_answer": median(took for _, took, _ in new),
        },
        "memory": memory,
    }
