"""How long to wait after a failure before trying again. Pure; takes `now`."""

from __future__ import annotations

from collections import deque

FIRST = 0.5  # seconds; doubled by each further failure
LONGEST = 30.0  # seconds
MANY, WINDOW = 3, 10.0  # failures within so many seconds that are more than bad luck


class Backoff:
    """Waits of 0.5, 1, 2 … 30 seconds. It slows down for ever but never gives up; one success forgets all."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._failed_at = float("-inf")
        self._recent: deque[float] = deque(maxlen=MANY)
        self._many = False

    def failed(self, now: float, began: float) -> float:
        """Note that the attempt which `began` then has failed now; returns the seconds to wait.

        Attempts that were under way together fail together: they lengthen the wait once.
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
        """Whether attempts fail one after the other, up to the present."""
        return self._many and now <= self._failed_at + self._delay + WINDOW
