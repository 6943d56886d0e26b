"""The cache of results, by job: bounded in bytes, least recently used first out. Pure; takes `now`.

A final refusal of a site (removed, private) is cached too, briefly. A result of a job with cookies is private
and never cached. A result past its time stays while there is room: it may stand in while the breaker of its
site is open, as long as its media URLs hold.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace

from ..codes import TRAITS
from ..errors import ExtractionError
from ..wire import Job, Kind
from .request import Answer

REFUSAL_TTL = 60.0  # seconds; a video may be made public again
MARGIN = 60.0  # seconds that the media URLs must still hold, so that a client can begin to use them
STALE_FOR = 6 * 3600.0  # seconds for which a result past its time may stand in
MEDIA = frozenset((Kind.EXTRACT, Kind.LOCATION))  # results with media URLs, which hold for one egress
OVERHEAD = 1024  # bytes of an entry besides its body and URL, about


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """A snapshot of the cache.

    Attributes:
        hits, misses: of fresh results; `refusals` are the hits of cached refusals.
        stale: results past their time that stood in while a breaker was open.
        evictions: entries that were dropped to make room.
        bytes, max_bytes: the size of all entries, and its bound.
    """

    hits: int
    misses: int
    refusals: int
    stale: int
    evictions: int
    entries: int
    bytes: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class _Entry:
    kept: Answer | ExtractionError
    since: float
    fresh_until: float
    usable_until: float
    bytes: int


class Cache:
    """The cached results. `now` is in seconds, on a monotonic clock.

    Args:
        max_bytes: of all entries; 0 keeps nothing.
        ttl: seconds for which a result is fresh, at most.
    """

    def __init__(self, max_bytes: int, ttl: float) -> None:
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._entries: OrderedDict[Job, _Entry] = OrderedDict()  # the least recently used first
        self._bytes = 0
        self._hits = self._misses = self._refusals = self._stale = self._evictions = 0

    def find(self, job: Job, now: float) -> Answer | None:
        """A fresh result, with its age.

        Raises:
            ExtractionError: the site refused for good a moment ago.
        """
        entry = self._entries.get(job)
        if entry is None or now >= entry.fresh_until:
            self._misses += 1
            return None
        self._entries.move_to_end(job)
        if isinstance(entry.kept, ExtractionError):
            self._refusals += 1
            raise _copied(entry.kept)  # a new one for each caller
        self._hits += 1
        return replace(entry.kept, age=now - entry.since)

    def fresh(self, job: Job, now: float, egresses: Collection[str] | None = None) -> Answer | None:
        """A fresh result, as `find` gives it; a miss or a refusal is neither raised nor counted.

        Args:
            egresses: only a result that came through one of these.
        """
        entry = self._entries.get(job)
        if entry is None or now >= entry.fresh_until or isinstance(entry.kept, ExtractionError):
            return None
        if egresses is not None and entry.kept.egress not in egresses:
            return None
        return self.find(job, now)

    def stand_in(self, job: Job, now: float) -> Answer | None:
        """A result that may be past its time, marked as stale, where its media URLs still hold."""
        entry = self._entries.get(job)
        if entry is None or now >= entry.usable_until or isinstance(entry.kept, ExtractionError):
            return None
        self._entries.move_to_end(job)
        self._stale += 1
        kept = entry.kept if entry.kept.stale else _marked(entry.kept)
        if now >= entry.fresh_until:  # all who get it from now on share these bytes; OVERHEAD covers the mark
            self._entries[job] = replace(entry, kept=kept)
        return replace(kept, age=now - entry.since)

    def keep(self, job: Job, answer: Answer, now: float, *, lifetime: float | None) -> None:
        """Cache a result, which may have an age already.

        Args:
            lifetime: seconds until its first media URL expires; None where none does.
        """
        age = answer.age or 0.0
        useful = math.inf if lifetime is None else lifetime - MARGIN
        kept = replace(answer, queued=0.0, extracted=0.0, position=0, expected_wait=0.0)
        fresh, usable = min(self._ttl - age, useful), min(STALE_FOR - age, useful)
        self._put(job, kept, now, fresh, usable, len(answer.body), age=age)

    def keep_refusal(self, job: Job, error: ExtractionError, now: float) -> None:
        """Cache a refusal, if its code allows it."""
        if TRAITS[error.code].cacheable:
            ttl = min(REFUSAL_TTL, self._ttl)
            self._put(job, _copied(error), now, ttl, ttl, 0)

    def purge(self, ytdlp: str) -> int:
        """Forget what that release of yt-dlp has made, and all refusals; returns how many there were."""
        bad = [
            job
            for job, entry in self._entries.items()
            if isinstance(entry.kept, ExtractionError) or entry.kept.ytdlp == ytdlp
        ]
        return self._drop(bad)

    def purge_egresses(self, names: Collection[str]) -> int:
        """Forget the media URLs of these egresses, which are gone; returns how many results there were."""
        gone = [
            job
            for job, entry in self._entries.items()
            if job.kind in MEDIA and isinstance(entry.kept, Answer) and entry.kept.egress in names
        ]
        return self._drop(gone)

    def _drop(self, jobs: list[Job]) -> int:
        for job in jobs:
            self._bytes -= self._entries.pop(job).bytes
        return len(jobs)

    def statistics(self) -> CacheStatistics:
        return CacheStatistics(
            hits=self._hits,
            misses=self._misses,
            refusals=self._refusals,
            stale=self._stale,
            evictions=self._evictions,
            entries=len(self._entries),
            bytes=self._bytes,
            max_bytes=self._max_bytes,
        )

    def _put(
        self,
        job: Job,
        kept: Answer | ExtractionError,
        now: float,
        fresh: float,
        usable: float,
        size: int,
        *,
        age: float = 0.0,
    ) -> None:
        if job.cookies is not None:
            raise ValueError("a result with cookies is never kept")
        if (old := self._entries.pop(job, None)) is not None:
            self._bytes -= old.bytes
        size += len(job.url) + OVERHEAD
        if usable <= 0 or size > self._max_bytes:
            return
        self._entries[job] = _Entry(kept, now - age, now + fresh, now + usable, size)
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self._bytes -= evicted.bytes
            self._evictions += 1


def _copied(error: ExtractionError) -> ExtractionError:
    return ExtractionError(error.code, str(error), about=error.about)


def _marked(answer: Answer) -> Answer:
    """`answer` with `stale: true` in its JSON object."""
    body = b'{"stale":true' + (b"" if answer.body[1:2] == b"}" else b",") + answer.body[1:]
    return replace(answer, body=body, etag=f"{answer.etag}-stale", stale=True)
