"""Sizes of each kind of page beside a HEAD made by hand, and what asking servers for them costs.

The first table asks `/api/v1/size`, and then the servers of the formats that it names, as a person with curl
would. The second runs the same jobs in two workers in turns, of which one asks no server for a size, and
compares their CPU (getrusage) within each round.
"""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

from service.template_wire import WorkerSettings
from service.wire import Job, Kind, Success
from tests.internet import EASY, Internet
from tests.support.lone_worker import LoneWorker
from tests.support.running_service import Service

FILES = "https://files.example"
KINDS = {
    "plain file, mp4": "https://direct.example/video.mp4",
    "plain file, mp3": "https://feed.example/episode-1.mp3",
    "html5 `<source>`": "https://html5.example/",
    "`og:video`": f"{FILES}/og-video",
    "JSON-LD": f"{FILES}/json-ld",
    "HLS without sizes": f"{FILES}/muxed.m3u8",
    "HLS with audio groups": "https://hls.example/master.m3u8",
    "HLS, one rendition without a bitrate": "https://hls.example/v720.m3u8",
    "HLS, live": "https://hls.example/live.m3u8",
    "DASH": "https://dash.example/manifest.mpd",
    "YouTube": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "file whose server refuses HEAD": f"{FILES}/nohead.mp4",
    "file sent in chunks, without a length": f"{FILES}/unsized.mp4",
}
PAGES = {
    "plain file": "https://direct.example/video.mp4",
    "html5, two sources": "https://html5.example/",
    "three heights": f"{FILES}/ladder",
    "YouTube (asks no server)": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
}
_BEST = "bv*+ba/b/ba"  # what a download would take, whose addresses the answer then has


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of the best of one page.

    Attributes:
        bytes, accuracy, reason: of the service.
        head: the lengths that HEADs by hand tell of the files, or None.
        remark: what the HEADs told where it is no length of the files.
    """

    bytes: int | None
    accuracy: str
    reason: str
    head: int | None
    remark: str


def compare(internet: Internet, service: Service) -> dict[str, Row]:
    """A row for each of KINDS."""
    context = ssl.create_default_context(cafile=str(internet.ca_file))
    with httpx.Client(proxy=internet.proxy, verify=context) as by_hand:
        return {kind: _row(service.size(url, format=_BEST).json(), by_hand) for kind, url in KINDS.items()}


def _row(answer: Mapping[str, Any], by_hand: httpx.Client) -> Row:
    chosen = answer["selection"]
    heads = [by_hand.head(item["url"], headers=item["http_headers"]) for item in chosen["formats"]]
    told = [_length(head) for head in heads]
    remarks = [_remark(head) for head, length in zip(heads, told, strict=True) if length is None]
    lengths = [length for length in told if length is not None]
    return Row(
        bytes=chosen["bytes"],
        accuracy=chosen["accuracy"],
        reason=chosen.get("reason") or "",
        head=None if remarks else sum(lengths),
        remark=", ".join(dict.fromkeys(remarks)),
    )


def _length(head: httpx.Response) -> int | None:
    is_media = head.headers.get("Content-Type", "").startswith(("video/", "audio/"))
    text = head.headers.get("Content-Length")
    return int(text) if text and is_media and head.is_success else None


def _remark(head: httpx.Response) -> str:
    if not head.is_success:
        return f"answers {head.status_code}"
    length = head.headers.get("Content-Length")
    content_type = head.headers.get("Content-Type", "").partition(";")[0]
    return f"{int(length):,} of {content_type}" if length else "no length"


def spent(internet: Internet, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of a worker's CPU for each of PAGES, in each round: with heads and without."""
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))
    found: dict[str, list[tuple[float, float]]] = {page: [] for page in PAGES}
    with LoneWorker.spawn(settings) as asking, LoneWorker.spawn(settings, heads=False) as silent:
        for number in range(-2, rounds):  # the first do not count: a worker's first jobs are slower
            for page, url in PAGES.items():
                first = _cpu(asking, url), _cpu(silent, url)
                second = _cpu(silent, url), _cpu(asking, url)
                if number >= 0:
                    found[page].append(((first[0] + second[1]) / 2, (first[1] + second[0]) / 2))
    return found


def _cpu(worker: LoneWorker, url: str) -> float:
    outcome = worker.run(Job(Kind.SIZE, url))
    assert isinstance(outcome, Success), outcome
    return outcome.usage.cpu


def table(rows: Mapping[str, Row]) -> str:
    lines = ["| page | `/size` | how it is known, or why not | HEAD by hand |", "|---|---|---|---|"]
    for kind, row in rows.items():
        size = "" if row.bytes is None else f"{row.bytes:,}"
        known = f"{row.accuracy}: {row.reason}" if row.reason else row.accuracy
        lines.append(f"| {kind} | {size} | {known} | {row.remark or f'{row.head:,}'} |")
    return "\n".join(lines)


def cpu_table(found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Medians over the rounds; the ratio is the median of the rounds' own."""
    lines = ["| page | CPU with heads, ms | without | ratio |", "|---|---|---|---|"]
    for page, rounds in found.items():
        with_heads, without = (1000 * median(each) for each in zip(*rounds, strict=True))
        ratio = median(one / other for one, other in rounds)
        lines.append(f"| {page} | {with_heads:.1f} | {without:.1f} | {ratio:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench sizes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="of the measurement of CPU")
    given = parser.parse_args(arguments)
    with Internet.spawn(settings=EASY) as internet:
        with Service.run(internet) as service:
            print(table(compare(internet, service)), flush=True)
        print("", cpu_table(spent(internet, given.rounds)), sep="\n", flush=True)
    return 0
