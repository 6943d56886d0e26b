"""The permit of a call past a breaker, and how long the call has waited for its site. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True, eq=False)
class Permit:
    """The right to make one call; two permits are never equal. Settled exactly once.

    Attributes:
        since: when the call began to wait for the site: earlier by what its job has waited in former
            attempts, later by the time in which it asked another site, and infinite while it does.
        waited: seconds, while it asks another site.
    """

    generation: int
    is_probe: bool
    since: float
    waited: float = 0.0

    @property
    def resting(self) -> bool:
        return self.since == inf

    def seconds(self, now: float) -> float:
        """How long the call has waited for the site."""
        return self.waited if self.resting else now - self.since
