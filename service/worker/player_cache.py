"""A worker's cache of YouTube's preprocessed player scripts, which outlives a job.

Without it each video costs a download of the script (2.5 MB) and a second of CPU to preprocess it; with it,
only the solving. It is in memory, keyed by the script's address. Sharing it between jobs is safe, because
every visitor gets the same script. yt-dlp's other caches are off.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from yt_dlp.extractor.youtube.jsc._builtin.ejs import EJSBaseJCP

MAX_BYTES = 8 << 20  # two preprocessed scripts; YouTube uses one or two at a time, for weeks
_SECTIONS = frozenset((EJSBaseJCP._CACHE_SECTION, "youtube-sigfuncs"))


class PlayerCache:
    """Replaces yt_dlp.cache.Cache: bounded, evicts the least recently used entry first."""

    enabled = True

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()

    def load(self, section: str, key: str, dtype: str = "json", default: Any = None, **_: Any) -> Any:
        """What was stored under `key`, or `default`."""
        if (section, key) not in self._kept:
            return default
        self._kept.move_to_end((section, key))
        return self._kept[section, key][0]

    def store(self, section: str, key: str, data: Any, dtype: str = "json") -> None:
        """Keep `data`, unless its section is not cached or it is too large."""
        size = len(key) + len(data if isinstance(data, str) else repr(data))
        if section not in _SECTIONS or size > self._max_bytes:
            return
        self._forget((section, key))
        self._kept[section, key] = data, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def remove(self) -> None:
        """Remove all entries."""
        self._kept.clear()
        self._bytes = 0

    def _forget(self, key: tuple[str, str]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size


def install() -> None:
    """Switch on yt-dlp's cache of preprocessed scripts, which is off by default."""
    EJSBaseJCP._ENABLE_PREPROCESSED_PLAYER_CACHE = True
