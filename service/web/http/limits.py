"""The rate limit and the connection limit of each client, and which client a request is from.

The rate limit is the generic cell rate algorithm: one number per client, the theoretical arrival time (ITU-T
I.371; Brandur Leach, "Rate Limiting, Cells, and GCRA"). It is written here because the extension for Quart
uses the wall clock, which may jump, keeps a budget per route, and never forgets a client.
"""

from __future__ import annotations

import ipaddress
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...cluster.port import Spending
from ...codes import Code
from ...config import Config, Network
from ..errors import Refused
from .authentication import Identity

MAX_CLIENTS = 50_000  # clients remembered, at about 200 bytes each; the least recent is forgotten first
CROWD = 5  # IPv6 clients' worth that a /48 may use, which is what one customer is often given
READINGS = 30  # times as often as work may be asked for, counters may be read


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client may still do.

    Attributes:
        limit: requests per window.
        window: seconds.
        remaining: requests that may follow at once.
        reset: seconds until all of `limit` is there again.
        retry_after: seconds until the refused request would be allowed; None for one that was allowed.
    """

    limit: int
    window: float
    remaining: int
    reset: float
    retry_after: float | None

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset)),
            "RateLimit-Policy": f"{self.limit};w={math.ceil(self.window)}",
        }


class RateLimit:
    """`limit` requests per `window` seconds and client, refilled evenly, all of which may be one burst."""

    def __init__(self, limit: int, window: float, *, max_clients: int = MAX_CLIENTS) -> None:
        self.limit = limit
        self.window = window
        self._interval = window / limit
        self._max_clients = max_clients
        self._arrivals: OrderedDict[str, float] = OrderedDict()
        self.shared = False  # with other instances, which learn what is taken
        self._spent: dict[str, float] = {}

    def take(self, client: str, now: float, count: int = 1, *, crowd: str | None = None) -> Allowance:
        """Count `count` requests of `client` at `now` (seconds), or refuse them all.

        Args:
            crowd: the network around the client, which has CROWD times the limit.
        """
        cost = count * self._interval
        arrival, refused = self._look(client, now, cost)
        if refused is None and crowd is not None:
            wider, refused = self._look(crowd, now, cost / CROWD)
            if refused is None:
                self._count(crowd, wider, cost / CROWD)
        if refused is not None:
            return refused
        self._count(client, arrival, cost)
        remaining = int((self.window - (arrival - now)) / self._interval + 1e-6)
        return Allowance(self.limit, self.window, remaining, arrival - now, None)

    def _look(self, client: str, now: float, cost: float) -> tuple[float, Allowance | None]:
        """The arrival time after requests that cost so much, and the refusal where they are too early."""
        arrival = max(self._arrivals.get(client, now), now)
        early = arrival - (self.window - cost) - now
        if early > 1e-6:
            return arrival, Allowance(self.limit, self.window, 0, arrival - now, early)
        return arrival + cost, None

    def spent(self) -> dict[str, float]:
        """The seconds that each client's arrival time was moved by since the last call."""
        spent, self._spent = self._spent, {}
        return spent

    def learn(self, client: str, arrival: float) -> None:
        """Other instances have admitted requests of `client`, too."""
        self._keep(client, max(arrival, self._arrivals.get(client, arrival)))

    def _count(self, client: str, arrival: float, cost: float) -> None:
        self._keep(client, arrival)
        if self.shared and (client in self._spent or len(self._spent) < self._max_clients):
            self._spent[client] = self._spent.get(client, 0.0) + cost

    def _keep(self, client: str, arrival: float) -> None:
        self._arrivals[client] = arrival
        self._arrivals.move_to_end(client)
        if len(self._arrivals) > self._max_clients:
            self._arrivals.popitem(last=False)


