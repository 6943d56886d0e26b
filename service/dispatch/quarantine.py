"""The quarantine of URLs that kill workers. Pure; takes `now`.

A page that crashes its worker would cost two workers for each request. So after two deaths its URL is
refused for a while, with a code of its own and without a worker.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..codes import Code
from ..errors import ExtractionError

DEATHS = 2  # workers that a URL may kill
SENTENCE = 3600.0  # seconds for which a URL is refused, or a single death is remembered
PLACES = 1024  # URLs to remember; the oldest is forgotten first


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A URL that is refused, the workers that it has killed, and the seconds that are left."""

    url: str
    deaths: int
    seconds_left: float


@dataclass(slots=True)
class _Record:
    deaths: int
    until: float


class Quarantine:
    """Counts deaths by URL. Bounded: `places` URLs, the oldest is forgotten first."""

    def __init__(self, *, deaths: int = DEATHS, sentence: float = SENTENCE, places: int = PLACES) -> None:
        self._deaths = deaths
        self._sentence = sentence
        self._places = places
        self._records: OrderedDict[str, _Record] = OrderedDict()  # the oldest first

    def check(self, url: str, now: float) -> None:
        """Refuse `url` if it is in quarantine.

        Raises:
            ExtractionError: QUARANTINED, with the time that is left as `retry_after`.
        """
        self._expire(now)
        record = self._records.get(url)
        if record is not None and record.deaths >= self._deaths:
            raise ExtractionError(
                Code.QUARANTINED,
                "this URL has crashed the extraction repeatedly and is refused for a while",
                retry_after=record.until - now,
            )

    def killed(self, url: str, now: float, workers: int = 1) -> bool:
        """Count the `workers` that a job for `url` has killed; returns whether that quarantines it."""
        self._expire(now)
        before = self._records.pop(url, _Record(0, now)).deaths
        self._records[url] = _Record(before + workers, now + self._sentence)
        if len(self._records) > self._places:
            self._records.popitem(last=False)
        return before < self._deaths <= before + workers

    def listed(self, now: float) -> tuple[Quarantined, ...]:
        """The URLs that are refused now, the oldest first."""
        self._expire(now)
        return tuple(
            Quarantined(url, record.deaths, record.until - now)
            for url, record in self._records.items()
            if record.deaths >= self._deaths
        )

    def clear(self, url: str | None = None) -> int:
        """Forget `url`, or all; returns how many were known."""
        if url is not None:
            return 0 if self._records.pop(url, None) is None else 1
        known = len(self._records)
        self._records.clear()
        return known

    def _expire(self, now: float) -> None:
        # All sentences have the same length, so the oldest record ends first.
        while self._records and next(iter(self._records.values())).until <= now:
            self._records.popitem(last=False)
