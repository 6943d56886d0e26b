"""The table of extractors: which one accepts a URL, and which of them look for embeds in other pages.

yt-dlp asks all 1,800 whether they accept a URL. For a page that none accepts it asks all of them for embeds,
which is most of the cost of such a page. This table asks only the extractors whose pattern has a literal that
is in the URL, and those that implement embeds.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections import ChainMap
from collections.abc import Iterator
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

from .patches import digest

parser: Any = None
with contextlib.suppress(ImportError):
    parser = importlib.import_module("re._parser")  # the parser that `re` itself uses

EMBEDDING = ("extract_from_webpage", "_extract_from_webpage", "_extract_embed_urls")
KNOWN = "87ed0bfa26bca0f4"  # their digest: other code could find embeds without a pattern


class Table(ChainMap[str, type[InfoExtractor]]):
    """The table of one YoutubeDL, over the shared classes: a copy would touch 3 MB of shared memory.

    Its values are for the one place where yt-dlp walks over all of them: the search for embeds in a page.
    """

    def __init__(
        self, classes: dict[str, type[InfoExtractor]], embedding: tuple[type[InfoExtractor], ...]
    ) -> None:
        super().__init__({}, classes)
        self._embedding = embedding

    def values(self) -> Any:
        return self._embedding


class Extractors:
    """All extractors in yt-dlp's order.

    Attributes:
        classes: by their key; most are lazy proxies of the real ones.
    """

    def __init__(self, classes: dict[str, type[InfoExtractor]]) -> None:
        self.classes = classes
        self._keys = [*classes]
        self._literals = [_required(extractor) for extractor in classes.values()]  # in the same order
        stock = [_function(InfoExtractor, name) for name in EMBEDDING]
        known = digest(*stock) == KNOWN
        self._embedding = tuple(
            extractor for extractor in classes.values() if not known or _embeds(extractor, stock)
        )

    def table(self) -> Table:
        """A new table for one YoutubeDL, which may add to it."""
        return Table(self.classes, self._embedding)

    def choose(self, url: str) -> str | None:
        """The key of the first extractor that accepts `url`; None where there is none."""
        if not url.isascii():  # its lower case may differ from what re.IGNORECASE matches
            return next((key for key, extractor in self.classes.items() if extractor.suitable(url)), None)
        folded = url.lower()
        for index, literals in enumerate(self._literals):
            for literal in literals:
                if literal in folded:
                    key = self._keys[index]
                    if self.classes[key].suitable(url):
                        return key
                    break
        return None


def _required(extractor: type[InfoExtractor]) -> tuple[str, ...]:
    """Lower-case literals: every URL that `extractor` accepts contains one; "" where none is known."""
    stock = (InfoExtractor, *(base for base in extractor.__mro__ if base.__name__ == "LazyLoadExtractor"))
    for name in ("suitable", "_match_valid_url"):
        if all(getattr(extractor, name).__func__ is not getattr(base, name).__func__ for base in stock):
            return ("",)  # it overrides the check
    patterns = extractor._VALID_URL
    if patterns is False:  # it only searches pages for embeds
        return ()
    return tuple(map(longest_literal, [patterns] if isinstance(patterns, str) else patterns))


def longest_literal(pattern: str) -> str:
    """The longest lower-case text that every match of `pattern` contains; "" where none is known."""
    try:
        return max(_literals(parser.parse(pattern)), key=len, default="")
    except (AttributeError, re.error):
        return ""


def _literals(parsed: Any) -> Iterator[str]:
    """The runs of literals in a parsed pattern that are not optional."""
    run = ""
    for operation, value in parsed:
        if operation is parser.LITERAL and value < 128:
            run += chr(value).lower()
            continue
        yield run
        run = ""
        if operation is parser.SUBPATTERN:
            yield from _literals(value[3])
        elif operation in (parser.MAX_REPEAT, parser.MIN_REPEAT) and value[0] > 0:
            yield from _literals(value[2])
    yield run


def _embeds(extractor: type[InfoExtractor], stock: list[Any]) -> bool:
    """Whether `extractor` may find something in another site's page. Imports it."""
    real = getattr(extractor, "real_class", extractor)
    return bool(real._EMBED_REGEX) or [_function(real, name) for name in EMBEDDING] != stock


def _function(owner: type[InfoExtractor], name: str) -> Any:
    method = getattr(owner, name, None)
    return getattr(method, "__func__", method)
