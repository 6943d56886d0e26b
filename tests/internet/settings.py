"""What the sites are like, as a test or a benchmark may set it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Settings:
    """How the sites play; `Internet.set` changes it, `Internet.reset` brings the defaults back.

    Attributes:
        token: the anonymous token that Dailymotion hands out, and the only one that it takes.
    """

    token: str = "T1"

    def changed(self, given: dict[str, Any]) -> Self:
        """A copy in which the settings `given` have new values.

        Raises:
            TypeError: there is no such setting, or its value is of another type.
        """
        for name, value in given.items():
            known = getattr(self, name, None)
            if known is not None and type(value) is not type(known):
                raise TypeError(f"{name} is a {type(known).__name__}, not {value!r}")
        return replace(self, **given)
