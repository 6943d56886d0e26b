"""The record of a job's requests: counts, statuses, denials and budgets.

yt-dlp hides much of this (a 429 on every request surfaces as "Failed to extract any player response"), so the
transport records it here and `failures.py` classifies by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..breaker.sites import site_of

MAX_REQUESTS = 250  # of a page that lists hundreds of manifests, yt-dlp fetches each
MAX_HOPS = 20  # from extractor to extractor: embeds, and pages that refresh to other pages
MAX_BYTES = 32 << 20  # of bodies, decoded; the largest ordinary one is a 3 MB player script
MAX_CPU = 10.0  # seconds, without children; the most expensive ordinary page takes under one
MAX_RETRY_AFTER = 24 * 3600.0
MAX_STATUSES = 256  # kept for the outcome; bounded by MAX_REQUESTS and the redirects among them


class Stop(BaseException):
    """Ends a job at once. A BaseException, because yt-dlp swallows and retries every Exception."""


class Blocked(Stop):
    """The egress policy denied something; the text says what, for logs and tests only."""


class OverBudget(Stop):
    """A budget of the job ran out; the text says which."""


@dataclass(slots=True)
class JobRecord:
    """One job's record.

    Attributes:
        site: of the job's URL, the key of its breaker.
        requests: requests sent, redirects included.
        site_requests: those to the site, and those of the first extractor, whose API may have another domain;
            not those of pages that the URL leads to.
        hops: extractors that ran, one after the other.
        statuses: of every response, in order.
        retry_after: the longest wait in seconds that a 429 or 503 asked for, or None.
        challenged: an anti-bot service answered with a challenge.
        denied: why something was denied, or None; it stays when yt-dlp swallows the denial.
        spent: which budget ran out, or None.
        body_bytes: read so far, decoded.
        modules: of the extractors that were used.
        unsolved: why some of the site's challenges were not solved; empty where all were.
    """

    site: str = ""
    requests: int = 0
    site_requests: int = 0
    hops: int = 0
    statuses: list[int] = field(default_factory=list)
    retry_after: float | None = None
    challenged: bool = False
    denied: str | None = None
    spent: str | None = None
    body_bytes: int = 0
    modules: set[str] = field(default_factory=set)
    unsolved: str = ""

    def deny(self, reason: str) -> Blocked:
        """Record a denial, and return the exception to raise."""
        self.denied = self.denied or reason
        return Blocked(reason)

    def asking(self, url: str) -> None:
        """Count a request that is about to be sent. Raises OverBudget."""
        if self.requests >= MAX_REQUESTS:
            raise self._over(f"{MAX_REQUESTS} requests")
        self.requests += 1
        if self.hops <= 1 or site_of(url) == self.site:
            self.site_requests += 1

    def following(self) -> None:
        """Count a run of an extractor. Raises OverBudget."""
        if self.hops >= MAX_HOPS:
            raise self._over(f"{MAX_HOPS} pages that lead to each other")
        self.hops += 1

    def answered(self, status: int, headers: Mapping[str, str], now: datetime | None = None) -> None:
        """Record a response."""
        if len(self.statuses) < MAX_STATUSES:
            self.statuses.append(status)
        if headers.get("cf-mitigated", "").lower() == "challenge":
            self.challenged = True
        if status in (429, 503):
            seconds = retry_after(headers.get("retry-after"), now or datetime.now(UTC))
            if seconds is not None:
                self.retry_after = max(seconds, self.retry_after or 0.0)

    def read(self, chunk: bytes) -> bytes:
        """Count a piece of a body and hand it on. Raises OverBudget."""
        self.body_bytes += len(chunk)
        if self.body_bytes > MAX_BYTES:
            raise self._over(f"{MAX_BYTES >> 20} MB of pages")
        return chunk

    def computing_too_long(self) -> OverBudget:
        """Record that MAX_CPU is used up, and return the exception to raise."""
        return self._over(f"{MAX_CPU:g} s of CPU")

    def _over(self, what: str) -> OverBudget:
        self.spent = self.spent or what
        return OverBudget(what)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3), at most a day, or None."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER)