class RateLimits:
    """The common limit, and one for each key that has its own."""

    def __init__(self, config: Config) -> None:
        limit, window = config.rate_limit_max_requests, config.rate_limit_window_ms / 1000
        self._common = RateLimit(limit, window) if limit else None
        self._readings = RateLimit(READINGS * limit, window) if limit else None
        self._own: dict[str, RateLimit] = {}
        self._shared = False

    def share(self) -> None:
        """As `Budget.share`."""
        self._shared = True
        for _, limit in self._each():
            limit.shared = True

    def spent(self) -> list[Spending]:
        """As `Budget.spent`."""
        return [
            Spending(name, client, cost, limit.window)
            for name, limit in self._each()
            for client, cost in limit.spent().items()
        ]

    def learn(self, spending: Spending, ahead: float, now: float) -> None:
        """As `Budget.learn`."""
        for name, limit in self._each():
            if name == spending.limit:
                limit.learn(spending.client, now + ahead)

    def _each(self) -> Iterator[tuple[str, RateLimit]]:
        if self._common is not None and self._readings is not None:
            yield "requests", self._common
            yield "readings", self._readings
        for name, limit in self._own.items():
            yield f"key:{name}", limit

    def of(self, identity: Identity | None) -> RateLimit | None:
        """The limit that holds for `identity`; None where there is none."""
        if identity is not None and identity.name is not None and identity.rate is not None:
            if (own := self._own.get(identity.name)) is None:
                own = self._own[identity.name] = RateLimit(identity.burst, identity.burst / identity.rate)
                own.shared = self._shared
            return own
        return self._common

    def take(self, identity: Identity | None, address: str, now: float, count: int = 1) -> Allowance | None:
        """Count `count` requests; None where there is no limit.

        Raises:
            Refused: TOO_MANY_REQUESTS, with the headers that tell the limit.
        """
        return _take(self.of(identity), identity, address, now, count)

    def take_reading(self, identity: Identity | None, address: str, now: float) -> None:
        """Count a request that only reads counters. Raises as `take`."""
        _take(self._readings, identity, address, now, 1)


def _take(
    limit: RateLimit | None, identity: Identity | None, address: str, now: float, count: int
) -> Allowance | None:
    if limit is None:
        return None
    client = client_of(identity, address)
    allowance = limit.take(client, now, count, crowd=crowd_of(client))
    if allowance.retry_after is not None:
        raise Refused(
            Code.TOO_MANY_REQUESTS,
            f"Too many requests: at most {allowance.limit} in {allowance.window:g} s",
            retry_after=allowance.retry_after,
            headers=allowance.headers,
        )
    return allowance


class ConnectionLimiter:
    """How many connections each client has open, up to `limit`; the `spared` networks are not counted."""

    def __init__(self, limit: int, spared: Sequence[Network]) -> None:
        self._limit = limit
        self._spared = spared
        self._sizes: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Whether one more connection of `address` is admitted; if so, it must `leave` later."""
        counted = self._counted(address)
        if any(self._sizes[each] >= limit for each, limit in counted):
            return False
        self._sizes.update(each for each, _ in counted)
        return True

    def leave(self, address: str) -> None:
        for each, _ in self._counted(address):
            self._sizes[each] -= 1
            if not self._sizes[each]:
                del self._sizes[each]

    def _counted(self, address: str) -> list[tuple[str, int]]:
        """What `address` counts for, and how many connections that may have."""
        if is_within(address, self._spared):
            return []
        client = client_of(None, address)
        crowd = crowd_of(client)
        return [(client, self._limit), *([(crowd, CROWD * self._limit)] if crowd else [])]


def client_of(identity: Identity | None, address: str) -> str:
    """The client that a request counts for: its key, or its address (for IPv6, the /64 around it)."""
    if identity is not None and identity.name is not None:
        return f"key:{identity.name}"
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return address


@lru_cache(maxsize=4096)  # the same clients come again
def crowd_of(client: str) -> str | None:
    """The /48 around an IPv6 client; None for any other."""
    if not client.endswith("/64"):
        return None
    return str(ipaddress.IPv6Network(client).supernet(new_prefix=48))


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address of the client behind the proxies that are trusted.

    Args:
        peer: the address at the other end of the connection.
        forwarded: the values of X-Forwarded-For, in the order of the headers.
        trusted: the networks of proxies; only what one of them wrote is believed.
    """
    address = _parse(peer)
    if address is None:
        return peer
    hops = [hop for value in forwarded for hop in value.split(",")]
    while hops and any(address in network for network in trusted):
        nearer = _parse(_without_port(hops.pop().strip()))
        if nearer is None:
            break
        address = nearer
    return str(address)


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether `address` is one of `networks`; an IPv4 address may be wrapped in an IPv6 one."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


@lru_cache(maxsize=4096)  # the same clients come again
def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, port = hop.rpartition(":")
    return host if colon and ":" not in host and port.isdigit() else hop
