"""The measurements of the fleet's benchmark; each returns what its part of the report needs, fit for JSON."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.internet import Internet
from tests.support.engine import Engine

from ._contenders import PAGE, Salts, extraction, rate, spread, statuses
from ._cpu_share import held
from ._fleet_members import HTML5, Fleet, Instance, address, hashed, size_of
from ._generator import Load, Samples
from ._load import running
from ._statistics import cpu_of

SHARE = 0.2  # of a core, for each instance whose scaling is measured
CLIENTS = 8  # for each of them; two for each worker
LIMIT = 20  # requests of a window
DEMAND = 15.0  # requests per second of the limited client, at each instance
LATENCY = 0.5  # seconds that the site takes while something is lost, so that there is always work under way
RATE = 12.0  # requests per second meanwhile; a third of them for something new
CALM = 2.0  # seconds before and after each loss
SETTLED = 0.3  # seconds after which what an answer left to do is done
HOUR = 3600.0  # seconds; a load that is stopped before

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How long it takes.

    Attributes:
        requests, urls: of a trace, and how many URLs it draws from.
        window: seconds of the limit's window.
        windows: for which it is asked.
        idle: seconds without requests; a heartbeat or two.
        rounds, videos: of the measurement of CPU, and extractions in each.
        steady: seconds of load on 1, 2 and 3 instances.
        loss: seconds for which something is lost.
        kills: instances that are killed, one after another.
    """

    requests: int
    urls: int
    window: float
    windows: int
    idle: float
    rounds: int
    videos: int
    steady: float
    loss: float
    kills: int


FULL = Scale(600, 200, 5.0, windows=10, idle=10.0, rounds=5, videos=40, steady=12.0, loss=20.0, kills=3)
QUICK = Scale(200, 60, 2.0, windows=12, idle=5.0, rounds=2, videos=16, steady=4.0, loss=3.0, kills=1)


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured.

    Attributes:
        shared: instances that share the engine.
        alone: instances without one; where nothing of them is measured, none.
        key: of the client that has the limit.
    """

    internet: Internet
    engine: Engine
    shared: Fleet
    alone: Fleet | None
    key: str
    scale: Scale


def zipf(name: str, urls: int, requests: int) -> list[str]:
    """A trace in Zipf's distribution, the same each time but for the name in its URLs."""
    weights = [1 / rank for rank in range(1, urls + 1)]
    drawn = random.Random(1).choices(range(urls), weights, k=requests)
    return [f"{HTML5}{name}-{rank}" for rank in drawn]


def sharing(bench: Bench) -> Found:
    """Extractions that a trace costs, by how requests are balanced, with and without the engine."""
    rows = []
    for engine, fleet in ((True, bench.shared), (False, bench.alone)):
        assert fleet is not None
        for balancing, base in (("hash", fleet.hashing), ("round robin", fleet.plain)):
            urls = zipf(f"{balancing[0]}{engine:d}", bench.scale.urls, bench.scale.requests)
            before = fleet.extractions()
            target = " ".join(map(size_of, urls))
            with running(Load(*address(base), target, HOUR, clients=4, limit=len(urls))) as generator:
                samples = generator.samples()
            made, distinct = fleet.extractions() - before, len(set(urls))
            row = {"engine": engine, "balancing": balancing, "requests": len(urls), "distinct": distinct}
            row |= {"extractions": made, "statuses": statuses(samples)}
            rows.append(row)
    return {"rows": rows}


def limit(bench: Bench) -> Found:
    """When a client's requests were admitted, who asks all instances for more than its limit allows."""
    assert bench.alone is not None
    scale = bench.scale
    seconds = scale.window * scale.windows
    target = size_of(f"{HTML5}limited")
    found: Found = {"limit": LIMIT, "window": scale.window, "windows": scale.windows, "demand": 3 * DEMAND}
    with ExitStack() as stack:
        generators = {
            name: [
                stack.enter_context(
                    running(
                        each.server.load(target, seconds, 8, rate=DEMAND, headers={"X-API-Key": bench.key})
                    )
                )
                for each in fleet.instances
            ]
            for name, fleet in (("engine", bench.shared), ("none", bench.alone))
        }
        for name, running_ones in generators.items():
            samples = [each.samples() for each in running_ones]
            found[name] = sorted(moment for each in samples for moment in admissions(each))
            found[f"{name}_statuses"] = [statuses(each) for each in samples]
    return found


def admissions(samples: Samples) -> list[float]:
    """When requests were admitted."""
    rows = zip(samples.began, samples.status, strict=True)
    return [round(began, 3) for began, status in rows if status == 200]


def cost(bench: Bench) -> Found:
    """Milliseconds of CPU of new results and kept ones, each the median of the rounds.

    What instance and engine use anyway, by the second, is measured while there is no request, and left out.
    """
    assert bench.alone is not None
    one, two, *_ = bench.shared.instances
    alone = bench.alone.instances[0]
    salts, rounds = Salts(), list[dict[str, float]]()
    for each in (one, two, alone):  # the workers' first ones are slower, and learn the player
        _drive(each, salts.take(), 8)
    idle = _idle((alone, one, two), bench.engine, bench.scale.idle)
    for _ in range(bench.scale.rounds):
        salt, found = salts.take(), dict[str, float]()
        for name, each in (("alone", alone), ("kept", one), ("shared", two), ("own", two)):
            before, began = _used(each, bench.engine), time.monotonic()
            good = _drive(each, salt, bench.scale.videos, anew=name == "own")
            time.sleep(SETTLED)
            lasted = time.monotonic() - began
            for what, used in _used(each, bench.engine).items():
                own = used - before[what] - idle[each][what] * lasted
                found[f"{name}_{what}"] = own / good * 1e3
        rounds.append(found)
    return {
        **{name: median(each[name] for each in rounds) for name in rounds[0]},
        "idle": {
            "alone": idle[alone]["server"],
            "shared": idle[one]["server"],
            "engine": idle[one]["engine"],
        },
        "rounds": len(rounds),
        "videos": bench.scale.videos,
    }


