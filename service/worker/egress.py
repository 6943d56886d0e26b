"""The egress policy of a worker: the check of URLs and addresses (pure), and the hook that enforces it.

There are two layers. Every URL that yt-dlp requests is checked first, redirects included, because a
proxy resolves names elsewhere. An audit hook then checks the address of every connect, so that without a
proxy the address that is used counts; it also denies every program but the JavaScript runtime. libc's DNS
queries, file reads, and native libraries with their own sockets are not covered: see landlock.py.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..egress.route import Route
from ..template_wire import WorkerSettings
from .job_record import JobRecord

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}

# Names with a meaning only inside a private network: those of standards (RFC 6761, RFC 6762, RFC 7686,
# RFC 8375, RFC 9476, ICANN's .internal), and those of clusters. A proxy would look all of them up.
_PRIVATE_SUFFIXES = frozenset(
    (
        *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"),
        *("arpa", "domain", "workgroup", "onion", "alt"),
        *("svc", "pod", "cluster", "k8s", "kube", "kubernetes", "consul", "nomad", "mesos", "mesh"),
        *("docker", "podman", "container", "lxd", "incus", "vm", "vpn"),
    )
)

# Global by definition, but without web sites: protocol assignments, 6to4 relays, benchmarking.
_NO_WEB_SITES = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16")
)
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")

# The ports of sites; other services of a host (mail, databases, shells) are not for clients.
WEB_PORTS = frozenset((80, 81, 443, 1935, *range(8000, 8011), *range(8080, 8091), 8443, 8888, 9000, 9443))
_DNS = 53  # libc uses TCP where an answer is too long for UDP

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252})")
_ENTRY = re.compile(r"(\[[^\]]+\]|[^\s:/?#@\[\]]+)(?::(\d{1,5}))?")  # of EGRESS_ALLOW: a host, perhaps a port
_NAME = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of EGRESS_ALLOW: a network or a host name, with one port or (None) all ports."""

    network: Network | None
    host: str | None
    port: int | None

    def allows(self, host: str | Address, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if isinstance(host, str):
            return host == self.host
        return self.network is not None and host.version == self.network.version and host in self.network


def rules(entries: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of EGRESS_ALLOW's entries: `10.0.0.0/8`, `[::1]:8080`, `media.lan`, `media.lan:80`.

    Raises:
        ValueError: an entry is none of these.
    """
    return tuple(_rule(entry.strip()) for entry in entries)


def sidecar_rules(entries: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of SIDECARS' entries, each a host and a port. Raises ValueError where one is none."""
    found = []
    for entry in entries:
        try:
            (rule,) = rules((entry,))
        except ValueError:
            rule = None
        if rule is None or rule.port is None:
            raise ValueError(f"SIDECARS: {entry!r} must look like 127.0.0.1:4416")
        found.append(rule)
    return tuple(found)


def _rule(entry: str) -> Rule:
    if "/" in entry:
        try:
            return Rule(ipaddress.ip_network(entry), None, None)
        except ValueError as error:
            raise ValueError(f"EGRESS_ALLOW: {entry!r} is not a network: {error}") from None
    if entry.count(":") > 1 and not entry.startswith("["):
        if literal(entry) is None or literal(entry.rpartition(":")[0]) is not None:
            raise ValueError(f"EGRESS_ALLOW: {entry!r} may have a port; write [address], or [address]:port")
        return Rule(ipaddress.ip_network(entry), None, None)
    found = _ENTRY.fullmatch(entry)
    host = _plain(found[1].strip("[]")) if found else ""
    port = int(found[2]) if found and found[2] else None
    address = literal(host)
    bracketed = entry.startswith("[")
    named = not (address or bracketed or host.rpartition(".")[2].isdigit()) and _NAME.fullmatch(host)
    if not (address or named) or port == 0 or (port or 0) > 65535:
        raise ValueError(f"EGRESS_ALLOW: {entry!r} is not a network, a host or host:port")
    return Rule(None if address is None else ipaddress.ip_network(address), host if named else None, port)


def literal(host: str) -> Address | None:
    """`host` parsed as an address, in any notation that a connect accepts; None for a name.

    IPv4 may be decimal, hexadecimal or octal and have one to four parts, as `inet_aton(3)` reads it.
    """
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host)
        except ValueError:
            return None
    if not re.fullmatch(r"[0-9a-fx.]+", host):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public internet, in whichever form an IPv4 address is wrapped."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST or address in _DOCUMENTATION:
            return False
    if any(address.version == network.version and address in network for network in _NO_WEB_SITES):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def refusal(url: str, allow: tuple[Rule, ...] = ()) -> str | None:
    """Why `url` may not be requested, or None. Only http and https pass, with a public host."""
    try:
        parts = urlsplit(url)
        port = _port(parts)
    except ValueError:
        return "a malformed URL"
    if parts.scheme not in ("http", "https"):
        return "a scheme other than http and https"
    if not parts.hostname:
        return "a URL without a host"
    if "\\" in parts.netloc or parts.netloc.count("@") > 1:
        return "a host that readers of URLs disagree about"
    host = _plain(parts.hostname)
    address = literal(host)
    if any(rule.allows(address or host, port) for rule in allow):
        return None
    if port not in WEB_PORTS:
        return "a port that sites do not use"
    if address is not None:
        return None if is_public(address) else "an address inside a private network"
    if not _HOST.fullmatch(host):
        return "a malformed host"
    labels = host.split(".")
    if len(labels) < 2 or labels[-1] in _PRIVATE_SUFFIXES or labels[-1].isdigit():
        return "a name inside a private network"
    return None


def ports(settings: WorkerSettings) -> frozenset[int] | None:
    """The TCP ports that a worker may connect to; None where an entry of EGRESS_ALLOW has no port."""
    sidecars = {rule.port for rule in sidecar_rules(settings.sidecars) if rule.port is not None}
    if settings.proxy is not None:
        return frozenset((_DNS, _port(urlsplit(settings.proxy)), *sidecars))
    if settings.proxy_ports and settings.only_proxies:
        return frozenset((_DNS, *settings.proxy_ports, *sidecars))
    allowed = [rule.port for rule in rules(settings.egress_allow)]
    if None in allowed:
        return None
    others = (*settings.proxy_ports, *(port for port in allowed if port is not None))
    return WEB_PORTS | sidecars | {_DNS, *others}


def place_of(url: str) -> tuple[str, int]:
    """The host of `url`, as it would be looked up, and its port. Raises ValueError where it is malformed."""
    parts = urlsplit(url)
    return _plain(parts.hostname or ""), _port(parts)


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _plain(host: str) -> str:
    """`host` as it would be looked up: full-width and enclosed forms folded, IDNA-encoded, no final dot."""
    folded = unicodedata.normalize("NFKC", host).replace("。", ".").lower()
    if not folded.isascii():
        try:
            folded = folded.encode("idna").decode("ascii")
        except UnicodeError:
            return folded
    return folded.removesuffix(".")


class Guard:
    """The egress policy of one worker. A denial is noted in the job's record and raised as Blocked.

    Args:
        settings: the proxy, EGRESS_ALLOW and SIDECARS. With a proxy, only the proxy's address may be
            connected to, and that of a sidecar while a plugin asks it.
        programs: paths that may be started.

    Attributes:
        sidecars: the rules of SIDECARS.
        resting: until when, on the monotonic clock, a sidecar that failed is not asked.
    """

    def __init__(self, settings: WorkerSettings, programs: Iterable[str] = ()) -> None:
        self.job_record = JobRecord()
        self.resting: dict[str, float] = {}
        self._rules = rules(settings.egress_allow)
        self.sidecars = sidecar_rules(settings.sidecars)
        self._vouched: set[tuple[Address, int]] = set()  # addresses of the sidecar that is being asked
        self._programs = frozenset(programs)
        self._allowed: set[tuple[Address, int]] = set()  # addresses of host names that the operator allows
        self._proxy: tuple[str, int] | None = None
        self._settings = settings
        self._route = Route()
        self._hold(Route(settings.proxy))

    def leave_by(self, route: Route | None) -> None:
        """Hold to the egress of a job, to its proxy or its source address; None: to that of the settings.

        Raises Blocked where the operator lets jobs leave by proxies only, and this one has none.
        """
        if self._settings.only_proxies and not (route and route.proxy):
            raise self.job_record.deny("a job without its proxy")
        self._hold(route or Route(self._settings.proxy))

    def _hold(self, route: Route) -> None:
        if route == self._route:
            return
        self._route = route
        self._proxy, self._allowed = None, set()
        if route.proxy is not None:
            parts = urlsplit(route.proxy)
            self._proxy = (parts.hostname or "", _port(parts))

    def refusal(self, url: str) -> str | None:
        """Why `url` may not be requested, or None."""
        return refusal(url, self._rules)

    def is_sidecar(self, url: str) -> bool:
        """Whether `url` is of a sidecar; only plugins may ask for it."""
        if not self.sidecars:
            return False
        try:
            host, port = place_of(url)
        except ValueError:
            return False
        listed = any(rule.allows(literal(host) or host, port) for rule in self.sidecars)
        return listed and url.lower().startswith(("http:", "https:"))

    @contextmanager
    def vouching(self, url: str) -> Iterator[None]:
        """Let its body connect to the sidecar that `url` is of."""
        self._vouched = _addresses(*place_of(url))
        try:
            yield
        finally:
            self._vouched = set()

    def check_url(self, url: str) -> None:
        """Raises Blocked where `url` may not be requested."""
        reason = self.refusal(url)
        if reason is not None:
            raise self.job_record.deny(reason)
        if self._proxy is None and self._rules:
            host, port = place_of(url)
            if any(rule.host is not None and rule.allows(host, port) for rule in self._rules):
                self._allowed |= _addresses(host, port)

    def check_address(self, address: object) -> None:
        """Raises Blocked where a socket may not be connected to `address`, as the socket module takes it."""
        if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[0], str):
            raise self.job_record.deny("a socket other than TCP")
        try:
            host, port = ipaddress.ip_address(address[0]), int(address[1])
        except ValueError:
            raise self.job_record.deny("an address that is not one") from None
        if (host, port) in self._vouched:
            return
        if self._proxy is not None:
            # An unknown address: resolve again, as the proxy's address may have changed.
            if (host, port) not in self._allowed and port == self._proxy[1]:
                self._allowed = _addresses(*self._proxy)
            if (host, port) not in self._allowed:
                raise self.job_record.deny("an address other than the proxy's")
        elif not (
            is_public(host)
            or (host, port) in self._allowed
            or any(rule.allows(host, port) for rule in self._rules)
        ):
            raise self.job_record.deny("an address inside a private network")

    def check_bind(self, address: object) -> None:
        """Raises Blocked where a socket may not be bound to `address`: to any but its job's own."""
        if self._route.source is None or address != (self._route.source, 0):
            raise self.job_record.deny("binding a socket")

    def check_program(self, program: object) -> None:
        """Raises Blocked where `program` may not be started."""
        if str(program) not in self._programs:
            raise self.job_record.deny("starting a program")

    def install(self) -> None:
        """Enforce the policy on this process permanently: an audit hook cannot be removed (PEP 578)."""

        def connecting(args: tuple[Any, ...]) -> None:
            if args[0].type != socket.SOCK_STREAM:  # only libc uses UDP, for its name servers
                raise self.job_record.deny("a socket other than TCP")
            self.check_address(args[1])

        def sending(args: tuple[Any, ...]) -> None:
            if args[1] is not None:
                connecting(args)

        def starting(args: tuple[Any, ...]) -> None:
            self.check_program(args[0] if args[0] is not None else args[1][0])

        def forking(_: tuple[Any, ...]) -> None:
            raise self.job_record.deny("starting a process")

        checks: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "socket.connect": connecting,
            "socket.bind": lambda args: self.check_bind(args[1]),
            "socket.sendto": sending,
            "socket.sendmsg": sending,
            "subprocess.Popen": starting,
            "os.posix_spawn": starting,
            "os.exec": starting,
            "os.system": forking,
            "os.fork": forking,
            "os.forkpty": forking,
        }

        def hook(event: str, args: tuple[Any, ...]) -> None:
            check = checks.get(event)
            if check is not None:
                check(args)

        sys.addaudithook(hook)


def _addresses(host: str, port: int) -> set[tuple[Address, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {(ipaddress.ip_address(str(entry[4][0])), port) for entry in found}
