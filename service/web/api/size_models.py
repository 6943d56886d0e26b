"""The schemas of sizes, and of what is neither metadata nor sizes: a redirect, a transcript."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, RootModel

from ...sizes import Accuracy
from .models import PARTIAL, WARNINGS, BatchFailure, BatchSuccess, Model, Selection, Weight


class Resolution(Weight):
    """The size of one resolution."""

    resolution: str
    format: str | None = Field(description="The formats that it is of.")
    codec: str | None = Field(None, description="Of the picture, as the site names it.")
    fps: float | None = Field(None, description="Frames a second.")


class Audio(Weight):
    """The size of audio alone."""

    format: str | None
    codec: str | None = None
    bitrate: int | None = Field(None, description="Bits a second.")
    language: str | None = None


class SizeResponse(Model):
    """Sizes per resolution."""

    model_config = ConfigDict(extra="allow")

    ok: Literal[True] = True
    bytes: dict[str, int | None] = Field(description="By key (s144p … s4320p and variants of a codec).")
    human: dict[str, str | None] = Field(description='The same as text ("18.50 MB"), and the duration.')
    duration: int | None = Field(description="Whole seconds.")
    accuracy: dict[str, Accuracy | None] = Field({}, description="How each size is known, by the same keys.")
    formats: dict[str, str | None] = Field({}, description="The formats that each size is of.")
    resolutions: list[Resolution] = Field([], description="A row for each resolution, also without a size.")
    audio: Audio | None = Field(None, description="The best audio alone.")
    best: dict[str, Any] | None = Field(None, description="What yt-dlp would download.")
    reason: str | None = Field(None, description="Why `best` is null.")
    selection: Selection | None = Field(None, description="The formats that `format` chooses.")
    thumbnail: str | None = Field(None, description="The URL of a picture of it.")
    live: bool = Field(False, description="It is live, so there are sizes only for a `duration_hint`.")
    partial: bool = Field(False, description=PARTIAL)
    warnings: list[str] = Field([], description=WARNINGS)


class Sum(Model):
    """The sizes of a list's entries together."""

    bytes: int = Field(description="Of the entries whose best has a known size.")
    human: str
    accuracy: Accuracy = Field(description="That of the least certain one.")
    entries: int
    unknown: int = Field(description="Entries that failed, or whose size is not known.")


class SumLine(Model):
    """The last line of the sizes of a list."""

    ok: Literal[True] = True
    sum: Sum
    title: str | None
    playlist_count: int | None = Field(
        description="How many entries the whole list has, where that is known."
    )
    has_more: bool = Field(description="The list goes on after these entries.")
    cursor: str | None = None


class EntryLine(RootModel[SumLine | BatchSuccess | BatchFailure]):
    """The size of one entry, or the sum of all."""


class Direct(Model):
    """Where a file is; the same as in Location."""

    ok: Literal[True] = True
    location: str


class Transcript(RootModel[str]):
    """The text of subtitles, or JSON: a list of start, end and text."""
