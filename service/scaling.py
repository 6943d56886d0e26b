"""How many workers there should be. Pure: `step(now, load) → target`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What the pool sees: requests that wait, workers that are busy."""

    queued: int
    busy: int


class Scaler:
    """As many workers as there are requests to serve, between the floor and the ceiling."""

    def __init__(self, floor: int, ceiling: int) -> None:
        self._floor = floor
        self._ceiling = ceiling

    def step(self, now: float, load: Load) -> int:
        """The number of workers wanted now; the pool grows to it at once and shrinks to it by idling."""
        return max(self._floor, min(self._ceiling, load.queued + load.busy))
