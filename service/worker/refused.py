"""A job that is at fault itself, or asks for what is not there: found by the worker, not by yt-dlp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..codes import TRAITS, Code


class Refused(Exception):
    """The code and the sentence of the failure, and what is known all the same."""

    def __init__(
        self, code: Code, message: str | None = None, *, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message or TRAITS[code].sentence)
        self.code = code
        self.about = about or {}
