"""The way of a new release from its first job to all of them: 1 → 10 → 50 → 100 %. Pure; takes `now`.

The share grows with what is known of the release. Nobody is hurt by a bad one, because the client gets the
better answer of two; the small steps keep its cost small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .judge import Contents, Evidence, Judge, Ruling, Verdict, minutes

# The share, and the part of the evidence, in jobs or in time, after which the next one follows.
STEPS = ((0.01, 0.01, 1 / 12), (0.10, 0.10, 1 / 3), (0.50, 1.0, 1.0))


@dataclass(frozen=True, slots=True)
class CanaryStatistics:
    """A snapshot of a new release on its way.

    Attributes:
        share: of the jobs that start on it, from 0 to 1.
        age: seconds since it began.
        samples: jobs that it has run.
        in_favour, against: pairs that differ.
        sentence: all of that for people.
    """

    version: str
    share: float
    age: float
    samples: int
    in_favour: int
    against: int
    sentence: str


class Canary:
    """A new release that runs a growing share of the jobs next to the one in service.

    Args:
        old, new: the versions of the release in service and of the new one, as jobs name them.
        draw: numbers from 0 to 1.

    Attributes:
        judge: what is known of it.
    """

    def __init__(
        self, old: str, new: str, now: float, *, evidence: Evidence, draw: Callable[[], float]
    ) -> None:
        self.old, self.new = old, new
        self.judge = Judge(now, evidence)
        self._evidence = evidence
        self._draw = draw
        self._began = now
        self._step = 0

    @property
    def share(self) -> float:
        return STEPS[self._step][0]

    def first(self) -> bool:
        """Whether the next job starts on the new release."""
        return self._draw() < self.share

    def second(self, *, canary: bool) -> bool:
        """Whether a job that starts on the new release, or on the old one, is tried on the other if it fails.

        Failures of the old one are tried as often as those of the new one come up, so that both kinds of
        pairs weigh the same.
        """
        return canary or self._draw() < self.share / (1 - self.share)

    def ran(self, version: str) -> None:
        """Note that `version` has run a job."""
        if version in (self.old, self.new):
            self.judge.ran(new=version == self.new)

    def differed(self, site: str, *, failed: str, answered: str) -> None:
        """Note that a job failed on one release and was answered by the other."""
        if {failed, answered} == {self.old, self.new}:
            self.judge.differed(site, against=failed == self.new)

    def compared(self, contents: Mapping[str, Contents]) -> None:
        """Note what each release, by its version, made of one page."""
        if contents.keys() == {self.old, self.new}:
            self.judge.compared(contents[self.old], contents[self.new])

    def verdict(self, now: float) -> Verdict:
        """The ruling at this moment; where that is to wait, the share may grow."""
        verdict = self.judge.verdict(now)
        _, samples, seconds = STEPS[self._step]
        grown = (
            self.judge.samples >= samples * self._evidence.samples
            or now - self._began >= seconds * self._evidence.seconds
        )
        if verdict.ruling is Ruling.WAIT and grown and self._step < len(STEPS) - 1:
            self._step += 1
        return verdict

    def statistics(self, now: float) -> CanaryStatistics:
        judge, age = self.judge, now - self._began
        pairs = judge.pairs
        noun = "pair" if pairs.in_favour == 1 else "pairs"
        return CanaryStatistics(
            self.new,
            self.share,
            age,
            judge.samples,
            pairs.in_favour,
            pairs.against,
            f"{self.new} on {self.share * 100:g} % since {minutes(age)}: "
            f"{pairs.in_favour} {noun} for it, {pairs.against} against",
        )
