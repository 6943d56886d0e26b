"""The record of a job's requests: which endpoints they went to, counts, statuses, denials and budgets.

yt-dlp hides much of this (a 429 on every request surfaces as "Failed to extract any player response"), so the
transport records it here and `failures.py` classifies by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..breaker.sites import endpoint_of, site_of_endpoint
from ..codes import Code
from ..wire import Permission, Visit
from .visits import anywhere

MAX_REQUESTS = 250  # of a page that lists hundreds of manifests, yt-dlp fetches each
MAX_FOREIGN_REQUESTS = 20  # of those, to all hosts of one other site; embeds and APIs take under ten
MAX_FOREIGN_SITES = 10
MAX_ENDPOINTS = 32  # hosts and ports in all; the server hears of each
MAX_HOPS = 20  # from extractor to extractor: embeds, and pages that refresh to other pages
MAX_BYTES = 32 << 20  # of bodies, decoded; the largest ordinary one is a 3 MB player script
MAX_CPU = 10.0  # seconds, without children; the most expensive ordinary page takes under one
MAX_RETRY_AFTER = 24 * 3600.0
MAX_STATUSES = 256  # kept for the outcome; bounded by MAX_REQUESTS and the redirects among them


LIMITING = frozenset((420, 429, 430))  # statuses that say: too often


class Stop(BaseException):
    """Ends a job at once. A BaseException, because yt-dlp swallows and retries every Exception."""


class Blocked(Stop):
    """The egress policy denied something; the text says what, for logs and tests only."""


class DeadProxy(Stop):
    """The egress proxy does not work, so no request of the job can."""


class Refused(Exception):
    """An endpoint that the job was led to may not be asked now. A failed request like others for yt-dlp."""

    def __init__(self, endpoint: str, permission: Permission) -> None:
        super().__init__(permission.message)
        self.endpoint = endpoint
        self.permission = permission


class OverBudget(Stop):
    """A budget of the job ran out; the text says which."""


@dataclass(slots=True)
class Endpoint:
    """What one endpoint was asked and did; see `wire.Visit`."""

    requests: int = 0
    answered: bool = False
    failed: bool = False
    limited: bool = False
    retry_after: float | None = None
    refusal: Permission | None = None


@dataclass(slots=True)
class JobRecord:
    """One job's record.

    Attributes:
        endpoint: of the job's URL, which it may ask.
        may_visit: tells the server which other endpoint is asked from now on, and asks whether it may be.
        endpoints: each that was asked, or refused.
        asked: the one that was asked last.
        refused: the last refusal, or None; it stays when yt-dlp goes on without the answer.
        requests: requests sent, redirects included.
        hops: extractors that ran, one after the other.
        statuses: of every response, in order.
        challenged: an anti-bot service answered with a challenge.
        denied: why something was denied, or None; it stays when yt-dlp swallows the denial.
        spent: which budget ran out, or None.
        body_bytes: read so far, decoded.
        modules: of the extractors that were used.
        unsolved: why some of the site's challenges were not solved; empty where all were.
        max_bytes: that may be read; more than MAX_BYTES for a late page of a list.
        unimpersonated: an extractor asked to pass for a browser, and there is nothing that does.
        sidecars: those that failed a plugin, and how.
        proxy_lives: the egress proxy was asked after a failure, and lives; False where it was not asked.
    """

    endpoint: str = ""
    may_visit: Callable[[str], Permission] = anywhere
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    asked: str = ""
    refused: Refused | None = None
    requests: int = 0
    hops: int = 0
    statuses: list[int] = field(default_factory=list)
    challenged: bool = False
    denied: str | None = None
    spent: str | None = None
    body_bytes: int = 0
    modules: set[str] = field(default_factory=set)
    unsolved: str = ""
    max_bytes: int = MAX_BYTES
    unimpersonated: bool = False
    sidecars: dict[str, str] = field(default_factory=dict)
    proxy_lives: bool = False

    def deny(self, reason: str) -> Blocked:
        """Record a denial, and return the exception to raise."""
        self.denied = self.denied or reason
        return Blocked(reason)

    def asking(self, url: str) -> None:
        """Count a request that is about to be sent. Raises OverBudget, or Refused for this one alone."""
        if self.requests >= MAX_REQUESTS:
            raise self._over(f"{MAX_REQUESTS} requests")
        name = endpoint_of(url)
        endpoint = self._enter(name)
        if endpoint.refusal is not None:
            self.refused = Refused(name, endpoint.refusal)
            raise self.refused
        self.requests += 1
        endpoint.requests += 1

    def following(self) -> None:
        """Count a run of an extractor. Raises OverBudget."""
        if self.hops >= MAX_HOPS:
            raise self._over(f"{MAX_HOPS} pages that lead to each other")
        self.hops += 1

    def failing(self) -> None:
        """Record that the endpoint that was asked last did not answer."""
        self.endpoints[self.asked].failed = True

    def answered(self, status: int, headers: Mapping[str, str], now: datetime | None = None) -> None:
        """Record a response of the endpoint that was asked last."""
        endpoint = self.endpoints.setdefault(self.asked, Endpoint())
        endpoint.answered = endpoint.answered or status < 400
        endpoint.failed = endpoint.failed or status >= 500
        endpoint.limited = endpoint.limited or status in LIMITING
        if len(self.statuses) < MAX_STATUSES:
            self.statuses.append(status)
        if headers.get("cf-mitigated", "").lower() == "challenge":
            self.challenged = True
        if status in (429, 503):
            seconds = retry_after(headers.get("retry-after"), now or datetime.now(UTC))
            if seconds is not None:
                endpoint.retry_after = max(seconds, endpoint.retry_after or 0.0)

    def read(self, chunk: bytes) -> bytes:
        """Count a piece of a body and hand it on. Raises OverBudget."""
        self.body_bytes += len(chunk)
        if self.body_bytes > self.max_bytes:
            raise self._over(f"{self.max_bytes >> 20} MB of pages")
        return chunk

    @property
    def site_requests(self) -> int:
        """Requests to the endpoint of the job's URL."""
        return self.endpoints[self.endpoint].requests if self.endpoint in self.endpoints else 0

    def elsewhere(self) -> tuple[Visit, ...]:
        """What the other endpoints did."""
        return tuple(
            Visit(name, it.answered, it.failed, it.limited, it.retry_after)
            for name, it in self.endpoints.items()
            if it.requests and name != self.endpoint
        )

    def computing_too_long(self) -> OverBudget:
        """Record that MAX_CPU is used up, and return the exception to raise."""
        return self._over(f"{MAX_CPU:g} s of CPU")

    def _enter(self, name: str) -> Endpoint:
        """The endpoint, which from now on is asked, or says why it is not."""
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            endpoint = self.endpoints[name] = Endpoint()
            if len(self.endpoints) > MAX_ENDPOINTS:
                endpoint.refusal = _too_much(f"requests to more than {MAX_ENDPOINTS} hosts")
            elif len(self._foreign_sites()) > MAX_FOREIGN_SITES:
                endpoint.refusal = _too_much(f"requests to more than {MAX_FOREIGN_SITES} other sites")
        if endpoint.refusal is None and name != self.endpoint:
            if endpoint.limited:
                endpoint.refusal = Permission(
                    Code.RATE_LIMITED, f"{name} says that it is asked too often", endpoint.retry_after
                )
            elif self._foreign_requests(name) >= MAX_FOREIGN_REQUESTS:
                site = site_of_endpoint(name)
                endpoint.refusal = _too_much(f"more than {MAX_FOREIGN_REQUESTS} requests to {site}")
        if endpoint.refusal is None and name != (self.asked or self.endpoint):
            permission = self.may_visit(name)
            endpoint.refusal = permission if permission.code is not None else None
        if endpoint.refusal is None:
            self.asked = name
        return endpoint

    def _foreign_sites(self) -> set[str]:
        return {site_of_endpoint(name) for name in self.endpoints} - {site_of_endpoint(self.endpoint)}

    def _foreign_requests(self, name: str) -> int:
        """Requests to the site of `name`, at whichever host; 0 where it is the job's own."""
        site = site_of_endpoint(name)
        if site == site_of_endpoint(self.endpoint):
            return 0
        return sum(it.requests for other, it in self.endpoints.items() if site_of_endpoint(other) == site)

    def _over(self, what: str) -> OverBudget:
        self.spent = self.spent or what
        return OverBudget(what)


def _too_much(what: str) -> Permission:
    return Permission(Code.BUDGET_EXCEEDED, f"the page leads to {what}")


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3), at most a day, or None."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
