"""What a shortcut is: an equivalent, and the digest of what it is equivalent to."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any, NamedTuple


class Patch(NamedTuple):
    """A faster equivalent of one of yt-dlp's functions, methods or properties.

    Attributes:
        known: the digest of the source that `equivalent` was held against.
        along: what `original` leaves the work to, and is part of that source.
        holder: the class that has it; None where it is a function, for any module may have that.
    """

    original: Any
    equivalent: Any
    known: str
    along: tuple[Any, ...] = ()
    holder: type | None = None

    @property
    def applies(self) -> bool:
        """Whether this yt-dlp still has what `equivalent` was held against."""
        return digest(self.original, *self.along) == self.known


def digest(*originals: Any) -> str:
    """A short digest of the source of functions or properties; empty where there is none to read."""
    try:
        sources = [inspect.getsource(getattr(original, "fget", original)) for original in originals]
    except (OSError, TypeError):
        return ""
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
