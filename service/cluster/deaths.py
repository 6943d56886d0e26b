"""Workers that URLs have killed, told to all instances, so that such a URL does not cost each of them two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .link import Link
from .port import Operator
from .results import PREFIX

DEATHS = f"{PREFIX}deaths"
MOST = 10  # deaths by one job

Text = Annotated[str, Field(max_length=300)]


class _Deaths(BaseModel):
    model_config = ConfigDict(frozen=True)

    by: Text
    url: Annotated[str, Field(max_length=8192)]
    client: Text
    causes: Annotated[list[Text], Field(min_length=1, max_length=MOST)]


class SharedDeaths:
    """Tells of deaths and hears of them. None is kept for an instance that starts later."""

    def __init__(self, link: Link, me: str) -> None:
        self.operator: Operator | None = None
        self._link = link
        self._me = me

    def tell(self, url: str, client: str, causes: Sequence[str]) -> None:
        """A job of `client` for `url` has killed a worker for each of `causes`."""
        deaths = _Deaths.model_construct(by=self._me, url=url, client=client, causes=list(causes[:MOST]))
        self._link.post("PUBLISH", DEATHS, deaths.model_dump_json())

    def hear(self, payload: bytes) -> None:
        """Another instance's word."""
        try:
            deaths = _Deaths.model_validate_json(payload)
        except ValidationError:
            return
        if deaths.by != self._me and self.operator is not None:
            self.operator.note_deaths(deaths.url, deaths.client, deaths.causes)
