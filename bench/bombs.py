"""What hostile pages cost, and what they cost everybody else: throughput beside each of them, as a ratio.

One bomb after the other is asked for, again and again by one client, while others ask for ordinary pages of
the same service. Their rate is compared with the rate beside an ordinary page that takes the same place.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.request import ProxyHandler, Request, build_opener

from tests.internet import Internet
from tests.running import Service

WORKERS = 10
LATENCY = 0.5  # seconds in which a site answers: the others wait for their sites, as they do in life
BOMBS = (
    "regex-bomb",
    "huge",
    "manifests",
    "redirect-self",
    "redirect-chain",
    "refresh-chain",
    "drip",
    "hang",
)
_direct = build_opener(ProxyHandler({}))


@dataclass
class Findings:
    """Of one bomb: codes and seconds of its own requests, and requests per second of the others."""

    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    rate: float = 0.0


def measure(service: Service, bomb: str | None, seconds: float, salt: str) -> Findings:
    """Throw `bomb` (None: an ordinary page) for `seconds` while the other nine workers' clients go on."""
    found = Findings()
    served = [0] * (WORKERS - 1)
    end = time.monotonic() + seconds

    def thrower() -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            site = f"{bomb}.fail-{salt}{number}.example" if bomb else f"ordinary-{salt}{number}.example"
            began = time.monotonic()
            code = _ask(service, f"https://{site}/?{salt}{number}")
            found.outcomes[code] = found.outcomes.get(code, 0) + 1
            found.seconds.append(time.monotonic() - began)

    def other(index: int) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            code = _ask(service, f"https://other-{index}.example/video.mp4?{salt}{number}")
            served[index] += code == "OK" and time.monotonic() <= end

    threads = [threading.Thread(target=thrower)]
    threads += [threading.Thread(target=other, args=[index]) for index in range(WORKERS - 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.rate = sum(served) / seconds
    return found


def _ask(service: Service, url: str) -> str:
    body = json.dumps({"url": url}).encode()
    request = Request(f"{service.url}/api/v1/extract", body, {"Content-Type": "application/json"})
    try:
        with _direct.open(request, timeout=60) as reply:
            reply.read()
            return "OK"
    except OSError as error:
        answer = json.loads(error.read()) if hasattr(error, "read") else {}
        return str(answer.get("code", error))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench bombs", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--timeout", type=int, default=15_000, help="YTDLP_TIMEOUT, in ms")
    parser.add_argument("bombs", nargs="*", default=BOMBS, metavar="BOMB")
    given = parser.parse_args(arguments)
    settings = {
        "SCALING": f"fixed:{WORKERS}",
        "YTDLP_TIMEOUT": given.timeout,
        "CACHE_MAX_BYTES": 0,
        "CB_FAILURE_THRESHOLD": 100_000,
        "CB_VOLUME_THRESHOLD": 100_000,
    }
    print("| bomb | outcome | seconds each | others per second | beside an ordinary page | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    with Internet.spawn() as internet, Service.run(internet, settings=settings) as service:
        internet.set_latency("*", LATENCY)
        measure(service, None, 2, "w")
        for index, bomb in enumerate(given.bombs):
            beside = [measure(service, None, given.seconds / 2, f"{index}a").rate]
            found = measure(service, bomb, given.seconds, f"{index}b")
            beside.append(measure(service, None, given.seconds / 2, f"{index}c").rate)
            quiet = statistics.fmean(beside)
            outcomes = ", ".join(f"{code} {count}" for code, count in found.outcomes.items())
            cost = statistics.median(found.seconds)
            ratio = found.rate / quiet if quiet else 0.0
            print(
                f"| {bomb} | {outcomes} | {cost:.2f} | {found.rate:.1f} | {quiet:.1f} | {ratio:.2f} |",
                flush=True,
            )
    return 0
