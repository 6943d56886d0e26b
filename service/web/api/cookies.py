"""The check of a cookie file that a client sends. Pure.

A line that is none is left out, with a warning, as yt-dlp does with a file. A file without any good line, or
with a character that no header can have, is refused.
"""

from __future__ import annotations

from ...codes import Code
from ...cookie_file import cookie_lines, fits_a_header
from ..errors import Refused

_LISTED = 5  # lines that a warning names


def usable(text: str | None) -> tuple[str | None, list[str]]:
    """The good lines of the file `text`, and warnings about the others; None where there is none.

    Raises:
        Refused: INVALID_REQUEST, which names the line and never repeats it.
    """
    text = (text or "").removeprefix("\ufeff")
    good, bad = cookie_lines(text)
    if bad and not good:
        problem = f"line {bad[0]} is not in the Netscape format (seven fields between tabs)"
        raise _refused(problem)
    for number, line in good:
        if not fits_a_header(line):
            raise _refused(f"line {number} has a character that no header can have; percent-encode it")
    if not bad:
        return text if text.strip() else None, []
    named = ", ".join(map(str, bad[:_LISTED])) + (", …" if len(bad) > _LISTED else "")
    warning = (
        f"cookies: left out what is not in the Netscape format (seven fields between tabs): line {named}"
    )
    return "\n".join(line for _, line in good), [warning]


def _refused(problem: str) -> Refused:
    return Refused(Code.INVALID_REQUEST, f"The field cookies is invalid: {problem}", field="cookies")
