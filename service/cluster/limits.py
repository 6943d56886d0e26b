"""Rate limits of all instances together: each admits by itself, and tells the others what it admitted.

No request waits for that. What a client takes too much before all instances know is a debt, which it pays
back: in the long run it gets what one instance alone would give. While the engine cannot be asked, each
instance limits by itself, and nothing of that time is counted later.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from . import keys
from .connection import Rejected, Unavailable
from .link import Link
from .messages import numbers
from .port import Budget, Spending
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
        names = [keys.limit(each.limit, each.window, each.client) for each in spent]
        most = [_micro(DEBT * each.window) for each in spent]
        words = [word for each, bound in zip(spent, most, strict=True) for word in (_micro(each.cost), bound)]
        try:
            reply = await self._link.run_script(SPEND, names, *words)
        except (Unavailable, Rejected):
            return
        if self.budget is not None:
            now = trio.current_time()
            for each, ahead in zip(spent, numbers(reply, most), strict=False):
                if ahead is not None:
                    self.budget.learn(each, ahead / 1e6, now)


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
