"""A client's choice of formats: yt-dlp's own expression (`bv*[height<=720]+ba`), and a language.

The expression never reaches yt-dlp's options. Its selector is built and run on the formats at hand, within a
second of CPU: an expression may hold a regular expression, and products of products.
"""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from .. import fields
from ..codes import Code
from .alarms import alarm
from .extraction import Downloader
from .refused import Refused

MAX_LENGTH = 200  # characters of an expression
MAX_CPU = 1.0  # seconds to parse one and to choose by it
_PREFIX = 32  # characters that yt-dlp puts before each number while it parses
_FILTER = re.compile(r"\[([^\]]*)\]")
_NAME = re.compile(r"\s*!?([A-Za-z_]\w*)")
_LISTED = 12  # formats that a refusal names, with so many characters of each
_HEIGHT = re.compile(r"\d{3,4}p?(?:\d\d)?")

Format = Mapping[str, Any]
Choose = Callable[[Sequence[Format]], list[Format]]


class _TooLong(BaseException):
    """MAX_CPU is used up. A BaseException, so that yt-dlp does not swallow it."""


def parse(downloader: Downloader, expression: str) -> Choose:
    """The choice that `expression` stands for.

    Raises:
        Refused: INVALID_REQUEST, with the place of the error.
    """
    if len(expression) > MAX_LENGTH:
        raise _invalid(f": it may have at most {MAX_LENGTH} characters")
    try:
        with _bounded():
            selector = downloader.build_format_selector(expression)
    except SyntaxError as error:
        raise _invalid(_problem(expression, error)) from None
    except (re.error, RecursionError, ValueError) as error:
        raise _invalid(f": {_plain(error)}") from None

    def choose(formats: Sequence[Format]) -> list[Format]:
        try:
            with _bounded():
                return list(downloader._select_formats(list(formats), selector))
        except RecursionError:
            raise _invalid(": it is nested too deeply") from None

    return choose


def keep_language(downloader: Downloader, info: dict[str, Any], language: str) -> None:
    """Leave the formats of `info` that speak `language` or are silent, and choose again among them.

    Raises:
        Refused: FORMAT_NOT_AVAILABLE, with the languages that there are.
    """
    formats = list(downloader._get_formats(info))
    spoken = [item for item in formats if item.get("acodec") != "none"]
    kept = [item for item in spoken if _speaks(item.get("language"), language)]
    if not kept:  # then the language without its region
        general = generals(language)
        kept = [item for item in spoken if str(item.get("language")).casefold() in general]
    if not kept:
        others = sorted({str(item["language"]) for item in spoken if item.get("language")})
        there = f"there is {', '.join(others)}" if others else "the site names no languages"
        raise Refused(Code.FORMAT_NOT_AVAILABLE, f"there is no audio in {language!r}: {there}")
    left = [item for item in formats if item.get("acodec") == "none" or item in kept]
    if info not in left:
        info["formats"] = left
    chosen = parse(downloader, downloader._default_format_spec(info))(left)
    if chosen:
        apply(downloader, info, chosen[-1])


def choose(
    downloader: Downloader, info: dict[str, Any], wanted: Choose, expression: str, *, keep: bool = True
) -> list[Format]:
    """The formats that are chosen; the parts of each, one after the other.

    Args:
        wanted: what `expression` stands for.
        keep: they become those of `info`.

    Raises:
        Refused: FORMAT_NOT_AVAILABLE where none is, with what there is.
    """
    formats = list(downloader._get_formats(info))
    chosen = wanted(formats)
    if not chosen:
        raise Refused(Code.FORMAT_NOT_AVAILABLE, _nothing_like(expression, formats))
    if keep:
        apply(downloader, info, chosen[-1])
    return [part for item in chosen for part in item.get("requested_formats") or (item,)]


def _nothing_like(expression: str, formats: Sequence[Format]) -> str:
    """Why `expression` chooses nothing: a field that no format has, or else the formats that there are."""
    for part in _FILTER.finditer(expression):
        name = found[1] if (found := _NAME.match(part[1])) else ""
        if name and name not in fields.FORMAT and not any(name in item for item in formats):
            likely = get_close_matches(name, fields.FORMAT, 1)
            return f"no format has a field {name}" + (f"; is it {likely[0]}?" if likely else "")
    names = [_plain(item.get("format_id"))[:_LISTED] for item in formats]
    there = ", ".join(names[-_LISTED:]) + (f" and {len(names) - _LISTED} more" if names[_LISTED:] else "")
    hint = "; a height is asked for as in b[height<=720]" if _HEIGHT.fullmatch(expression.strip()) else ""
    return f"no format of the video is like the one that is asked for: there are {there}{hint}"


def apply(downloader: Downloader, info: dict[str, Any], chosen: Format) -> None:
    """Make `chosen` the format of `info`, as yt-dlp does with what it downloads."""
    if chosen is info:
        return
    for name in (*downloader._format_fields, "requested_formats", "requested_downloads"):
        info.pop(name, None)
    info.update(chosen)


def generals(language: str) -> list[str]:
    """The tags that are less special than `language`, as RFC 4647 looks them up: de of de-AT."""
    parts = language.casefold().split("-")
    return ["-".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


def _speaks(tag: object, language: str) -> bool:
    return isinstance(tag, str) and f"{tag.casefold()}-".startswith(f"{language.casefold()}-")


def _invalid(problem: str) -> Refused:
    message = f"the field format is invalid{problem}"
    return Refused(Code.INVALID_REQUEST, message, about={"field": "format"})


def _problem(expression: str, error: SyntaxError) -> str:
    """The place of what is wrong with an expression, and yt-dlp's words about it."""
    lines = str(error.msg or error).split("\n\t")
    note = _plain(lines[0])
    if len(lines) >= 3:  # a caret is under the text in the last line
        column = lines[2].count(" ")
        place = column if "brackets" in note else _place(expression, column)
    else:
        at_fault = (part for part in _FILTER.finditer(expression) if repr("".join(part[1].split())) in note)
        if (part := next(at_fault, None)) is None:
            return f": {note}"
        place = part.start(1)
    return f" at character {min(place, len(expression)) + 1}: {note}"


def _place(expression: str, column: int) -> int:
    """The place in `expression` of a column in what yt-dlp parses, where each number has a prefix."""
    shift = 0
    for number in re.finditer(r"\d[_\d]*", expression):
        if number.start() + shift < column:
            shift += _PREFIX
    return max(0, column - shift)


def _plain(error: object) -> str:
    text = str(error).removeprefix("Invalid format specification: ")
    return "".join(character for character in text if character.isprintable())[:200]


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Refuse what its body does after MAX_CPU."""
    try:
        with alarm(signal.ITIMER_VIRTUAL, MAX_CPU, _TooLong):
            yield
    except _TooLong:
        raise _invalid(": it takes too long to choose by; simplify it") from None
