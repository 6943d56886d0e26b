"""A job that is at fault itself, or asks for what is not there: found by the worker, not by yt-dlp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..codes import TRAITS, Code

_LONGEST = 1000  # characters of a sentence, and of each value that comes with it
_ABSURD = 10**15  # of whatever unit


class Refused(Exception):
    """The code and the sentence of the failure, and what is known all the same.

    Both may repeat what a site says, so they are cut: an outcome has to fit into its frame.
    """

    def __init__(
        self, code: Code, message: str | None = None, *, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__((message or TRAITS[code].sentence)[:_LONGEST])
        self.code = code
        self.about = told(about or {})


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that may come with an error: short text, sane numbers, and None."""
    return {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in values.items()
        if value is None
        or isinstance(value, str)
        or (type(value) in (int, float) and -_ABSURD < value < _ABSURD)
    }
