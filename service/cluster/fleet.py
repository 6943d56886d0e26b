"""Heartbeats: each instance tells the engine of itself, and learns in the same step who else is there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import trio

from .connection import Rejected, Unavailable
from .link import Link
from .members import Member, Sighting, decode
from .results import PREFIX
from .scripts import BEAT

INTERVAL = 5.0  # seconds between two heartbeats
DEAD = 15.0  # seconds without one
MOST = 200  # instances that are looked at


class Fleet:
    """Who is there."""

    def __init__(self, link: Link) -> None:
        self.id = secrets.token_hex(6)
        self.describe: Callable[[str], Member] | None = None  # this instance, by its id
        self._link = link
        self._seen: tuple[Sighting, ...] = ()
        self._since = 0.0
        self._hurry = trio.Event()

    def sightings(self) -> tuple[Sighting, ...]:
        """The instances that live, by name, as the engine last told; while it is silent they fade away."""
        passed = trio.current_time() - self._since
        return tuple(
            Sighting(each.member, each.age + passed) for each in self._seen if each.age + passed < DEAD
        )

    def hurry(self) -> None:
        """Send a heartbeat at once."""
        self._hurry.set()

    async def run(self) -> None:
        """Send heartbeats, for as long as the service runs."""
        while True:
            if self.describe is not None and self._link.is_up:
                await self._beat(self.describe(self.id))
            with trio.move_on_after(INTERVAL):
                await self._hurry.wait()
            self._hurry = trio.Event()

    async def _beat(self, me: Member) -> None:
        keys = (f"{PREFIX}i", f"{PREFIX}i:")
        words = (self.id, me.model_dump_json(), int(DEAD * 1000), MOST)
        try:
            reply = await self._link.run_script(BEAT, keys, *words)
        except (Unavailable, Rejected):
            return
        self._since = trio.current_time()
        found = (
            (_sighting(each) for each in reply if isinstance(each, list)) if isinstance(reply, list) else ()
        )
        seen = [each for each in found if each is not None]
        self._seen = tuple(sorted(seen, key=lambda each: (each.member.name, each.member.id)))


def _sighting(reply: Any) -> Sighting | None:
    match reply:
        case [bytes() as data, int() as age] if age >= 0 and (member := decode(data)) is not None:
            return Sighting(member, age / 1000)
    return None
