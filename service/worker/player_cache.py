"""What a worker remembers of YouTube's player scripts from one job to the next.

Without it each video costs a download of the script (2.5 MB) and a second of CPU for taking it apart; with
it, only the solving. It is kept in memory, by the script's address, and is nobody's: every visitor gets the
same script. Nothing else that yt-dlp would cache is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from yt_dlp.extractor.youtube.jsc._builtin.ejs import EJSBaseJCP

MAX_BYTES = 8 << 20  # two scripts taken apart; YouTube uses one or two at a time, for weeks
_SECTIONS = frozenset((EJSBaseJCP._CACHE_SECTION, "youtube-sigfuncs"))


class PlayerCache:
    """In the place of yt_dlp.cache.Cache: bounded, least recently used first out."""

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
        """Keep `data`, unless it is of a section that is not kept, or too large."""
        size = len(key) + len(data if isinstance(data, str) else repr(data))
        if section not in _SECTIONS or size > self._max_bytes:
            return
        self._forget((section, key))
        self._kept[section, key] = data, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def remove(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._bytes = 0

    def _forget(self, key: tuple[str, str]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size


def install() -> None:
    """Have yt-dlp's challenge solver keep the scripts that it has taken apart; by itself it would not."""
    EJSBaseJCP._ENABLE_PREPROCESSED_PLAYER_CACHE = True
