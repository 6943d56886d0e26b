"""A site's Retry-After, told to the instances that leave through the same egress: it means that address."""

from __future__ import annotations

from .keys import PAUSES, digest
from .link import Link
from .messages import LONGEST_PAUSE, Pause
from .port import Operator


class SharedPauses:
    """Tells of pauses and hears of them, among those that have the same ways out. None is kept for later."""

    def __init__(self, link: Link, me: str, way: str) -> None:
        self.operator: Operator | None = None
        self._link = link
        self._me = me
        self._way = digest(way)

    def tell(self, egress: str, place: str, seconds: float) -> None:
        """The site says to wait so long before `place` is asked through `egress` again."""
        pause = Pause.model_construct(
            by=self._me, way=self._way, egress=egress, place=place, seconds=min(seconds, LONGEST_PAUSE)
        )
        self._link.post("PUBLISH", PAUSES, pause.model_dump_json())

    def hear(self, payload: bytes) -> None:
        """Another instance's word."""
        pause = Pause.read(payload)
        if pause is None or pause.by == self._me or pause.way != self._way or self.operator is None:
            return
        self.operator.note_pause(pause.egress, pause.place, pause.seconds)
