"""The caller of a job and its answer: the records that pass between the web layer and the dispatcher."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .tally import Tally


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that a job is for.

    Attributes:
        client: the key, address or IPv6 network (/64) that the job counts for.
        tier: the priority; 0 comes first.
        share: the client's weight against others of its tier.
        timeout: seconds in which an answer is of use; the limit of the service holds as well.
        request_id: the id that the answer and the log lines carry.
        admin: the request has an admin's key.
        fresh: the answer must not come from the cache.
        tally: what the request's jobs come to, for its access line.
    """

    client: str
    tier: int = 0
    share: float = 1.0
    timeout: float = math.inf
    request_id: str = ""
    admin: bool = False
    fresh: bool = False
    tally: Tally = field(default_factory=Tally, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result as ready JSON bytes, with the extractor that made it and its measurements.

    Attributes:
        etag: identifies these bytes; empty where they must not be cached.
        lifetime: seconds until the first of its media URLs expires; None where none does.
        age: seconds since the extraction, for a cached result; None for a new one.
        stale: it is past its time.
        ytdlp: the release of yt-dlp that made it.
        egress: the name of the egress that it came through, where there are several.
        queued, extracted: seconds spent waiting and extracting.
        position, expected_wait: in the queue, when it entered; the wait in seconds, as estimated then.
    """

    body: bytes = field(repr=False)
    extractor: str = ""
    queued: float = 0.0
    extracted: float = 0.0
    position: int = 0
    expected_wait: float = 0.0
    etag: str = ""
    lifetime: float | None = None
    age: float | None = None
    stale: bool = False
    ytdlp: str = ""
    egress: str = ""
