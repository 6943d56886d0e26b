"""What the sites are like, as a test or a benchmark may set it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Settings:
    """How the sites play; `Internet.set` changes it, `Internet.reset` brings the defaults back.

    Attributes:
        challenge: whether each format of a normal YouTube video has an `n` and a signature to solve.
        real_player: whether YouTube's player script is of real size; a small one costs the solver nothing.
        release: the oldest release of the player that YouTube's pages name.
        rotation: how many releases there are at a time; which one a page names depends on the video.
        watch_bytes: how long YouTube's watch page and the pages of lists are.
        next_bytes: how long is what surrounds a video, in the watch page and from the API `next`.
        token: the anonymous token that Dailymotion hands out, and the only one that it takes.
    """

    challenge: bool = True
    real_player: bool = True
    release: int = 1
    rotation: int = 3
    watch_bytes: int = 1_250_000
    next_bytes: int = 440_000
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


# As hard as the field: what a benchmark measures with.
REALISTIC = Settings()

# What the tests ask for where they say nothing else: most of them are about something other than challenges.
EASY = Settings(challenge=False, real_player=False)
