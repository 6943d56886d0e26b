"""Scripts that cannot be used, and the refusal that jobs get for them for a while. Pure; takes `now`.

Without it each job would prepare in vain a script that yt-dlp-ejs does not understand, or that ends every
process in which it runs.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from ..wire import Solution

SENTENCE = 600.0  # seconds that a script is refused, or that a lone loss is remembered
PLACES = 64  # scripts to remember; the oldest is forgotten first


class Faults:
    """By the scripts' digests."""

    def __init__(self) -> None:
        self._refused: OrderedDict[str, tuple[float, Solution]] = OrderedDict()
        self._losses: OrderedDict[str, float] = OrderedDict()

    def word(self, digest: str, now: float) -> Solution | None:
        """The refusal of a script; None where it may be used."""
        until, word = self._refused.get(digest, (-math.inf, None))
        return word if now < until else None

    def rejected(self, digest: str, now: float) -> Solution:
        """The script does not work, and would not in a worker either."""
        return self._refuse(digest, now, Solution(problem="the player script is not understood", final=True))

    def unsteady(self, digest: str, now: float) -> Solution:
        """The script cannot be kept here; a worker starts it anew for each job."""
        return self._refuse(digest, now, Solution(problem="the player script does not answer alike twice"))

    def lost(self, digest: str, now: float, *, ready: bool) -> Solution | None:
        """Its process was lost: a mishap the first time, which is no reason to refuse it.

        Args:
            ready: it was taken apart. What cannot even be, here, would take ten workers ten times the memory.
        """
        before = self._losses.pop(digest, -math.inf)
        self._losses[digest] = now
        if len(self._losses) > PLACES:
            self._losses.popitem(last=False)
        if now - before > SENTENCE:
            return None
        word = Solution(problem="the player script's process fails", final=not ready)
        return self._refuse(digest, now, word)

    def _refuse(self, digest: str, now: float, word: Solution) -> Solution:
        self._refused.pop(digest, None)
        self._refused[digest] = now + SENTENCE, word
        if len(self._refused) > PLACES:
            self._refused.popitem(last=False)
        return word
