"""Page bombs: what they cost, and the throughput of other clients beside each of them, as a ratio.

One client requests a bomb repeatedly, while others request ordinary pages of the same service. Their rate is
compared with the rate beside an ordinary page in place of the bomb.

The DNS black hole is another service: without a proxy, so that its workers resolve names themselves, with a
name server that never answers. Its ordinary pages are at an address on loopback that needs no name.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.request import ProxyHandler, Request, build_opener

from tests.internet import Internet
from tests.support.dns_black_hole import black_hole
from tests.support.origin import VideoSite, origin
from tests.support.running_service import Service

WORKERS = 10
LATENCY = 0.5  # seconds in which a site answers, as real sites take some time
BOMBS = (
    "regex-bomb",
    "huge",
    "enormous",
    "manifests",
    "redirect-self",
    "redirect-chain",
    "refresh-chain",
    "drip",
    "hang",
)
BLACK_HOLE = "dns-black-hole"
_direct = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class World:
    """A service, and the URLs of its pages.

    Attributes:
        bomb: the URL of a bomb of this name, as a site of its own for each text.
        ordinary: the URL of an ordinary page, the same.
    """

    service: Service
    bomb: Callable[[str, str], str]
    ordinary: Callable[[str], str]


@dataclass
class Findings:
    """The results of one bomb: codes and seconds of its requests, and requests per second of the others."""

    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    rate: float = 0.0


def measure(world: World, bomb: str | None, seconds: float, salt: str) -> Findings:
    """Request `bomb` (None: an ordinary page) for `seconds`, beside nine other clients."""
    found = Findings()
    served = [0] * (WORKERS - 1)
    end = time.monotonic() + seconds

    def thrower() -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            text = f"{salt}{number}"
            began = time.monotonic()
            code = _ask(world.service, world.bomb(bomb, text) if bomb else world.ordinary(text))
            found.outcomes[code] = found.outcomes.get(code, 0) + 1
            found.seconds.append(time.monotonic() - began)

    def other(index: int) -> None:
        number = 0
        while time.monotonic() < end:
            number += 1
            code = _ask(world.service, world.ordinary(f"{salt}{number}-{index}"))
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


@contextlib.contextmanager
def behind_the_proxy(settings: dict[str, object]) -> Iterator[World]:
    """The small internet, each of whose failures is a bomb."""
    with Internet.spawn() as internet, Service.run(internet, settings=settings) as service:
        internet.set_latency("*", LATENCY)
        yield World(
            service,
            lambda bomb, text: f"https://{bomb}.fail-{text}.example/",
            lambda text: f"https://ordinary-{text}.example/video.mp4",
        )


@contextlib.contextmanager
def without_names(settings: dict[str, object]) -> Iterator[World | None]:
    """A service for which every name is a bomb; None where this machine does not allow it."""
    with black_hole() as hole, origin(_Site) as port:
        if hole is None:
            yield None
            return
        address = f"127.0.0.1:{port}"
        allowed = {**settings, "EGRESS_ALLOW": address}
        with Service.run(settings=allowed, prefix=hole.prefix) as service:
            yield World(
                service,
                lambda bomb, text: f"https://{bomb}-{text}.example/",
                lambda text: f"http://{address}/video.mp4?{text}",
            )


class _Site(VideoSite):
    delay = LATENCY


def compare(world: World, bombs: Sequence[str], seconds: float) -> None:
    """Print a line for each of `bombs`."""
    measure(world, None, 2, "w")
    for index, bomb in enumerate(bombs):
        beside = [measure(world, None, seconds / 2, f"{index}a").rate]
        found = measure(world, bomb, seconds, f"{index}b")
        beside.append(measure(world, None, seconds / 2, f"{index}c").rate)
        quiet = statistics.fmean(beside)
        outcomes = ", ".join(f"{code} {count}" for code, count in found.outcomes.items())
        cost = statistics.median(found.seconds)
        ratio = found.rate / quiet if quiet else 0.0
        print(
            f"| {bomb} | {outcomes} | {cost:.2f} | {found.rate:.1f} | {quiet:.1f} | {ratio:.2f} |",
            flush=True,
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench bombs", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--timeout", type=int, default=15_000, help="YTDLP_TIMEOUT, in ms")
    parser.add_argument("bombs", nargs="*", default=(*BOMBS, BLACK_HOLE), metavar="BOMB")
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
    of_sites = [bomb for bomb in given.bombs if bomb != BLACK_HOLE]
    if of_sites:
        with behind_the_proxy(settings) as world:
            compare(world, of_sites, given.seconds)
    if BLACK_HOLE in given.bombs:
        with without_names(settings) as unnamed:
            if unnamed is None:
                print(f"{BLACK_HOLE} needs root and unshare, to have other name servers", file=sys.stderr)
            else:
                compare(unnamed, [BLACK_HOLE], given.seconds)
    return 0
