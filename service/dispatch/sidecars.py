"""What workers report of sidecars that fail, as events that do not flood. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..events import SidecarFailed
from ..wire import Usage

QUIET = 60.0  # seconds in which no more is said of a sidecar
KEPT = 64  # sidecars that are known; settings name a few


class SidecarReports:
    """Which sidecars were reported lately."""

    def __init__(self) -> None:
        self._quiet_until: dict[str, float] = {}

    def news(self, usage: Usage, now: float) -> Iterator[SidecarFailed]:
        """What is to be said of the sidecars that failed in a job."""
        for sidecar, problem in usage.sidecars:
            known = sidecar in self._quiet_until or len(self._quiet_until) < KEPT
            if known and now >= self._quiet_until.get(sidecar, now):
                self._quiet_until[sidecar] = now + QUIET
                yield SidecarFailed(sidecar, problem)
