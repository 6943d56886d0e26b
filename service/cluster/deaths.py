"""Workers that URLs have killed, told to all instances, so that such a URL does not cost each of them two."""

from __future__ import annotations

from collections.abc import Sequence

from .keys import DEATHS
from .link import Link
from .messages import MOST_DEATHS, Deaths
from .port import Operator


class SharedDeaths:
    """Tells of deaths and hears of them. None is kept for an instance that starts later."""

    def __init__(self, link: Link, me: str) -> None:
        self.operator: Operator | None = None
        self._link = link
        self._me = me

    def tell(self, url: str, client: str, causes: Sequence[str]) -> None:
        """A job of `client` for `url` has killed a worker for each of `causes`."""
        deaths = Deaths.model_construct(
            by=self._me, url=url, client=client, causes=list(causes[:MOST_DEATHS])
        )
        self._link.post("PUBLISH", DEATHS, deaths.model_dump_json())

    def hear(self, payload: bytes) -> None:
        """Another instance's word."""
        deaths = Deaths.read(payload)
        if deaths is not None and deaths.by != self._me and self.operator is not None:
            self.operator.note_deaths(deaths.url, deaths.client, deaths.causes)
