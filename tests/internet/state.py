"""What can be set and what was asked for: latencies, failures, settings, counters. Callers pass `now`."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from .egresses import Rates
from .settings import Settings


@dataclass(slots=True)
class Switch:
    """A host that fails in the way `how` until `until`, or for the next `times` requests, or until healed.

    With `per_minute` it answers so many requests of each egress in a minute, and fails the others.
    """

    how: str
    until: float | None = None
    times: int | None = None
    per_minute: int | None = None


class State:
    """The one mutable thing of the small internet."""

    def __init__(self, settings: Settings) -> None:
        self._initial = settings
        self.private_ever = 0
        self.reset()

    def reset(self) -> None:
        """Forget counters, latencies, switches and settings; what is open is still counted down."""
        self.connections = 0
        self.open_connections = getattr(self, "open_connections", 0)
        self.open_requests = getattr(self, "open_requests", 0)
        self.hanging = getattr(self, "hanging", 0)
        self.peak_open_requests = 0
        self.bytes_sent = 0
        self.tunnels: Counter[str] = Counter()
        self.hosts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.private: list[str] = []
        self.settings = self._initial
        self._latency: dict[str, float] = {}
        self._switches: dict[tuple[str, str], Switch] = {}  # by host, and by egress or "" for all
        self._rates = Rates()
        self.egresses: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def arrived(self, host: str, kind: str, egress: str) -> None:
        """Count a request of `egress` for `host` whose reply is of `kind`."""
        self.egresses[egress][host] += 1
        counts = self.hosts[host]
        counts["total"] += 1
        counts[kind] += 1

    def set_latency(self, host: str, seconds: float) -> None:
        self._latency[host] = seconds

    def fail(self, host: str, switch: Switch, egress: str = "") -> None:
        self._switches[host, egress] = switch

    def heal(self, host: str) -> None:
        for key in [key for key in self._switches if key[0] == host]:
            del self._switches[key]

    def latency(self, host: str) -> float:
        """Seconds before each answer of `host`: its own, its nearest parent domain's, or that of `*`."""
        return next((self._latency[name] for name in _names(host) if name in self._latency), 0.0)

    def failure(self, host: str, now: float, egress: str, *, spend: bool = True) -> str | None:
        """How `host` fails `egress` now, or None; with `spend`, one of the switch's times is used up."""
        for key in [(name, whose) for name in _names(host) for whose in (egress, "")]:
            switch = self._switches.get(key)
            if switch is None:
                continue
            if (switch.until is not None and now >= switch.until) or switch.times == 0:
                del self._switches[key]
                continue
            limit = switch.per_minute
            if limit is not None and not self._rates.over(key[0], egress, limit, now, spend=spend):
                continue
            if switch.times is not None and spend:
                switch.times -= 1
            return switch.how
        return None

    def counters(self) -> dict[str, Any]:
        """The counters as JSON-ready values; `client.Counters` names each field."""
        return {
            "connections": self.connections,
            "open_connections": self.open_connections,
            "open_requests": self.open_requests,
            "peak_open_requests": self.peak_open_requests,
            "hanging": self.hanging,
            "bytes_sent": self.bytes_sent,
            "requests": sum(counts["total"] for counts in self.hosts.values()),
            "tunnels": dict(self.tunnels),
            "egresses": {egress: dict(hosts) for egress, hosts in self.egresses.items()},
            "hosts": {host: dict(counts) for host, counts in self.hosts.items()},
            "private": list(self.private),
            "private_ever": self.private_ever,
        }


def _names(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[index:]) for index in range(len(labels))] + ["*"]
