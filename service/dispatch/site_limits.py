"""How many extractions of one site run at a time, where the settings limit that."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio

KEPT = 512  # limiters kept; of more, those that nobody uses are dropped


class SiteLimits:
    """A limiter for each site that has a limit, made when it is first asked for.

    Args:
        limit: the limit of a site, or None.
    """

    def __init__(self, limit: Callable[[str], int | None]) -> None:
        self._limit = limit
        self._limiters: OrderedDict[str, trio.CapacityLimiter] = (
            OrderedDict()
        )  # the least recently used first

    def of(self, site: str) -> trio.CapacityLimiter | None:
        """The limiter of `site`, if it has one."""
        limiter = self._limiters.pop(site, None)
        if limiter is None:
            places = self._limit(site)
            if places is None:
                return None
            limiter = trio.CapacityLimiter(places)
        self._limiters[site] = limiter
        if len(self._limiters) > KEPT:
            unused = (name for name, each in self._limiters.items() if each is not limiter and _unused(each))
            if (name := next(unused, None)) is not None:
                del self._limiters[name]
        return limiter


def _unused(limiter: trio.CapacityLimiter) -> bool:
    return not limiter.borrowed_tokens and not limiter.statistics().tasks_waiting
