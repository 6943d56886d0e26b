"""A release of yt-dlp: its version, the folder that it lies in, and what brings one into use. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

OLDEST = "2026.3.17"  # what the worker's code accepts; pyproject.toml says the same

_VERSION = re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?:\.(\d{1,6}))?(\.dev\d+)?")


@dataclass(frozen=True, slots=True)
class Release:
    """One yt-dlp, with the yt-dlp-ejs that it pins.

    Attributes:
        version: the canonical spelling.
        path: the folder that goes first on the template's path; None for what came with the installation.
        source: who gave it: "installed", "index", the URL of an index, or a folder.
        fetched: seconds since the epoch; None for what came with the installation.
        ejs: the version of its yt-dlp-ejs; None where it has none.
    """

    version: str
    path: Path | None
    source: str
    fetched: float | None
    ejs: str | None


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """What serves at present.

    Attributes:
        serving: the version that serves all jobs, or all but the canary's share.
        canary: the version that is being tried, or None.
        share: the canary's share of jobs, from 0 to 1.
        verdict: the judgement so far, in a sentence.
    """

    serving: str
    canary: str | None = None
    share: float = 0.0
    verdict: str = ""


class Rollout(Protocol):
    """Brings a release into use while the service runs."""

    def begin(self, version: str) -> None:
        """Try `version` on a growing share of jobs."""

    def promote(self) -> None:
        """Let the release that is being tried serve all jobs."""

    def rollback(self, reason: str) -> None:
        """Take back the release that is being tried, or the last one that was promoted, and bar it."""

    def status(self) -> RolloutStatus:
        """What serves at present."""


def canonical(version: str) -> str:
    """The spelling of a version that all parts use: of "2026.08.19" it is "2026.8.19".

    A package's metadata, its code and people spell one version in three ways. A nightly one has a time, which
    only the code leaves without ".dev0".

    Raises:
        ValueError: it is not a version of yt-dlp.
    """
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        raise ValueError(f"{version!r} is not a version of yt-dlp; they look like 2026.10.26")
    *numbers, development = found.groups()
    nightly = len(numbers[3] or "") == 6
    return ".".join(str(int(part)) for part in numbers if part is not None) + (
        development or (".dev0" if nightly else "")
    )


def order(version: str) -> tuple[int, ...]:
    """Sorts versions by age, oldest first. Raises ValueError like `canonical`."""
    return tuple(int(part) for part in canonical(version).split(".") if part.isdigit())


def accepted(version: str) -> bool:
    """Whether the worker's code works with this version, as far as its number says. Raises ValueError."""
    return order(version) >= order(OLDEST)


def released(version: str) -> float | None:
    """When it was released, in seconds since the epoch, as its number says; None where it says nothing."""
    try:
        year, month, day = order(version)[:3]
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:
        return None
