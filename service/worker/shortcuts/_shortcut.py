"""What a shortcut is: an equivalent, and the digest of what it is equivalent to."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any, NamedTuple


class Shortcut(NamedTuple):
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
    def digest(self) -> str:
        """Of this yt-dlp's source; empty where there is none to read."""
        try:
            sources = [
                inspect.getsource(getattr(part, "fget", part)) for part in (self.original, *self.along)
            ]
        except OSError:
            return ""
        return hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
