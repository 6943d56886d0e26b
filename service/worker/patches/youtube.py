"""Patches of YouTube's extractor: what it asks for anew for each format."""

from __future__ import annotations

import functools
from typing import Any

from yt_dlp.extractor.youtube import YoutubeIE, _base
from yt_dlp.extractor.youtube._video import STREAMING_DATA_FETCH_GVS_PO_TOKEN

from ._patch import Patch

TOKEN = STREAMING_DATA_FETCH_GVS_PO_TOKEN

_Extractor = _base.YoutubeBaseInfoExtractor
slow_extract_player_responses = YoutubeIE._extract_player_responses


def default_ytcfg(self: object, client: str = "web") -> Any:
    """YoutubeBaseInfoExtractor._get_default_ytcfg, which copies even what is never changed."""
    return _copied(_base.INNERTUBE_CLIENTS[client])


def _copied(values: dict[Any, Any]) -> dict[Any, Any]:
    return {key: _copied(value) if type(value) is dict else value for key, value in values.items()}


def extract_player_responses(self: object, *args: Any, **options: Any) -> Any:
    """YoutubeIE._extract_player_responses; the formats of a response share an answer about its PO token."""
    found = slow_extract_player_responses(self, *args, **options)
    for response in found[0]:
        data = response.get("streamingData") or {}
        if TOKEN in data:
            data[TOKEN] = functools.cache(data[TOKEN])
    return found


PATCHES = (
    Patch(_Extractor._get_default_ytcfg, default_ytcfg, "1a73dd648b941b41", holder=_Extractor),
    Patch(
        slow_extract_player_responses,
        extract_player_responses,
        "f68b6c80567fb345 54143fe1e28b15b7 49d35231de5cac80",  # 2026.3.17, 2026.8.19, 2026.10.26
        (YoutubeIE.fetch_po_token,),
        holder=YoutubeIE,
    ),
)
