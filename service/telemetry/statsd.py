"""StatsD: the Prometheus metrics as lines over UDP, counters as increments, gauges as values.

Plain StatsD has no labels, so their values become parts of the name: `ytdlpd.jobs.youtube_com.OK`. Nothing
waits for the network: a datagram that cannot be sent at once is lost.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator

import structlog
import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

log = structlog.get_logger(__name__)

INTERVAL = 10.0  # seconds, the flush interval of a StatsD server
DATAGRAM = 1432  # bytes, so that one fits into an Ethernet frame
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


class Lines:
    """Turns the metrics of a registry into StatsD lines; remembers the last values of counters."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def of(self, metrics: Iterable[Metric]) -> Iterator[str]:
        """The lines since the last call. A histogram is sent as the increments of its count and its sum."""
        now: dict[str, float] = {}
        for metric in metrics:
            for sample in metric.samples:
                if sample.name.endswith("_bucket"):
                    continue
                name = _name(metric.name, sample.name, sample.labels.values())
                if metric.type == "gauge":
                    if sample.value < 0:
                        yield f"{name}:0|g"  # a sign would mean a change by that amount
                    yield f"{name}:{sample.value:.12g}|g"
                elif metric.type in ("counter", "histogram"):
                    now[name] = sample.value
                    before = self._before.get(name, 0.0)
                    # A series that was dropped and came back begins anew.
                    grown = sample.value - before if sample.value >= before else sample.value
                    if grown:
                        yield f"{name}:{grown:.12g}|c"
        self._before = now


def _name(metric: str, sample: str, labels: Iterable[str]) -> str:
    suffix = sample.removeprefix(metric).removesuffix("_total").strip("_")
    parts = [metric.removeprefix("ytdlpd_"), *labels, *([suffix] if suffix else [])]
    return ".".join(["ytdlpd", *(_UNFIT.sub("_", part).strip("_") or "_" for part in parts)])


def datagrams(lines: Iterable[str]) -> Iterator[bytes]:
    """The lines in as few datagrams as possible."""
    packed = b""
    for line in lines:
        encoded = line.encode("ascii")
        if packed and len(packed) + 1 + len(encoded) > DATAGRAM:
            yield packed
            packed = b""
        packed = packed + b"\n" + encoded if packed else encoded
    if packed:
        yield packed


async def report(registry: CollectorRegistry, host: str, port: int, *, interval: float = INTERVAL) -> None:
    """Send the metrics to `host` every `interval` seconds; its name is looked up each time."""
    lines = Lines()
    while True:
        await trio.sleep(interval)
        packets = list(datagrams(lines.of(registry.collect())))
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            with trio.socket.socket(family, kind, protocol) as udp:
                for packet in packets:
                    await udp.sendto(packet, address)
        except OSError as error:
            log.warning("statsd_unreachable", host=host, port=port, problem=str(error))