def _idle(members: Sequence[Instance], engine: Engine, seconds: float) -> dict[Instance, dict[str, float]]:
    """Seconds of CPU in a second without requests."""
    before = {each: _used(each, engine) for each in members}
    time.sleep(seconds)
    return {
        each: {what: (used - before[each][what]) / seconds for what, used in _used(each, engine).items()}
        for each in members
    }


def _drive(instance: Instance, salt: str, count: int, *, anew: bool = False) -> int:
    """Ask for so many videos; how many answers were good.

    Args:
        anew: in other letters than before, for a server recognises a request that it has parsed once.
    """
    target = extraction(f"{PAGE}{salt}{{n}}")
    samples = instance.server.drive(target.replace("%2F", "%2f") if anew else target, 120, 2, limit=count)
    return samples.status.count(200)


def _used(instance: Instance, engine: Engine) -> dict[str, float]:
    """Seconds of CPU so far."""
    return {
        "all": sum(map(cpu_of, instance.pids)),
        "server": cpu_of(instance.service.process.pid),
        "engine": cpu_of(engine.pid),
    }


def scaling(bench: Bench) -> Found:
    """Extractions per second of 1, 2 and 3 instances that have `SHARE` of a core each."""
    rows = []
    for count in range(1, len(bench.shared.instances) + 1):
        members = bench.shared.instances[:count]
        pids = [each.service.process.pid for each in members]
        with hashed(members) as base, held(pids, SHARE):
            for part, seconds in (("warm", 1.5), ("steady", bench.scale.steady)):
                target = size_of(f"{HTML5}{part}{count}-{{n}}")
                used = _cpu(members)
                began = time.monotonic()
                with running(Load(*address(base), target, seconds, CLIENTS * count)) as generator:
                    samples = generator.samples()
                share = (_cpu(members) - used) / (time.monotonic() - began) / count
        rows.append(
            {"instances": count, "rate": rate(samples), "share": share, "statuses": statuses(samples)}
        )
    return {"share": SHARE, "rows": rows}


def _cpu(members: Sequence[Instance]) -> float:
    return sum(cpu_of(pid) for each in members for pid in each.pids)


def losses(bench: Bench) -> Found:
    """What clients meet while the engine or instances are lost."""
    fleet, engine, scale = bench.shared, bench.engine, bench.scale
    hashing = {"fleet": fleet.hashing}

    def hang() -> None:
        with engine.paused():
            time.sleep(scale.loss)

    def restart_engine() -> None:
        engine.kill()
        time.sleep(scale.loss)
        engine.start()

    def kill_instances() -> None:
        for each in fleet.instances[: scale.kills]:
            each.stop(signal.SIGKILL)
            time.sleep(CALM)
            each.start()
            time.sleep(CALM)

    def restart_instances() -> None:
        for each in fleet.instances:
            each.stop()
            each.start()

    both = {**hashing, "defaults": fleet.plain}
    troubles: tuple[tuple[str, Callable[[], None], Mapping[str, str]], ...] = (
        ("nothing", lambda: time.sleep(scale.loss), hashing),
        ("engine hangs", hang, hashing),
        ("engine killed", restart_engine, hashing),
        ("instances killed", kill_instances, hashing),
        ("rolling restart", restart_instances, both),
    )
    bench.internet.set_latency("html5.example", LATENCY)
    try:
        _meanwhile("warm", lambda: time.sleep(CALM), hashing)  # a worker's first extractions are slower
        rows = [row for name, act, bases in troubles for row in _meanwhile(name, act, bases)]
    finally:
        bench.internet.set_latency("html5.example", 0)
    return {"latency": LATENCY, "rate": RATE, "kills": scale.kills, "rows": rows}


def _meanwhile(name: str, act: Callable[[], None], bases: Mapping[str, str]) -> list[Found]:
    """A row for each of `bases`, of what clients met there while `act` was under way."""
    with ExitStack() as stack:
        generators = {}
        for balancer, base in bases.items():
            words = f"{HTML5}{name.replace(' ', '-')}-{balancer}"
            target = " ".join(map(size_of, (f"{words}-{{n}}", f"{words}-a", f"{words}-b")))
            load = Load(*address(base), target, HOUR, clients=200, rate=RATE / len(bases))
            generators[balancer] = stack.enter_context(running(load))
        began = time.monotonic()
        time.sleep(CALM)
        act()
        lasted = time.monotonic() - began
        time.sleep(CALM)
        for each in generators.values():
            each.stop()
        found = {balancer: each.samples() for balancer, each in generators.items()}
    return [
        {
            "name": name,
            "balancer": balancer,
            "span": [CALM, lasted],
            "statuses": statuses(samples),
            "problems": samples.problems,
            "failed": sum(status != 200 for status in samples.status),
            **spread([*samples.took]),
            "answers": [list(row) for row in zip(samples.began, samples.took, samples.status, strict=True)],
        }
        for balancer, samples in found.items()
    ]


MEASURES: Mapping[str, Callable[[Bench], Found]] = {
    "sharing": sharing,
    "limit": limit,
    "cost": cost,
    "scaling": scaling,
    "losses": losses,
}
COMPARE = ("sharing", "limit", "cost")  # those that need instances without an engine
