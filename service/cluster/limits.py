"""Rate limits of all instances together: each admits by itself, and tells the others what it admitted.

No request waits for that. What a client takes too much before all instances know is a debt, which it pays
back: in the long run it gets what one instance alone would give. While the engine cannot be asked, each
instance limits by itself, and nothing of that time is counted later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import trio

from .connection import Rejected, Unavailable
from .link import Link
from .port import Budget, Spending
from .results import PREFIX
from .scripts import SPEND

INTERVAL = 0.25  # seconds between two exchanges
AT_ONCE = 200  # clients in one call
DEBT = 5.0  # windows that a client may be ahead; more is forgiven


class SharedLimits:
    """The limits that instances have in common, once there is a `budget`."""

    def __init__(self, link: Link) -> None:
        self.budget: Budget | None = None
        self._link = link

    async def run(self) -> None:
        """Exchange what was taken, for as long as the service runs."""
        while True:
            await trio.sleep(INTERVAL)
            spent = [] if self.budget is None else self.budget.spent()
            for start in range(0, len(spent), AT_ONCE):
                await self._exchange(spent[start : start + AT_ONCE])

    async def _exchange(self, spent: Sequence[Spending]) -> None:
        keys = [f"{PREFIX}l:{_name(each)}" for each in spent]
        words = [word for each in spent for word in (_micro(each.cost), _micro(DEBT * each.window))]
        try:
            reply = await self._link.run_script(SPEND, keys, *words)
        except (Unavailable, Rejected):
            return
        if self.budget is not None and isinstance(reply, list) and len(reply) == len(spent):
            now = trio.current_time()
            for each, ahead in zip(spent, reply, strict=True):
                if _sound(ahead, each):
                    self.budget.learn(each, ahead / 1e6, now)


def _name(spending: Spending) -> str:
    """The client's name in the engine; no address or name of a key stands there in the clear."""
    text = f"{spending.limit} {spending.window:g} {spending.client}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _sound(ahead: Any, spending: Spending) -> bool:
    return isinstance(ahead, int) and 0 <= ahead <= _micro(DEBT * spending.window)


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
