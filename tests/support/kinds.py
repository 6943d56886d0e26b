"""The kinds of tests: the docstring of a file names its kind, which becomes its marker.

A file that names several is of the last one in this list, which needs the most.
"""

from __future__ import annotations

import re
from pathlib import Path

# They need: nothing; fakes and a mock clock; real processes; a real server with real sockets.
KINDS = ("pure", "collaboration", "contract", "end_to_end")

_NAMED = re.compile(r"\b(pure|collaboration|contract|end-to-end)\b", re.IGNORECASE)


def kind_of(path: Path) -> str:
    """The kind of the tests in a file. Raises ValueError where its docstring names none."""
    _, _, behind = path.read_text(encoding="utf-8").partition('"""')
    docstring, _, _ = behind.partition('"""')  # to parse all files takes as long as some hundred tests
    named: set[str] = {name.lower().replace("-", "_") for name in _NAMED.findall(docstring)}
    if not named:
        raise ValueError(f"{path}: the docstring must name the kind of its tests: {', '.join(KINDS)}")
    return max(named, key=KINDS.index)
