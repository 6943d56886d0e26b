"""Who asks: the small internet tells its clients' ways out apart, as sites do by address. Pure.

A proxy of the pool is a user of the one proxy (`http://fra1:x@127.0.0.1:PORT`), and everybody else is the
address that the connection comes from.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Iterable

WINDOW = 60.0  # seconds of a rate limit


def user_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The user of the proxy, or ""."""
    for name, value in headers:
        scheme, _, credentials = value.partition(b" ")
        if name.lower() == b"proxy-authorization" and scheme.lower() == b"basic":
            try:
                return base64.b64decode(credentials).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""


class Rates:
    """How often each egress has asked for each host in the last minute."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], deque[float]] = {}

    def over(self, host: str, egress: str, limit: int, now: float, *, spend: bool) -> bool:
        """Whether one more request is too many; with `spend` it counts, if it is not."""
        times = self._times.setdefault((host, egress), deque())
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if len(times) >= limit:
            return True
        if spend:
            times.append(now)
        return False
