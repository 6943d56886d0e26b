"""What instances tell each other of sites and URLs, and of yt-dlp: deaths, pauses and purges.

A URL that kills workers would otherwise cost each instance two of them. A site's Retry-After means the
address that it was sent to, so those heed it that leave through the same egress.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from ..config import Config
from ..dispatch.quarantine import SENTENCE
from .journal import Journal
from .keys import DEATHS, PAUSES, PURGES, digest, way_out
from .link import Link
from .messages import LONGEST_PAUSE, MOST_DEATHS, Deaths, Pause, Purge, Released
from .port import Operator

PAUSED = 3600.0  # seconds for which a pause is kept; paces are bounded by less


class Notices:
    """Tells and hears, once there is an `operator`.

    Args:
        purge: called with each release of yt-dlp whose results are not to be used any more, and the seconds
            since.
    """

    def __init__(self, config: Config, link: Link, me: str, purge: Callable[[str, float], None]) -> None:
        self.operator: Operator | None = None
        self._me = me
        self._purge = purge
        self._way = digest(way_out(config))
        self._deaths = Journal(link, DEATHS, SENTENCE, self._note_death)
        self._pauses = Journal(link, PAUSES, PAUSED, self._note_pause)
        self._purges = Journal(link, PURGES, max(config.cache_ttl, 1.0), self._note_purge)
        self._journals = {each.channel: each for each in (self._deaths, self._pauses, self._purges)}
        self._joined = trio.Event()

    def died(self, url: str, client: str, causes: Sequence[str]) -> None:
        """As `Cluster.died`."""
        told = list(causes[:MOST_DEATHS])
        self._deaths.write(Deaths.model_construct(by=self._me, url=url, client=client, causes=told).text)

    def released(self, url: str | None) -> None:
        """An operator has released `url`, or all, from the quarantine: what was told of it before is over."""
        self._deaths.write(Released.model_construct(by=self._me, url=url, released=True).text)

    def pause(self, egress: str, place: str, seconds: float) -> None:
        """As `Cluster.pause`."""
        most = min(seconds, LONGEST_PAUSE)
        pause = Pause.model_construct(by=self._me, way=self._way, egress=egress, place=place, seconds=most)
        self._pauses.write(pause.text)

    def purge(self, ytdlp: str) -> None:
        """As `Cluster.purge`."""
        self._purges.write(Purge.model_construct(by=self._me, ytdlp=ytdlp).text)

    def hear(self, channel: str, data: bytes) -> None:
        """What came over one of the channels."""
        if self.operator is not None and (journal := self._journals.get(channel)) is not None:
            journal.hear(data)

    def joined(self) -> None:
        """The link is up, or there is an operator."""
        if self.operator is not None:
            for each in self._journals.values():
                each.joined()
            self._joined.set()

    async def run(self) -> None:
        """Catch up, each time the link comes up."""
        while True:
            await self._joined.wait()
            self._joined = trio.Event()
            for each in self._journals.values():
                await each.catch_up()

    def _note_death(self, payload: bytes, age: float) -> None:
        assert self.operator is not None
        if (deaths := Deaths.read(payload)) is not None:
            if deaths.by != self._me:
                self.operator.note_deaths(deaths.url, deaths.client, deaths.causes, age)
        elif (released := Released.read(payload)) is not None and released.by != self._me:
            self.operator.note_release(released.url)

    def _note_pause(self, payload: bytes, age: float) -> None:
        assert self.operator is not None
        pause = Pause.read(payload)
        if pause is None or pause.by == self._me or pause.way != self._way or pause.seconds <= age:
            return
        self.operator.note_pause(pause.egress, pause.place, pause.seconds - age)

    def _note_purge(self, payload: bytes, age: float) -> None:
        assert self.operator is not None
        purge = Purge.read(payload)
        if purge is not None and purge.by != self._me:
            self._purge(purge.ytdlp, age)
            self.operator.note_purge(purge.ytdlp)
