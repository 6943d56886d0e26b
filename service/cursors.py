"""Opaque cursors through a list: where the next page begins, and of which list. Pure.

The worker writes them into its answers, which the server does not parse; the web layer reads them.
"""

from __future__ import annotations

import base64
import json
import zlib

MAX_LENGTH = 200
MAX_START = 100_000


def encode(url: str, start: int, count: int) -> str:
    """The cursor of the page of `count` entries that begins at `start`, from 1."""
    text = json.dumps([start, count, zlib.crc32(url.encode("utf-8", "replace"))], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, url: str) -> tuple[int, int]:
    """The start and the count of `cursor`.

    Raises:
        ValueError: it is none, or one of another list; the text says which.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        start, count, digest = json.loads(text)
        sane = all(type(number) is int for number in (start, count, digest)) and 0 < start <= MAX_START
    except (ValueError, TypeError, RecursionError):
        sane = False
    if len(cursor) > MAX_LENGTH or not sane or not count > 0:
        raise ValueError("it is not a cursor of this service")
    if digest != zlib.crc32(url.encode("utf-8", "replace")):
        raise ValueError("it belongs to another URL")
    return start, count
