"""Of YouTube's extractor: a client's configuration, of which it reads one field at a time."""

from __future__ import annotations

import functools
import pickle
from typing import Any

from yt_dlp.extractor.youtube import _base

from ._shortcut import Shortcut

_Extractor = _base.YoutubeBaseInfoExtractor


def default_ytcfg(self: object, client: str = "web") -> Any:
    """YoutubeBaseInfoExtractor._get_default_ytcfg, which copies a whole configuration more slowly."""
    return pickle.loads(_pickled(client))  # noqa: S301  # made here, a line below


@functools.cache
def _pickled(client: str) -> bytes:
    return pickle.dumps(_base.INNERTUBE_CLIENTS[client])


SHORTCUTS = (Shortcut(_Extractor._get_default_ytcfg, default_ytcfg, "1a73dd648b941b41", holder=_Extractor),)
