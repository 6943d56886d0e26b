"""The check of a cookie file that a client sends. Pure.

A line that is none is left out, with a warning, as yt-dlp does with a file. A file without any good line, or
with a character that no header can have, is refused.
"""

from __future__ import annotations

import re

from ...codes import Code
from ..errors import Refused

# Domain, subdomains, path, secure, expiry, name, value.
_COOKIE = re.compile(r"(?:#HttpOnly_)?(?:[^\t]*\t){4}(?:\d+(?:\.\d+)?)?\t[^\t]*\t[^\t]*")
_LISTED = 5  # lines that a warning names


def usable(text: str | None) -> tuple[str | None, list[str]]:
    """The good lines of the file `text`, and warnings about the others; None where there is none.

    Raises:
        Refused: INVALID_REQUEST, which names the line and never repeats it.
    """
    text = (text or "").removeprefix("\ufeff")
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and (not line.startswith("#") or line.startswith("#HttpOnly_"))
    ]
    good = [(number, line) for number, line in numbered if _COOKIE.fullmatch(line)]
    bad = [number for number, line in numbered if not _COOKIE.fullmatch(line)]
    if bad and not good:
        problem = f"line {bad[0]} is not in the Netscape format (seven fields between tabs)"
        raise _refused(problem)
    for number, line in good:
        if not line.isascii() and not _is_latin1(line):
            raise _refused(f"line {number} has a character that no header can have; percent-encode it")
    if not bad:
        return text if text.strip() else None, []
    named = ", ".join(map(str, bad[:_LISTED])) + (", …" if len(bad) > _LISTED else "")
    warning = (
        f"cookies: left out what is not in the Netscape format (seven fields between tabs): line {named}"
    )
    return "\n".join(line for _, line in good), [warning]


def _is_latin1(line: str) -> bool:
    try:
        line.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _refused(problem: str) -> Refused:
    return Refused(Code.INVALID_REQUEST, f"The field cookies is invalid: {problem}", field="cookies")
