"""The sites that get a label of their own in the metrics. Pure; takes `now`.

Each label is a set of time series that a monitoring system keeps, and hosts are client input. So the labels
are few: only a site that has answered or failed as a site gets one, and a site without requests for an hour
makes room for another. All other sites share the label "other".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

OTHER = "other"
PLACES = 100
FORGET = 3600.0  # seconds


class SiteLabels:
    """The sites with a label, the least recently seen first.

    Args:
        forgotten: called with each site that loses its label.
    """

    def __init__(
        self, forgotten: Callable[[str], None], *, places: int = PLACES, forget: float = FORGET
    ) -> None:
        self._forgotten = forgotten
        self._places = places
        self._forget = forget
        self._seen: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, site: str) -> bool:
        return site in self._seen

    def label(self, site: str, now: float, *, worthy: bool = True) -> str:
        """The label of `site`; a new one only where it is `worthy` and there is room."""
        if site not in self._seen and (not worthy or not self._room(now)):
            return OTHER
        self._seen[site] = now
        self._seen.move_to_end(site)
        return site

    def _room(self, now: float) -> bool:
        if len(self._seen) < self._places:
            return True
        oldest, seen = next(iter(self._seen.items()))
        if now - seen < self._forget:
            return False
        del self._seen[oldest]
        self._forgotten(oldest)
        return True
