"""How long a result stays of use: until the first of its media URLs expires, as they say themselves. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# A query's parameter, or in the path, as YouTube's manifests have it: seconds or milliseconds of the epoch.
_EXPIRES = re.compile(r"[?&/;]expires?[=/](\d{10}|\d{13})(?!\d)", re.IGNORECASE)
_CHANGING = frozenset({"is_live", "is_upcoming", "post_live"})


def lifetime(info: Mapping[str, Any], now: float, *, urls: bool) -> float | None:
    """Seconds for which yt-dlp's `info` is of use; None where nothing says.

    0 for what changes by the minute, and for what lacks something that the next request may get.

    Args:
        now: of the epoch, in seconds, as the URLs count.
        urls: whether the media URLs are part of the result.
    """
    if info.get("partial") or info.get("is_live") or info.get("live_status") in _CHANGING:
        return 0.0
    ends = min(_ends(info), default=None) if urls else None
    return None if ends is None else max(0.0, ends - now)


def _ends(info: Mapping[str, Any]) -> Iterator[float]:
    items = [info, *(info.get("formats") or ()), *(info.get("entries") or ())]
    for item in items:
        for name in ("url", "manifest_url", "fragment_base_url"):
            found = _EXPIRES.search(str((item or {}).get(name) or ""))
            if found is not None:
                number = found[1]
                yield float(number) if len(number) == 10 else float(number) / 1000
