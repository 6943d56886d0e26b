"""What the dispatcher asks and tells of the release that is being tried, if there is one."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import trio

from ..wire import Job, Kind, Success
from .judge import Contents
from .rollout import Canary

SAMPLED = 0.01  # of the successes are run on the other release as well
WAITING = 4  # comparisons that wait; more are not begun
LONGEST = 1 << 20  # bytes of a result that is compared

_HEIGHT = re.compile(r"s(\d+)p")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A success to be run on the other release, too."""

    job: Job
    version: str
    contents: Contents


class Trial:
    """The release that is being tried, as the dispatcher sees it.

    Args:
        sampled: the part of the successes that are run on both releases.
        draw: numbers from 0 to 1.

    Attributes:
        canary: None while there is none.
        comparisons: what is to be run on the other release.
    """

    def __init__(self, *, sampled: float = SAMPLED, draw: Callable[[], float] = random.random) -> None:
        self.canary: Canary | None = None
        self._sampled = sampled
        self._draw = draw
        self._send, self.comparisons = trio.open_memory_channel[Comparison](WAITING)

    def first(self) -> bool:
        """Whether the next job starts on the canary."""
        return self.canary is not None and self.canary.first()

    def second(self, *, canary: bool) -> bool:
        """Whether a job that starts there is tried on the other release, should it fail."""
        return self.canary is not None and self.canary.second(canary=canary)

    def ran(self, job: Job, version: str, outcome: object) -> None:
        """Note a run of `job`; some successes are chosen for a comparison."""
        if self.canary is None:
            return
        self.canary.ran(version)
        if not isinstance(outcome, Success) or self._draw() >= self._sampled:
            return
        if (contents := contents_of(job, outcome)) is not None:
            with contextlib.suppress(trio.WouldBlock):  # there is enough to compare already
                self._send.send_nowait(Comparison(job, version, contents))

    def differed(self, site: str, *, failed: str, answered: str) -> None:
        """Note that a job failed on one release and was answered by the other."""
        if self.canary is not None:
            self.canary.differed(site, failed=failed, answered=answered)

    def compared(self, comparison: Comparison, version: str, contents: Contents) -> None:
        """Note what the other release made of it."""
        if self.canary is not None:
            self.canary.compared({comparison.version: comparison.contents, version: contents})


def contents_of(job: Job, success: Success) -> Contents | None:
    """What of a result can get lost; None where it is a list, a part, private or too long."""
    if job.cookies is not None or job.playlist or job.lines or job.fields or len(success.body) > LONGEST:
        return None
    result = json.loads(success.body)
    if job.kind is Kind.SIZE:
        sizes = result.get("bytes") or {}
        heights = frozenset(int(found[1]) for name in sizes if (found := _HEIGHT.fullmatch(name)))
        formats = len(sizes)
    else:
        listed = result.get("formats") or []
        heights = frozenset(each["height"] for each in listed if each.get("height"))
        formats = len(listed)
    return Contents(success.extractor, result.get("duration"), formats, heights)
