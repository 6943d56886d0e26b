"""The schemas of requests, as pydantic models; the OpenAPI document is made from them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails

from ... import cursors, fields, urls
from ...codes import Code
from ..errors import Refused
from .egresses import WantedEgress

MAX_BATCH = 100
MAX_COUNT = 500  # entries of one page of a list
MAX_EXPRESSION = 200
MAX_PLAYLIST = 100
_SHOWN = 64  # characters of a name that nobody knows
_LIKE = 0.75  # how much a name has to be like another one to be taken for it
_PATTERNS = {  # what is wanted, where a pattern says so to programs
    "language": "it must be a language tag, as in de or pt-BR",
    "fields": "names consist of letters, digits and underscores, and commas are between them",
}
WHOLE_PLAYLIST = 50  # entries that `playlist: true` stands for


def _names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _entries(value: object) -> object:
    if value is True or value == "true":
        return WHOLE_PLAYLIST
    return 0 if value is False or value == "false" else value


Url = Annotated[
    str,
    AfterValidator(urls.cleaned),
    Field(
        description="The page of the video.",
        json_schema_extra={"format": "uri", "maxLength": urls.MAX_LENGTH},
        examples=["https://www.youtube.com/watch?v=dQw4w9WgXcQ"],
    ),
]
Cookies = Annotated[
    str | None,
    Field(None, description="A cookie file's text in the Netscape format; used for this request alone."),
]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$"), AfterValidator(fields.known)]

Expression = Annotated[
    str | None,
    Field(
        None,
        min_length=1,
        max_length=MAX_EXPRESSION,
        description="Formats to choose, in yt-dlp's words (bv*[height<=720]+ba); see `selection`.",
    ),
]
Language = Annotated[
    str | None,
    Field(
        None,
        pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$",
        description="A language tag such as de; not given: the original.",
    ),
]
Start = Annotated[
    int | None, Field(None, ge=1, le=cursors.MAX_START, description="The first entry of a list, from 1.")
]
Count = Annotated[int | None, Field(None, ge=1, le=MAX_COUNT, description="How many entries of a list.")]
Cursor = Annotated[
    str | None,
    Field(
        None,
        max_length=cursors.MAX_LENGTH,
        description="The next page of a list: `cursor` of the last answer.",
    ),
]


class Asked(BaseModel):
    """Base of requests: what is misspelt is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SizeQuery(Asked):
    """Ask for sizes per resolution."""

    url: Url
    duration_hint: float | None = Field(
        None,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds; used where the site tells no duration.",
    )
    format: Expression
    language: Language


class SizeRequest(SizeQuery):
    """Ask for sizes per resolution: of one video, or of each entry of a list."""

    cookies: Cookies
    entries: bool = Field(False, description="A size for each entry of a list, line by line.")
    start: Start
    count: Annotated[
        int | None, Field(None, ge=1, le=MAX_BATCH, description="How many entries; each counts as a request.")
    ]
    cursor: Cursor

    def page(self, most: int) -> tuple[int, int]:
        """The first entry to size, and how many: by default `most`.

        Raises:
            Refused: INVALID_REQUEST, where the cursor is none of this list.
        """
        return (self.start or 1, self.count or most) if self.cursor is None else _continued(self, MAX_BATCH)

    def of_one(self) -> None:
        """Raises Refused where a part of a list is asked for, and not the sizes of its entries."""
        for name in ("start", "count", "cursor"):
            if getattr(self, name) is not None:
                raise out_of_place(name, "entries: true")


class RedirectQuery(Asked):
    """Ask for the way to a file."""

    url: Url
    format: Expression
    egress: WantedEgress


class SubtitlesQuery(Asked):
    """Ask for what is said in a video."""

    url: Url
    language: Language
    format: Literal["txt", "srt", "vtt", "json"] = Field("txt", description="Text alone, or with times.")


class ExtractQuery(Asked):
    """Ask for metadata."""

    url: Url
    fields: Annotated[list[FieldName], BeforeValidator(_names)] = Field(
        [], max_length=100, description="Top-level fields to keep; none given keeps all."
    )
    playlist: Annotated[
        int,
        BeforeValidator(_entries),
        WithJsonSchema(
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_PLAYLIST}, {"type": "boolean"}]}
        ),
    ] = Field(
        0,
        ge=0,
        le=MAX_PLAYLIST,
        description=f"How many entries of a playlist to list; true: {WHOLE_PLAYLIST}, 0: the one video.",
    )
    start: Start
    count: Count
    cursor: Cursor
    format: Expression
    egress: WantedEgress

    def page(self) -> tuple[int, int]:
        """The first entry to list, and how many; (1, 0) for a single video.

        Raises:
            Refused: INVALID_REQUEST, where the cursor is none of this list.
        """
        if self.cursor is not None:
            return _continued(self, MAX_COUNT)
        count = self.count or self.playlist or (WHOLE_PLAYLIST if self.start else 0)
        return self.start or 1, count


