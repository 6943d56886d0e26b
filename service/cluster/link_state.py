"""The breaker before the engine: up, or down until the next attempt to connect. Pure; takes `now`.

While it is down nobody waits for the engine. The attempt to connect is the probe, so no request is one. A
link that is lost soon after it came up, as with an engine that greets and then hangs, waits longer each time.
"""

from __future__ import annotations

FIRST = 0.5  # seconds until the next attempt; doubled each time
LONGEST = 30.0
STEADY = 10.0  # seconds up, after which a loss counts as the first


class LinkState:
    """Whether the engine may be asked, and when to try again."""

    def __init__(self) -> None:
        self.problem: str | None = "it was not reached yet"  # None while it is up
        self.since: float | None = None
        self.losses = 0
        self._pause = FIRST

    @property
    def is_up(self) -> bool:
        return self.problem is None

    def came_up(self, now: float) -> None:
        """The engine has greeted us."""
        self.problem, self.since = None, now

    def lost(self, problem: str, now: float) -> float:
        """The connection has ended, or could not be made; returns the seconds until the next attempt."""
        if self.since is not None and self.problem is None and now - self.since >= STEADY:
            self._pause = FIRST
        if self.problem is None:
            self.losses += 1
            self.since = now
        self.problem = problem
        pause, self._pause = self._pause, min(LONGEST, 2 * self._pause)
        return pause
