"""The judgement of a new release by pairs: the same job on both releases. Pure; takes `now`.

A rate of failures says nothing while a site is down, and so does a comparison with an hour ago. A pair says
it: one release failed, the other answered, within moments. Where both are alike, either is as likely to be
the one that failed, whatever the sites do. So pairs that agree are not counted, and those that differ are
added up in a sequential sign test, which may be looked at after each pair.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

# The share of pairs against a release that is worse; half of them where it is alike. A release that fails
# twice as often as the old one has two thirds against it, which 0.85 would overlook one time in four.
WORSE = 0.7
AGAINST, IN_FAVOUR = math.log(WORSE / 0.5), math.log((1 - WORSE) / 0.5)
BOUND = math.log(1000)  # at least 21 pairs, all against it
DOUBT = math.log(10)  # from here on a site holds back the promotion
SITES = 256  # bounds the tallies; the site with the oldest pair is forgotten first
LITTLE = 0.05  # jobs per second; with less traffic pairs would take days


class Ruling(StrEnum):
    """What is to be done with the new release."""

    WAIT = "wait"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ruling, and the reason in words."""

    ruling: Ruling
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much is needed to promote a release that is neither better nor worse.

    Attributes:
        samples: jobs that it has run.
        seconds: since it began.
    """

    samples: int = 2000
    seconds: float = 3600.0

    @property
    def least(self) -> int:
        """Samples before a promotion by pairs: a site has few of them, and is to be seen as well."""
        return self.samples // 4


@dataclass(slots=True)
class Tally:
    """The pairs that differ, and what they add up to."""

    against: int = 0
    in_favour: int = 0

    def add(self, *, against: bool) -> None:
        if against:
            self.against += 1
        else:
            self.in_favour += 1

    @property
    def score(self) -> float:
        """The log of how much likelier these pairs are of a worse release than of one that is alike."""
        return self.against * AGAINST + self.in_favour * IN_FAVOUR


@dataclass(frozen=True, slots=True)
class Contents:
    """What of a result can get lost without an error."""

    extractor: str
    duration: float | None
    formats: int
    heights: frozenset[int]

    def lost(self, new: Contents) -> bool:
        """Whether `new`, of the same page, lacks something of these, or tells another story."""
        return (
            new.formats < self.formats
            or not self.heights <= new.heights
            or new.extractor != self.extractor
            or (self.duration is not None and not _close(self.duration, new.duration))
        )


class Judge:
    """Judges one new release, from the pairs and samples that it is told of.

    Attributes:
        pairs: of attempts that failed in a way that a release can cause.
        contents: of successes that were run on both.
        samples: jobs that the new release has run; `jobs` are those of both.
    """

    def __init__(self, now: float, evidence: Evidence) -> None:
        self.pairs = Tally()
        self.contents = Tally()
        self.samples = self.jobs = 0
        self._sites: OrderedDict[str, Tally] = OrderedDict()
        self._began = now
        self._evidence = evidence

    def ran(self, *, new: bool) -> None:
        """Note a job that one of the releases has run."""
        self.jobs += 1
        self.samples += new

    def differed(self, site: str, *, against: bool) -> None:
        """Note a pair of which one release failed and the other answered."""
        self.pairs.add(against=against)
        self._sites.setdefault(site, Tally()).add(against=against)
        self._sites.move_to_end(site)
        if len(self._sites) > SITES:
            self._sites.popitem(last=False)

    def compared(self, old: Contents, new: Contents) -> None:
        """Note the results of a page that both releases have read."""
        if old.lost(new):
            self.contents.add(against=True)
        elif new.lost(old):
            self.contents.add(against=False)

    def verdict(self, now: float) -> Verdict:
        """The ruling at this moment."""
        if reason := self._worse():
            return Verdict(Ruling.ROLL_BACK, reason)
        return self._promotable(now)

    def _worse(self) -> str | None:
        """Why it is to be rolled back."""
        if self.pairs.score >= BOUND:
            return f"it failed where the old one answered: {_words(self.pairs)}"
        for site, tally in self._sites.items():
            if tally.score >= BOUND:
                return f"it failed at {site} where the old one answered: {_words(tally)}"
        if self.contents.score >= BOUND:
            return f"its results lack what the old one found: {_words(self.contents)}"
        return None

    def _promotable(self, now: float) -> Verdict:
        age, need = now - self._began, self._evidence
        tallies = (self.pairs, self.contents, *self._sites.values())
        if any(tally.score >= DOUBT for tally in tallies) or self.pairs.score > 0:
            return Verdict(Ruling.WAIT, "the pairs lean against it")
        if self.pairs.score <= -BOUND and self.samples >= need.least:
            return Verdict(Ruling.PROMOTE, f"not worse by {_words(self.pairs)}")
        if age < need.seconds:
            return Verdict(Ruling.WAIT, "it is tried on real jobs")
        if self.samples >= need.samples:
            return Verdict(Ruling.PROMOTE, f"{self.samples} jobs, {_words(self.pairs)}")
        if self.jobs < LITTLE * age:
            return Verdict(
                Ruling.PROMOTE,
                f"by its rehearsal and {minutes(age)}, as there is little traffic: {self.samples} jobs on it",
            )
        return Verdict(Ruling.WAIT, f"{self.samples} of {need.samples} jobs")


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def _words(tally: Tally) -> str:
    pairs = "pair" if tally.in_favour == 1 else "pairs"
    return f"{tally.in_favour} {pairs} for it, {tally.against} against"


def _close(old: float, new: float | None) -> bool:
    return new is not None and abs(old - new) <= max(1.0, 0.01 * old)
