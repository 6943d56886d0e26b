"""Who asks, and what they get: the two records that pass between the web layer and the dispatcher."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a job is for.

    Attributes:
        client: whose turns the job takes: a key's, an address's, or an IPv6 network's of /64.
        tier: the priority; 0 comes first.
        share: the client's weight against others of its tier.
        timeout: seconds in which an answer is of use to him; the service's own limit holds as well.
        request_id: the id that the answer and the log lines carry.
        admin: the admin key was given.
        fresh: a result that was kept will not do.
    """

    client: str
    tier: int = 0
    share: float = 1.0
    timeout: float = math.inf
    request_id: str = ""
    admin: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A result as ready JSON bytes, the extractor that made it, and how it went.

    Attributes:
        etag: names these very bytes; empty for what nobody may keep.
        lifetime: seconds until the first of its media URLs expires; None where none says so.
        age: seconds since it was extracted, where it was kept; None for a new one.
        stale: it is past its time, and better than nothing.
        queued, extracted: seconds spent waiting and extracting.
        position, expected_wait: how many were before it when it entered the queue, and the seconds estimated.
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
