"""The lifetime of a result: it ends when the first of its media URLs expires. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# A query parameter, or a part of the path as in YouTube's manifests: seconds or milliseconds since the epoch.
_EXPIRES = re.compile(r"[?&/;]expires?[=/](\d{10}|\d{13})(?!\d)", re.IGNORECASE)
_CHANGING = frozenset({"is_live", "is_upcoming", "post_live"})


def lifetime(info: Mapping[str, Any], now: float, *, urls: bool) -> float | None:
    """Seconds for which yt-dlp's `info` is useful; None where no URL states it.

    0 for a live stream, which changes by the minute, and for a partial result, which a new request may
    complete.

    Args:
        now: seconds since the epoch, the clock of the URLs.
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
