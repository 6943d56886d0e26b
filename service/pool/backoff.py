"""Exponential backoff: the wait after a failure before the next attempt. Pure; takes `now`."""

from __future__ import annotations

from collections import deque

FIRST = 0.5  # seconds; doubled after each further failure
LONGEST = 30.0  # seconds
MANY, WINDOW = 3, 10.0  # so many failures within so many seconds mean degraded


class Backoff:
    """Waits of 0.5, 1, 2 … 30 seconds. It never gives up; one success resets it."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._failed_at = float("-inf")
        self._recent: deque[float] = deque(maxlen=MANY)
        self._many = False

    def failed(self, now: float, began: float) -> float:
        """Note that the attempt that `began` then has failed now; returns the seconds to wait.

        Attempts that ran at the same time count as one failure.
        """
        if began >= self._failed_at:
            self._delay = min(max(FIRST, self._delay * 2), LONGEST)
        self._failed_at = now
        self._recent.append(now)
        self._many = self._many or (len(self._recent) == MANY and now - self._recent[0] <= WINDOW)
        return self.wait(now)

    def succeeded(self) -> None:
        self._delay = 0.0
        self._recent.clear()
        self._many = False

    def wait(self, now: float) -> float:
        """Seconds until the next attempt."""
        return max(0.0, self._failed_at + self._delay - now)

    def degraded(self, now: float) -> bool:
        """Whether attempts keep failing."""
        return self._many and now <= self._failed_at + self._delay + WINDOW
