"""What the sites are like, as a test or a benchmark may set it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

PLAYERS = ("real", "small", "missing", "unknown", "endless", "hungry", "polluting")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the sites play; `Internet.set` changes it, `Internet.reset` brings the defaults back.

    Attributes:
        challenge: whether each format of a normal YouTube video has an `n` and a signature to solve.
        player: which script YouTube's player has. "real" is of real size, "small" costs the solver nothing.
            The others are small as well: "missing" is not there, "unknown" has nothing that the solver wants,
            "endless" and "hungry" never end, "polluting" spoils what its process is asked after a first `n`.
        release: the oldest release of the player that YouTube's pages name.
        rotation: how many releases there are at a time; which one a page names depends on the video.
        watch_bytes: how long YouTube's watch page and the pages of lists are.
        next_bytes: how long is what surrounds a video, in the watch page and from the API `next`.
        token: the anonymous token that Dailymotion hands out, and the only one that it takes.
    """

    challenge: bool = True
    player: str = "real"
    release: int = 1
    rotation: int = 3
    watch_bytes: int = 1_250_000
    next_bytes: int = 440_000
    token: str = "T1"

    def __post_init__(self) -> None:
        if self.player not in PLAYERS:
            raise ValueError(f"there is no player {self.player!r}; known: {', '.join(PLAYERS)}")

    def changed(self, given: dict[str, Any]) -> Self:
        """A copy in which the settings `given` have new values.

        Raises:
            TypeError: there is no such setting, or its value is of another type.
            ValueError: there is no such player.
        """
        for name, value in given.items():
            known = getattr(self, name, None)
            if known is not None and type(value) is not type(known):
                raise TypeError(f"{name} is a {type(known).__name__}, not {value!r}")
        return replace(self, **given)


# As hard as the field: what a benchmark measures with.
REALISTIC = Settings()

# The default of the tests: the same challenges and as many releases, with scripts that cost a tenth.
EASY = Settings(player="small")
