"""Patches of the checks for one value or several, which are called for each getter and path."""

from __future__ import annotations

from types import FunctionType, NoneType
from typing import Any

from yt_dlp import utils

from ._patch import Patch

slow_is_iterable_like = utils.is_iterable_like
slow_variadic = utils.variadic

_SEVERAL: dict[type, bool] = dict.fromkeys((list, tuple, set, frozenset), True)
_SEVERAL |= dict.fromkeys((str, bytes, dict, int, float, bool, NoneType, FunctionType), False)


def is_iterable_like(x: Any, *types: Any, **named: Any) -> Any:
    """yt_dlp.utils.is_iterable_like, faster for the usual types."""
    if types or named or (several := _SEVERAL.get(type(x))) is None:
        return slow_is_iterable_like(x, *types, **named)
    return several


def variadic(x: Any, *types: Any, **named: Any) -> Any:
    """yt_dlp.utils.variadic, the same."""
    if types or named or (several := _SEVERAL.get(type(x))) is None:
        return slow_variadic(x, *types, **named)
    return x if several else (x,)


PATCHES = (
    Patch(slow_is_iterable_like, is_iterable_like, "977a96df2fca10e3"),
    Patch(slow_variadic, variadic, "b4080ab179f1c77c", (slow_is_iterable_like,)),
)
