"""A fleet: three instances behind HAProxy that share a Valkey; what they save, and what a loss costs.

    python -m bench fleet [--seconds 4]

A trace of URLs in Zipf's distribution is asked for, by the hash of the URL through HAProxy, and round robin;
how often was each distinct URL extracted? Then clients ask without pause while the Valkey hangs, dies and
comes back, and while instances are stopped in order and killed: how many requests failed, and how long did
they take? A request is repeated nowhere but in HAProxy, as deploy/haproxy.fleet.cfg says.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from service.keys import new_key
from tests.internet import Internet
from tests.support.engine import Engine, engine
from tests.support.reverse_proxies import fleet_proxy
from tests.support.running_service import PATIENCE, Service, eventually

from ._statistics import percentile

CLIENTS = 4
DISTINCT = 60  # URLs of a trace
REQUESTS = 200  # of a trace
LIMIT = 20  # requests at once that the key may make
DRAIN_DELAY = 3000  # ms; the balancer needs two checks of a second


@dataclass
class Load:
    """What clients met."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        p50, p99 = (percentile(sorted(self.seconds), share) * 1000 for share in (0.5, 0.99))
        return f"| {name} | {len(self.seconds)} | {len(self.failures)} | {p50:.0f} ms | {p99:.0f} ms |"


def ask(client: httpx.Client, base: str, url: str, load: Load) -> None:
    began = time.monotonic()
    try:
        answer = client.post(f"{base}/api/v1/size", json={"url": url})
        if answer.status_code != 200:
            load.failures.append(f"{answer.status_code} {answer.text[:80]}")
    except httpx.TransportError as error:
        load.failures.append(repr(error))
    load.seconds.append(time.monotonic() - began)


def zipf(name: str) -> list[str]:
    """A trace, the same each time but for the name in its URLs."""
    draw = random.Random(1)
    weights = [1 / rank for rank in range(1, DISTINCT + 1)]
    return [
        f"https://html5.example/?{name}-{rank}" for rank in draw.choices(range(DISTINCT), weights, k=REQUESTS)
    ]


def trace(name: str, bases: Sequence[str], fleet: Sequence[Service]) -> str:
    """Play a trace over `bases` in turn; a row of the table."""
    urls, load = zipf(name), Load()
    before = extractions(fleet)
    with httpx.Client(timeout=PATIENCE) as client, ThreadPoolExecutor(CLIENTS) as threads:
        for url, base in zip(urls, itertools.cycle(bases), strict=False):
            threads.submit(ask, client, base, url, load)
    made = extractions(fleet) - before
    distinct = len(set(urls))
    return f"| {name} | {len(urls)} | {distinct} | {made / distinct:.2f} | {1 - made / len(urls):.3f} |"


def extractions(fleet: Sequence[Service]) -> int:
    return sum(each.pool()["totalTasks"] for each in fleet)


def admitted(fleet: Sequence[Service], key: str, seconds: float) -> int:
    """How many requests of one key all instances together admit, asked in turn as fast as they answer."""
    count, end = 0, time.monotonic() + seconds
    with httpx.Client(timeout=PATIENCE, headers={"X-API-Key": key}) as client:
        for each in itertools.cycle(fleet):
            asked = {"url": "https://html5.example/?limited"}
            count += client.post(f"{each.url}/api/v1/size", json=asked).status_code == 200
            if time.monotonic() > end:
                return count
    return count


@contextmanager
def under_load(base: str, name: str) -> Iterator[Load]:
    """Clients that ask without pause meanwhile, each third time for something new."""
    load, over = Load(), threading.Event()

    def client(number: int) -> None:
        with httpx.Client(timeout=PATIENCE) as own:
            for turn in itertools.count():
                if over.is_set():
                    return
                fresh = turn if turn % 3 == 0 else turn % 10
                ask(own, base, f"https://html5.example/?{name}-{number}-{fresh}", load)

    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(client, number) for number in range(CLIENTS)]
        try:
            yield load
        finally:
            over.set()
    for each in running:
        each.result()


def hang(valkey: Engine, seconds: float) -> None:
    with valkey.paused():
        time.sleep(seconds)


def restart(valkey: Engine, seconds: float) -> None:
    valkey.kill()
    time.sleep(seconds)
    valkey.start()


def main(arguments: Sequence[str]) -> int:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m bench fleet", description=summary)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each trouble (default: %(default)s)")
    seconds = parser.parse_args(arguments).seconds
    key, digest = new_key()
    with ExitStack() as stack:
        internet = stack.enter_context(Internet.spawn())
        valkey = stack.enter_context(engine())
        settings: dict[str, object] = {
            "CLUSTER_URL": valkey.url,
            "SCALING": "fixed:2",
            "DRAIN_DELAY_MS": DRAIN_DELAY,
            "KEYS": json.dumps({"bench": {"hash": digest, "rate": LIMIT / 60, "burst": LIMIT}}),
        }
        fleet = [stack.enter_context(Service.run(internet, settings=settings)) for _ in range(3)]
        folder = Path(stack.enter_context(TemporaryDirectory()))
        addresses = [each.url.removeprefix("http://") for each in fleet]
        proxy = stack.enter_context(fleet_proxy(addresses, folder))
        eventually(lambda: all(each.get("/health").json()["cluster"]["state"] == "ok" for each in fleet))

        print("| trace | requests | distinct | extractions for each | hit ratio |\n|---|---|---|---|---|")
        print(trace("hash", [proxy.url], fleet))
        print(trace("round-robin", [each.url for each in fleet], fleet), flush=True)
        first, then = admitted(fleet, key, 2.0), admitted(fleet, key, 6.0)
        print(
            f"\nlimit of {LIMIT} a minute, three instances: {first} in the first 2 s, as a debt; "
            f"{then} in the next 6 s (6 where each limits by itself)",
            flush=True,
        )

        troubles: tuple[tuple[str, Callable[[], object]], ...] = (
            ("nothing", lambda: time.sleep(seconds)),
            ("Valkey hangs", lambda: hang(valkey, seconds)),
            ("Valkey is killed, and starts empty", lambda: restart(valkey, seconds)),
            ("an instance gets SIGTERM", lambda: stop(fleet[0], signal.SIGTERM, seconds)),
            ("an instance gets SIGKILL", lambda: stop(fleet[1], signal.SIGKILL, seconds)),
        )
        print("\n| meanwhile | requests | failed | p50 | p99 |\n|---|---|---|---|---|")
        failures = []
        for number, (name, trouble) in enumerate(troubles):
            with under_load(proxy.url, str(number)) as load:
                trouble()
            print(load.row(name), flush=True)
            failures += load.failures
        for failure in failures[:10]:
            print(failure)
    return 1 if failures else 0


def stop(service: Service, number: signal.Signals, seconds: float) -> None:
    service.process.send_signal(number)
    service.process.wait(PATIENCE)
    time.sleep(seconds)
