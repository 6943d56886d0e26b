"""What the jobs of one request have come to: the part of its story that only the dispatcher knows.

The request's access line and its span tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import trio


@dataclass(slots=True)
class Tally:
    """Added to while the jobs run, so a request that fails or is left by its client has one, too.

    Attributes:
        jobs: URLs that were asked for; a batch has many.
        site: of the latest job.
        cache: how the latest was met: hit, stale, shared (with an equal job under way) or miss.
        queued: seconds in which no worker was held: for the site's pace and limit, and in the queue.
        extracted: seconds on workers, in all attempts.
        ytdlp: the release of the latest attempt.
    """

    jobs: int = 0
    site: str | None = None
    cache: str | None = None
    queued: float = 0.0
    extracted: float = 0.0
    attempts: int = 0
    ytdlp: str | None = None

    def begin(self, site: str, cache: str) -> None:
        """Count a job."""
        self.jobs += 1
        self.site, self.cache = site, cache

    @contextmanager
    def waiting(self) -> Iterator[Callable[[], None]]:
        """Count the time until the function is called, or until the end where it never is."""
        began: float | None = trio.current_time()

        def reached() -> None:
            nonlocal began
            if began is not None:
                self.queued += trio.current_time() - began
                began = None

        try:
            yield reached
        finally:
            reached()

    def attempt(self, seconds: float, ytdlp: str) -> None:
        """Count an attempt that held a worker for so long."""
        self.attempts += 1
        self.extracted += seconds
        self.ytdlp = ytdlp or self.ytdlp

    def fields(self) -> dict[str, Any]:
        """What there is to tell, for a log line. Of several jobs no single site is told."""
        if not self.jobs:
            return {}
        one = {"site": self.site, "cache": self.cache} if self.jobs == 1 else {"jobs": self.jobs}
        if not (self.attempts or self.queued):
            return one
        return {
            **one,
            "queue_ms": round(self.queued * 1000, 1),
            "extract_ms": round(self.extracted * 1000, 1),
            "attempts": self.attempts,
            "ytdlp": self.ytdlp,
        }
