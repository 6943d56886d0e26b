"""Heartbeats: each instance tells the engine of itself, and learns in the same step who else is there."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import trio

from .connection import Rejected, Unavailable
from .keys import MEMBER, MEMBERS
from .link import Link
from .messages import LONGEST_MEMBER, Member, Sighting, sightings
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
        words = (self.id, me.text, int(DEAD * 1000), MOST, LONGEST_MEMBER)
        try:
            reply = await self._link.run_script(BEAT, (MEMBERS, MEMBER), *words)
        except (Unavailable, Rejected):
            return
        self._since = trio.current_time()
        self._seen = tuple(sorted(sightings(reply), key=lambda each: (each.member.name, each.member.id)))
