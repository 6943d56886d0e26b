"""The quarantine of URLs that kill workers. Pure; takes `now`.

A page that crashes its worker would cost two workers for each request. So a URL is refused for a while, with
a code of its own and without a worker: to the client whose jobs for it have killed two workers, and to all
once the jobs of several clients have. One client alone cannot close a URL to others. Jobs with cookies are
counted apart, each client's for itself, because nobody else sends these cookies.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..codes import Code
from ..errors import ExtractionError

DEATHS = 2  # workers that one client's jobs for a URL may kill
CLIENTS = 3  # clients whose jobs have killed a worker, after which the URL is refused to all
SENTENCE = 3600.0  # seconds for which a URL is refused, or a single death is remembered
PLACES = 1024  # URLs to remember; the oldest is forgotten first


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A URL that is refused to some or to all.

    Attributes:
        deaths: workers that its jobs have killed; `causes` counts them by how they ended.
        clients: clients whose jobs killed them.
        for_all: it is refused to every client, not only to those whose jobs killed two.
        cookies: it is about jobs with cookies.
    """

    url: str
    deaths: int
    causes: tuple[tuple[str, int], ...]
    clients: int
    for_all: bool
    cookies: bool
    seconds_left: float


@dataclass(slots=True)
class _Record:
    until: float = 0.0
    deaths: Counter[str] = field(default_factory=Counter)  # by client; few, as the URL is then refused to all
    causes: Counter[str] = field(default_factory=Counter)


class Quarantine:
    """Counts deaths by URL. Bounded: `places` URLs, the oldest is forgotten first."""

    def __init__(
        self,
        *,
        deaths: int = DEATHS,
        clients: int = CLIENTS,
        sentence: float = SENTENCE,
        places: int = PLACES,
    ) -> None:
        self._deaths = deaths
        self._clients = clients
        self._sentence = sentence
        self._places = places
        # By URL, and for jobs with cookies by client as well; the oldest first.
        self._records: OrderedDict[tuple[str, str | None], _Record] = OrderedDict()

    def check(self, url: str, client: str, now: float, *, cookies: bool = False) -> None:
        """Refuse a job of `client` for `url` if that is in quarantine.

        Raises:
            ExtractionError: QUARANTINED, with the time that is left as `retry_after`.
        """
        self._expire(now)
        record = self._records.get((url, client if cookies else None))
        if record is not None and record.until > now and self._refuses(record, client):
            raise ExtractionError(
                Code.QUARANTINED,
                "this URL has crashed the extraction repeatedly and is refused for a while",
                retry_after=record.until - now,
            )

    def killed(
        self, url: str, client: str, now: float, causes: Sequence[str], *, cookies: bool = False
    ) -> bool:
        """Count the workers that a job of `client` for `url` has killed, each with the cause of its death.

        Another instance's may be told late, with an earlier `now` than others before. Returns whether that
        closes the URL, to the client or to all.
        """
        self._expire(now)
        key = url, client if cookies else None
        record = self._records.pop(key, None)
        if record is None or record.until <= now:
            record = _Record()
        before = self._refuses(record, client), self._for_all(record)
        record.until = max(record.until, now + self._sentence)
        record.causes.update(causes)
        record.deaths[client] += len(causes)
        self._records[key] = record
        if len(self._records) > self._places:
            self._records.popitem(last=False)
        return before != (self._refuses(record, client), self._for_all(record))

    def listed(self, now: float) -> tuple[Quarantined, ...]:
        """The URLs that are refused now, the oldest first."""
        self._expire(now)
        return tuple(
            Quarantined(
                url,
                deaths=record.deaths.total(),
                causes=tuple(record.causes.most_common()),
                clients=len(record.deaths),
                for_all=self._for_all(record),
                cookies=client is not None,
                seconds_left=record.until - now,
            )
            for (url, client), record in self._records.items()
            if record.until > now and any(self._refuses(record, each) for each in record.deaths)
        )

    def clear(self, url: str | None = None) -> int:
        """Forget `url`, or all; returns how many were known."""
        known = [key for key in self._records if url is None or key[0] == url]
        for key in known:
            del self._records[key]
        return len({found for found, _ in known})

    def _refuses(self, record: _Record, client: str) -> bool:
        return record.deaths[client] >= self._deaths or self._for_all(record)

    def _for_all(self, record: _Record) -> bool:
        return len(record.deaths) >= self._clients

    def _expire(self, now: float) -> None:
        # All sentences have the same length, so the oldest record ends first, but for those told late.
        while self._records and next(iter(self._records.values())).until <= now:
            self._records.popitem(last=False)
