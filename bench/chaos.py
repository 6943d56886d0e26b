"""Chaos: load under faults, what the service answers meanwhile, and what is left afterwards.

Seeded: `--seed` chooses the requests and the faults, `--seconds` how long it lasts, after a short rehearsal.
Workers are killed and stopped, the template is killed, sites reset, drip and send noise, clients vanish, the
disk is full, forks fail, and the wall clock jumps by hours. The exit status is 1 where a request got no
answer or a wrong one, or something is left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil

from tests.internet import Internet
from tests.support.running_service import Service, eventually

from ._fault_environment import FaultEnvironment
from ._fault_injector import FaultInjector

WORKERS = 4
DEADLINE = 4.0  # seconds for one request
PATIENCE = 15.0  # seconds past the deadline after which a request counts as not answered
REHEARSAL = 15.0  # seconds of load before the first measurement, which fill caches and load modules
CACHE = 256 << 10  # bytes of results, so few that they fill in the rehearsal
LINGERING = 8.0  # seconds: idle connections are closed after five
GROWTH = 0.05  # of memory
SETTLE = (
    40.0  # seconds in which the service has to be well again: an open breaker, a stopped worker's deadline
)


@dataclass
class Report:
    """The results of a run.

    Attributes:
        answers: by status and code; "left" are clients that disconnected on purpose.
        faults: by kind.
        figures: before and after.
        problems: what must not happen, a sentence each.
    """

    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    figures: dict[str, tuple[float, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"requests {sum(self.answers.values())}, faults {sum(self.faults.values())}", ""]
        for title, counts in (("answer", self.answers), ("fault", self.faults)):
            lines += [f"| {title} | count |", "| --- | --- |"]
            lines += [f"| {name} | {count} |" for name, count in counts.most_common()] + [""]
        lines += ["| left afterwards | before | after |", "| --- | --- | --- |"]
        lines += [f"| {name} | {before:g} | {after:g} |" for name, (before, after) in self.figures.items()]
        return "\n".join([*lines, "", *(self.problems or ["nothing wrong"])])


def run(seconds: float, seed: int, clients: int = 12) -> Report:
    """Inject faults for `seconds`, and compare what is left with the state before."""
    report = Report()
    with Internet.spawn() as internet, TemporaryDirectory(prefix="chaos-") as folder:
        environment = FaultEnvironment.prepare(Path(folder))
        settings = {
            "SCALING": f"fixed:{WORKERS}",
            "YTDLP_TIMEOUT": int(DEADLINE * 1000),
            "CB_COOLDOWN_MS": 2000,
            "TMPDIR": environment.scratch,
            "PYTHONPATH": environment.clock,
            "CACHE_MAX_BYTES": CACHE,
            "LOG_LEVEL": "info",
        }
        with Service.run(internet, settings=settings, prefix=environment.prefix) as service:
            crowd = _Crowd(service, report, seed)

            def press(length: float, turn: int) -> None:
                report.answers.clear()
                injector = FaultInjector(service, internet, environment, seed + turn)
                with injector.running():
                    crowd.press(length, clients)
                report.faults = injector.done
                _settle(service, report)

            def figures() -> dict[str, float]:
                return _figures(service, environment)

            press(min(REHEARSAL, seconds), 0)
            before = _least(figures, lambda _: _at_rest(service))
            press(seconds, 1)
            after = _least(figures, lambda found: not _beyond(before, found))
            report.figures = {name: (before[name], after[name]) for name in before}
            report.problems += _beyond(before, after)
            if internet.counters().private:
                report.problems.append("the private side was reached")
            family = service.family()
        left = [process for process in family if process.is_running()]
        if left or service.process.returncode != 0:
            report.problems.append(f"the service ended with {service.process.returncode}, leaving {left}")
        if not environment.mounted and list(environment.scratch.iterdir()):
            report.problems.append("temporary files are left")
    return report


class _Crowd:
    """Clients that send one request after the other and check each answer against its URL."""

    def __init__(self, service: Service, report: Report, seed: int) -> None:
        self._address = urlsplit(service.url)
        self._report = report
        self._seed = seed
        self._lock = threading.Lock()
        self._number = 0

    def press(self, seconds: float, clients: int) -> None:
        """Ask for `seconds`; returns when the last answer is there."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self._client, args=[end]) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, end: float) -> None:
        while time.monotonic() < end:
            with self._lock:
                self._number += 1
                number = self._number
            chance = random.Random(self._seed * 1_000_003 + number)
            leaves = chance.random() < 0.1
            with contextlib.closing(
                http.client.HTTPConnection(
                    str(self._address.hostname),
                    self._address.port,
                    timeout=chance.uniform(0.01, 0.5) if leaves else DEADLINE + PATIENCE,
                )
            ) as connection:
                outcome = self._ask(connection, self._url(chance, number), chance, number, leaves)
            with self._lock:
                self._report.answers[outcome] += 1
            if outcome.startswith("503"):
                time.sleep(chance.uniform(0.1, 0.5))

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        url: str,
        chance: random.Random,
        number: int,
        leaves: bool,
    ) -> str:
        asked: dict[str, object] = {"url": url}
        if chance.random() < 0.05:
            line = "\t".join((".example", "TRUE", "/", "FALSE", "2147483647", "session", f"s{number}"))
            asked["cookies"] = f"# Netscape HTTP Cookie File\n{line}\n"
        headers = {"Content-Type": "application/json", "X-Request-ID": f"chaos-{number}"}
        try:
            connection.request("POST", "/api/v1/extract", json.dumps(asked), headers)
            reply = connection.getresponse()
            body = json.loads(reply.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            if leaves and isinstance(error, TimeoutError):
                return "left"
            return self._problem(f"request {number} for {url} got no answer: {error!r}")
        if reply.headers["X-Request-ID"] != f"chaos-{number}":
            return self._problem(f"request {number} got the answer of {reply.headers['X-Request-ID']}")
        if reply.status == 200 and body.get("original_url") != url:
            return self._problem(f"request {number} for {url} got {body.get('original_url')}")
        if body.get("code") == "INTERNAL":
            return self._problem(f"request {number} for {url} got INTERNAL")
        return f"{reply.status} {body.get('code', 'OK')}"

    def _problem(self, sentence: str) -> str:
        with self._lock:
            self._report.problems.append(sentence)
        return "wrong"

    @staticmethod
    def _url(chance: random.Random, number: int) -> str:
        if chance.random() < 0.7:
            host = chance.randrange(20)
            path = chance.choice(("html5", "video.mp4", "master.m3u8", "manifest.mpd", "json-ld", "cookies"))
            return f"https://site-{host}.example/{path}?n={number}"
        how = chance.choice(("500", "404", "reset", "garbage", "truncated", "empty", "drip", "hang", "huge"))
        return f"https://{how}.fail-{chance.randrange(40)}.example/?n={number}"


def _settle(service: Service, report: Report) -> None:
    """Wait until the service is well again, by itself."""

    def well() -> bool:
        pool = service.pool()
        return (pool["idleWorkers"], pool["activeTasks"], pool["queueLength"]) == (WORKERS, 0, 0)

    def serves() -> bool:
        asked = [
            service.extract(f"https://well-{n}.example/html5?{time.monotonic()}") for n in range(WORKERS)
        ]
        return all(answer.status_code == 200 for answer in asked)

    try:
        eventually(serves, SETTLE)
        eventually(well, SETTLE)
        eventually(lambda: service.get("/health").status_code == 200, SETTLE)
    except AssertionError:
        report.problems.append(f"the service is not well: {service.get('/health').json().get('reason')}")


def _least(
    figures: Callable[[], dict[str, float]], enough: Callable[[dict[str, float]], bool]
) -> dict[str, float]:
    """The least of each within LINGERING, or until they are `enough`.

    What a connection or a dead worker still holds is no leak.
    """
    found = figures()
    end = time.monotonic() + LINGERING
    while True:
        done = enough(found) or time.monotonic() > end
        found = {name: min(value, found[name]) for name, value in figures().items()}
        if done:
            return found
        time.sleep(0.5)


def _figures(service: Service, environment: FaultEnvironment) -> dict[str, float]:
    process = psutil.Process(service.process.pid)
    family = process.children(recursive=True)
    return {
        "processes": len(family),
        "zombies": sum(child.status() == psutil.STATUS_ZOMBIE for child in family),
        "the server's descriptors": process.num_fds(),
        "the server's memory, MB": round(_anonymous(process.pid) / 1024, 1),
        "temporary folders and files": sum(1 for _ in environment.disk(process.pid).rglob("*")),
    }


def _anonymous(pid: int) -> int:
    """KB of anonymous memory of a process.

    The USS would also include its libraries, but only while no other process maps them.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


def _at_rest(service: Service) -> bool:
    """Whether the server holds no connection any more."""
    held = psutil.Process(service.process.pid).net_connections("tcp")
    return all(each.status == psutil.CONN_LISTEN for each in held)


def _beyond(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """What is more than before, a sentence each."""
    growth = {name: 1 + GROWTH if "memory" in name else 1 for name in before}
    return [
        f"{name}: {before[name]:g} before, {after[name]:g} after"
        for name in before
        if after[name] > before[name] * growth[name]
    ]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=12)
    given = parser.parse_args(arguments)
    report = run(given.seconds, given.seed, given.clients)
    print(report)
    return 1 if report.problems else 0