class ExtractRequest(ExtractQuery):
    """Ask for metadata, with cookies if need be."""

    cookies: Cookies


class BatchRequest(Asked):
    """Ask for metadata or sizes of many URLs."""

    urls: list[Url] = Field(
        min_length=1,
        max_length=MAX_BATCH,
        description=f"The pages of the videos: at most {MAX_BATCH}, or the rate limit if that is less.",
    )
    kind: Literal["extract", "size"] = Field("extract", description="Metadata, or sizes per resolution.")
    fields: list[FieldName] = Field(
        [], max_length=100, description="Top-level fields of the metadata to keep; none given keeps all."
    )
    egress: WantedEgress


class ResetRequest(Asked):
    """Which breaker to reset."""

    site: str | None = Field(
        None, min_length=1, max_length=253, description="A site such as youtube.com; not given: all of them."
    )


class ReleaseRequest(Asked):
    """Which URL to release."""

    url: str | None = Field(
        None, max_length=urls.MAX_LENGTH, description="As listed; not given: all of them."
    )


def _continued(asked: ExtractQuery | SizeRequest, most: int) -> tuple[int, int]:
    """The first entry and the number of entries, at most `most`, of the page that a cursor leads to.

    Raises:
        Refused: INVALID_REQUEST, where the cursor is none of this list, or not alone.
    """
    if asked.start is not None:
        message = "The field start does not go with cursor, which says where the page begins"
        raise Refused(Code.INVALID_REQUEST, message, field="start")
    try:
        start, count = cursors.decode(asked.cursor or "", asked.url)
    except ValueError as error:
        message = f"The field cursor is invalid: {error}"
        raise Refused(Code.INVALID_REQUEST, message, field="cursor") from None
    return start, min(asked.count or count, most)


def out_of_place(name: str, place: str) -> Refused:
    """The refusal of a field that would be ignored but for `place`."""
    return Refused(Code.INVALID_REQUEST, f"The field {name} is of use with {place} alone", field=name)


def unknown(name: str, there: Iterable[str] = (), otherwise: str = "") -> Refused:
    """The refusal of a field that no request of this kind has; `there` are those that it may have."""
    name = name[:_SHOWN]
    likely = get_close_matches(name.lower(), there, 1, _LIKE)
    more = f"; is it {likely[0]}?" if likely else otherwise
    return Refused(Code.INVALID_REQUEST, f"There is no field {name} here{more}", field=name)


class FetchRequest(BaseModel):
    """Which yt-dlp to fetch."""

    version: str = Field(max_length=40, description="2026.10.26, latest or nightly.")
    hash: str | None = Field(
        None, max_length=80, description="The sha256 of its wheel, known from elsewhere."
    )


class VersionRequest(BaseModel):
    """Which yt-dlp is meant, and why."""

    version: str = Field(max_length=40, description="As listed.")
    reason: str = Field("an admin said so", max_length=200, description="Why, where it is barred.")


class RollbackRequest(BaseModel):
    """Why a yt-dlp is taken back."""

    reason: str = Field("an admin said so", max_length=200, description="Why, in a few words.")


def _lacks(error: ErrorDetails) -> bool:
    return error["type"] == "missing"


def refusal(error: ValidationError, there: Iterable[str] = ()) -> Refused:
    """The first problem as a sentence that names the field and never repeats its value.

    A name that nobody knows comes first: it may be why another one is missing. `there` are the known ones.
    """
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    first = min(errors, key=lambda each: each["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return Refused(Code.INVALID_REQUEST, f"The body is not valid JSON: {first['msg'].partition(': ')[2]}")
    if not where:
        return Refused(Code.INVALID_REQUEST, "The body must be a JSON object")
    if _lacks(first):
        return Refused(Code.INVALID_REQUEST, f"The field {where} is required", field=where)
    if first["type"] == "extra_forbidden":
        missing = next((f"; the field {each['loc'][0]} is required" for each in errors if _lacks(each)), "")
        return unknown(where, there, missing)
    what = _PATTERNS.get(str(first["loc"][0]), first["msg"]) if "pattern" in first["type"] else first["msg"]
    what = what.removeprefix("Value error, ")
    return Refused(
        Code.INVALID_REQUEST, f"The field {where} is invalid: {what[:1].lower()}{what[1:]}", field=where
    )
