"""The phase of the service between start and stop: set by main, read by all other parts."""

from __future__ import annotations

import time
from enum import StrEnum

import trio


class Phase(StrEnum):
    """STARTING until the warm floor is up; DRAINING from the first signal on."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Lifecycle:
    """The phase, and when the service started."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.draining = trio.Event()
        self.closing = trio.Event()
        self.started_at = time.monotonic()

    def ready(self) -> None:
        """The warm floor is up and the port is bound."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.READY

    def drain(self) -> None:
        """Take no new work from now on."""
        self.phase = Phase.DRAINING
        self.draining.set()

    def close(self) -> None:
        """Every request is answered: the listener may close."""
        self.closing.set()

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started_at
