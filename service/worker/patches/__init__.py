"""Patches: faster equivalents of functions that yt-dlp calls thousands of times; the results are the same.

yt-dlp changes every week, so a patch knows its original by the digest of its source. A changed original stays
in place, and extractions merely cost more CPU. tests/unit/worker/test_patches.py tells which ones a new
yt-dlp has changed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module

from ._patch import Patch, digest

__all__ = ["PATCHES", "digest", "install", "lost"]

_SUBJECTS = ("traversal", "urls", "sorting", "cookies", "youtube", "iterables", "metadata")


def _all() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    for subject in _SUBJECTS:
        with contextlib.suppress(ImportError, AttributeError):  # this yt-dlp has no such original
            yield subject, import_module(f".{subject}", __name__).PATCHES


_FOUND = dict(_all())
PATCHES = tuple(patch for patches in _FOUND.values() for patch in patches)


def lost() -> tuple[str, ...]:
    """The originals that this yt-dlp has changed, by name; of a subject whose originals are gone, its own."""
    changed = [patch.name for patch in PATCHES if not patch.applies]
    return (*changed, *(subject for subject in _SUBJECTS if subject not in _FOUND))


def install() -> None:
    """Replace the originals by their equivalents, in every module that has imported them."""
    applicable = [patch for patch in PATCHES if patch.applies]
    equivalents = {id(patch.original): patch.equivalent for patch in applicable}
    modules = [module for name, module in [*sys.modules.items()] if name.partition(".")[0] == "yt_dlp"]
    for holder in (*modules, *(patch.holder for patch in applicable if patch.holder)):
        for name, value in [*vars(holder).items()]:
            if id(value) in equivalents:
                setattr(holder, name, equivalents[id(value)])
