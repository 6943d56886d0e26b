"""Patches of YouTube's extractor: a client's configuration, of which it reads one field at a time."""

from __future__ import annotations

from typing import Any

from yt_dlp.extractor.youtube import _base

from ._patch import Patch

_Extractor = _base.YoutubeBaseInfoExtractor


def default_ytcfg(self: object, client: str = "web") -> Any:
    """YoutubeBaseInfoExtractor._get_default_ytcfg, which copies even what is never changed."""
    return _copied(_base.INNERTUBE_CLIENTS[client])


def _copied(values: dict[Any, Any]) -> dict[Any, Any]:
    return {key: _copied(value) if type(value) is dict else value for key, value in values.items()}


PATCHES = (Patch(_Extractor._get_default_ytcfg, default_ytcfg, "1a73dd648b941b41", holder=_Extractor),)
