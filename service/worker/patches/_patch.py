"""A patch: an equivalent, and the digest of the source of its original."""

from __future__ import annotations

import hashlib
import inspect
from types import ModuleType
from typing import Any, NamedTuple


class Patch(NamedTuple):
    """A faster equivalent of one of yt-dlp's functions, methods or properties.

    Attributes:
        known: the digests of the sources that `equivalent` was tested against, with spaces between them.
        along: functions that `original` calls, whose source is part of the digest.
        holder: the class of a method or property, or a module that is not yt-dlp's; None for a function of
            yt-dlp, which any module may have imported.
    """

    original: Any
    equivalent: Any
    known: str
    along: tuple[Any, ...] = ()
    holder: type | ModuleType | None = None

    @property
    def name(self) -> str:
        """The name of the original in yt-dlp."""
        return str(getattr(self.original, "fget", self.original).__qualname__)

    @property
    def applies(self) -> bool:
        """Whether this yt-dlp has a source that `equivalent` was tested against."""
        return digest(self.original, *self.along) in self.known.split()


def digest(*originals: Any) -> str:
    """A short digest of the source of functions or properties; empty where there is none to read."""
    try:
        sources = [inspect.getsource(getattr(original, "fget", original)) for original in originals]
    except (OSError, TypeError):
        return ""
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
