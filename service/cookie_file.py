"""Netscape cookie files: which lines are cookies, of which domains, and the operator's files on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 256 << 10  # as of the cookies that a client sends

# Domain, subdomains, path, secure, expiry, name, value.
_COOKIE = re.compile(r"(?:#HttpOnly_)?(?:[^\t]*\t){4}(?:\d+(?:\.\d+)?)?\t[^\t]*\t[^\t]*")

Numbered = tuple[int, str]


def cookie_lines(text: str) -> tuple[list[Numbered], list[int]]:
    """The lines that are cookies, with their numbers, and the numbers of those that should be."""
    numbered = [
        (number, line)
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1)
        if line.strip() and (not line.startswith("#") or line.startswith("#HttpOnly_"))
    ]
    good = [(number, line) for number, line in numbered if _COOKIE.fullmatch(line)]
    return good, [number for number, line in numbered if not _COOKIE.fullmatch(line)]


def fits_a_header(line: str) -> bool:
    """Whether a header can have every character of `line`."""
    try:
        line.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of a file as its text, and the domains that they are for."""

    text: str = field(repr=False)
    domains: frozenset[str]

    @classmethod
    def of(cls, lines: Iterable[str]) -> Cookies:
        kept = [*lines]
        names = (line.removeprefix("#HttpOnly_").partition("\t")[0] for line in kept)
        return cls("\n".join(kept), frozenset(name.lstrip(".").lower() for name in names))


def read(file: Path) -> Cookies:
    """The cookies of `file`.

    Raises:
        ValueError: it cannot be read, or a line is no cookie; the text never repeats one.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise ValueError(f"{file} is not text") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{file} is over {MAX_BYTES >> 10} KB; keep the lines of the site")
    good, bad = cookie_lines(text)
    bad += [number for number, line in good if not fits_a_header(line)]
    if bad:
        raise ValueError(
            f"line {min(bad)} of {file} is not in the Netscape format (seven fields between tabs)"
        )
    if not good:
        raise ValueError(f"{file} has no cookies")
    return Cookies.of(line for _, line in good)
