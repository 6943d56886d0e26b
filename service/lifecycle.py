"""The phase of the service between start and stop: set by main, read by all other parts."""

from __future__ import annotations

import time
from enum import StrEnum

import trio


class Phase(StrEnum):
    """STARTING until the warm floor is up; from the first signal on LAME_DUCK, if there is one, and DRAINING.

    A lame duck says that it is not ready, so that balancers look elsewhere, and serves those that come.
    """

    STARTING = "starting"
    READY = "ready"
    LAME_DUCK = "lame_duck"
    DRAINING = "draining"


class Lifecycle:
    """The phase, and when the service started."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self.draining = trio.Event()
        self.leaving = trio.Event()  # the listener shall close
        self.left = trio.Event()  # it has, and those that were in its queue are connected
        self.closing = trio.Event()
        self.started_at = time.monotonic()

    def ready(self) -> None:
        """The warm floor is up and the port is bound."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.READY

    def stop_being_ready(self) -> None:
        """Serve on, but keep no connection, and say that requests should go elsewhere."""
        self.phase = Phase.LAME_DUCK

    async def leave(self) -> None:
        """Accept no connection from now on; returns when that is so."""
        self.leaving.set()
        await self.left.wait()

    def drain(self) -> None:
        """Take no new work from now on."""
        self.phase = Phase.DRAINING
        self.draining.set()

    def close(self) -> None:
        """Every request is answered: the listener and all connections may close."""
        self.leaving.set()
        self.closing.set()

    @property
    def stopping(self) -> bool:
        """Whether a signal has come, so that no connection should be kept."""
        return self.phase in (Phase.LAME_DUCK, Phase.DRAINING)

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started_at
