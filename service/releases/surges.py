"""Jumps in the rate at which a site's extractor breaks: time to look for a newer yt-dlp. Pure; takes `now`.

Each event counts 1 and fades; the short memory of a site is compared with its long one. A site that is
always a little broken is no news, however often it is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHORT, LONG = 600.0, 86_400.0  # seconds after which an event counts for 1/e
FEWEST = 5.0  # events in the short memory below which nothing is a jump
FACTOR = 4.0  # times the long rate that the short one must be
SITES = 512  # that are remembered; the one that was quiet for longest makes room


@dataclass(slots=True)
class _Memory:
    at: float
    short: float = 0.0
    long: float = 0.0

    def fade(self, now: float) -> None:
        self.short *= math.exp((self.at - now) / SHORT)
        self.long *= math.exp((self.at - now) / LONG)
        self.at = now


class Surges:
    """The memory of all sites."""

    def __init__(self) -> None:
        self._sites: dict[str, _Memory] = {}

    def broken(self, site: str, now: float) -> bool:
        """Note a broken extractor; whether that is now far more often than it was before."""
        memory = self._sites.get(site)
        if memory is None:
            if len(self._sites) >= SITES:
                del self._sites[min(self._sites, key=lambda each: self._sites[each].at)]
            memory = self._sites[site] = _Memory(now)
        memory.fade(now)
        before = memory.long / LONG
        memory.short += 1
        memory.long += 1
        return memory.short >= FEWEST and memory.short / SHORT > FACTOR * before
