"""One egress: what it is, what it counts as to a site, and the address that it sends from. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network

from .route import Route
from .settings import EgressSettings, Network

ROTATION = 3600.0  # seconds for which a site sees one address of a network
_SITE_SEES = 64  # bits of an IPv6 address; a site blocks the whole network of a customer


@dataclass(frozen=True, slots=True)
class Egress:
    """An egress of the pool.

    Attributes:
        identity: what a site takes it for: IPv6 sources of one /64 are the same.
        proxy: with its credentials, or None.
        network: the addresses that it sends from, or None.
    """

    name: str
    egress_class: str = ""
    identity: str = ""
    proxy: str | None = field(default=None, repr=False)
    network: Network | None = None
    weight: float = 1.0
    sites: frozenset[str] = frozenset()
    max_rate: float | None = None

    @classmethod
    def of(cls, name: str, settings: EgressSettings) -> Egress:
        network = settings.network
        return cls(
            name,
            settings.class_,
            _identity(name, network),
            None if settings.proxy is None else settings.proxy.get_secret_value(),
            network,
            settings.weight,
            frozenset(settings.sites),
            settings.max_rate,
        )

    @property
    def rotates(self) -> bool:
        """Whether its address changes with time."""
        return self.network is not None and self.network.num_addresses > 1

    def takes(self, site: str) -> bool:
        """Whether it may be used for `site`."""
        return not self.sites or site in self.sites

    def is_meant(self, wanted: str) -> bool:
        """Whether a client that asks for `wanted`, a name or a class, may get it; "" is any."""
        return not wanted or wanted in (self.name, self.egress_class)

    def route(self, site: str, now: float, secret: bytes) -> Route:
        """The way of a job to `site`; `secret` makes the address of a network unforeseeable."""
        if self.network is None:
            return Route(self.proxy)
        return Route(source=source_address(self.network, site, now, secret))


def egresses_of(tables: Mapping[str, EgressSettings]) -> tuple[Egress, ...]:
    """The egresses of the `[egress]` tables."""
    return tuple(Egress.of(name, settings) for name, settings in tables.items())


def source_address(network: Network, site: str, now: float, secret: bytes) -> str:
    """The address of `network` for `site` in this hour: random, and the same throughout the hour."""
    hour = str(int(now // ROTATION))
    digest = hashlib.blake2b(f"{site} {hour}".encode(), key=secret, digest_size=16).digest()
    first, last = _usable(network)
    return str(network[first + int.from_bytes(digest) % (last - first + 1)])


def _usable(network: Network) -> tuple[int, int]:
    """The first and the last address that a host may have, as offsets."""
    last = network.num_addresses - 1
    if last <= 1:
        return 0, last
    # The first is the network itself, or all of its routers; IPv4 has a broadcast address as well.
    return (1, last) if isinstance(network, IPv6Network) else (1, last - 1)


def _identity(name: str, network: Network | None) -> str:
    if not isinstance(network, IPv6Network):
        return name
    return str(network if network.prefixlen <= _SITE_SEES else network.supernet(new_prefix=_SITE_SEES))
