"""A site's Retry-After, told to the instances that leave through the same egress: it means that address."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .link import Link
from .port import Operator
from .results import PREFIX

PAUSES = f"{PREFIX}pauses"
LONGEST = 86_400.0  # seconds; each pace has a bound of its own

Text = Annotated[str, Field(max_length=300)]


class _Pause(BaseModel):
    model_config = ConfigDict(frozen=True)

    by: Text
    way: Text
    egress: Text
    place: Text
    seconds: Annotated[float, Field(gt=0, le=LONGEST)]


class SharedPauses:
    """Tells of pauses and hears of them, among those that have the same ways out. None is kept for later."""

    def __init__(self, link: Link, me: str, way: str) -> None:
        self.operator: Operator | None = None
        self._link = link
        self._me = me
        self._way = hashlib.blake2b(way.encode(), digest_size=12).hexdigest()

    def tell(self, egress: str, place: str, seconds: float) -> None:
        """The site says to wait so long before `place` is asked through `egress` again."""
        pause = _Pause.model_construct(
            by=self._me, way=self._way, egress=egress, place=place, seconds=min(seconds, LONGEST)
        )
        self._link.post("PUBLISH", PAUSES, pause.model_dump_json())

    def hear(self, payload: bytes) -> None:
        """Another instance's word."""
        try:
            pause = _Pause.model_validate_json(payload)
        except ValidationError:
            return
        if pause.by != self._me and pause.way == self._way and self.operator is not None:
            self.operator.note_pause(pause.egress, pause.place, pause.seconds)
