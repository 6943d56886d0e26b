"""A channel whose messages are kept for those who were away: who starts later, or has lost the link.

The engine keeps the newest in a stream, for as long as they mean something. An instance reads it each time
its link comes up, and takes what it has not heard yet; what comes over the channel meanwhile waits for that.
What it has to tell while it cannot is told then, too.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable

import trio

from .connection import Rejected, Unavailable
from .link import Link
from .messages import LONGEST, Note, notes
from .scripts import READ, WRITE

MOST = 500  # messages that are kept
MOST_BYTES = 1 << 20  # of those that are read; the oldest are left out
UNTOLD = 100  # messages that wait for the link


class Journal:
    """The messages of one channel.

    Args:
        life: seconds for which a message means something.
        take: gets each message once, and how many seconds old it is.
    """

    def __init__(self, link: Link, channel: str, life: float, take: Callable[[bytes, float], None]) -> None:
        self.channel = channel
        self._link = link
        self._life = life
        self._take = take
        self._heard: OrderedDict[str, None] = OrderedDict()  # twice as many as are kept
        self._waiting: list[bytes] | None = None  # while the kept ones are read
        self._untold: deque[tuple[str, float]] = deque(maxlen=UNTOLD)  # and when it happened

    def write(self, payload: str) -> None:
        """Tell `payload`, without spaces in front, to all; as soon as the link is up."""
        if self._link.is_up:
            self._post(payload, 0.0)
        else:
            self._untold.append((payload, trio.current_time()))

    def hear(self, data: bytes) -> None:
        """What came over the channel."""
        if self._waiting is None:
            self._note(data, 0.0)
        elif len(self._waiting) < MOST:
            self._waiting.append(data)

    def joined(self) -> None:
        """The link is up; `catch_up` is to follow."""
        self._waiting = []

    async def catch_up(self) -> None:
        """Take what was missed, and tell what could not be told."""
        bounds = int(self._life * 1000), MOST, LONGEST, MOST_BYTES
        try:
            for data, age in notes(await self._link.run_script(READ, (self.channel,), *bounds)):
                self._note(data, age)
        except (Unavailable, Rejected):
            return
        finally:
            waiting, self._waiting = self._waiting or (), None
            for data in waiting:
                self._note(data, 0.0)
        now = trio.current_time()
        while self._untold:
            payload, happened = self._untold.popleft()
            self._post(payload, now - happened)

    def _post(self, payload: str, age: float) -> None:
        note = Note(secrets.token_hex(8), age, payload.encode())
        self._link.post_script(WRITE, (self.channel,), note.written(), MOST, int(self._life * 1000))

    def _note(self, data: bytes, age: float) -> None:
        note = Note.read(data)
        if note is None or note.id in self._heard:
            return
        self._heard[note.id] = None
        if len(self._heard) > 2 * MOST:
            self._heard.popitem(last=False)
        if note.age + age < self._life:
            self._take(note.payload, note.age + age)
