"""Snapshots that many read: made for each reader while they are cheap, else at most once a second for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import trio

from ...breaker.registry import Breakers

FEW = 32  # sites up to which a snapshot costs a few milliseconds, so that each reader gets the latest
MAX_AGE = 1.0  # seconds

T = TypeVar("T")


class SharedSnapshots:
    """The latest snapshot of each kind. Kinds are named by the code, never by a client."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._made: dict[tuple[str, object], tuple[float, Any]] = {}

    def get(self, name: str, variant: object, make: Callable[[], T]) -> T:
        """The snapshot of this name and variant, which `make` gives."""
        now = trio.current_time()
        made, snapshot = self._made.get((name, variant), (-math.inf, None))
        if now - made >= MAX_AGE or self._breakers.known <= FEW:
            snapshot = make()
            self._made[name, variant] = now, snapshot
        return cast(T, snapshot)
