"""What a worker knows of the egress of its job. Pure; both sides of the pipe import it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Route:
    """The egress of one job. With neither, the job goes the direct way.

    Attributes:
        proxy: the proxy's URL with its credentials, or None.
        source: the address that its sockets are bound to, or None.
    """

    proxy: str | None = field(default=None, repr=False)
    source: str | None = None
