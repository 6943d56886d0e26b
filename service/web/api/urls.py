"""The check of URLs, as an error of HTTP."""

from __future__ import annotations

from typing import Literal

from ... import urls
from ...codes import Code
from ..errors import Refused


def check(url: str, *, sites: Literal["any", "youtube"]) -> str:
    """`url` itself, if it is acceptable.

    Raises:
        Refused: INVALID_URL with a sentence that says what is wrong with it.
    """
    problem = urls.problem(url, sites)
    if problem is not None:
        kind = "YouTube URL" if sites == "youtube" else "URL"
        raise Refused(Code.INVALID_URL, f"Invalid {kind}: {problem}", field="url")
    return url
