"""Streamed answers, piece by piece: lines of JSON, and server-sent events. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import errors
from .errors import ServiceError


@dataclass(frozen=True, slots=True)
class Line:
    """The answer for one URL of a batch, or one entry of a list; either `result` or `error` is None.

    `index` is its place in what was asked, from 0; `title` that of an entry, as the list names it.
    """

    index: int
    url: str
    title: str | None = None
    result: dict[str, Any] | None = None
    error: ServiceError | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sizes of a list's entries together.

    Attributes:
        bytes: of the entries whose size is known.
        human: the same as text.
        accuracy: that of the least certain one.
        entries: how many there were, `unknown` of them without a size.
        title: of the list.
        playlist_count: how many entries the whole list has, or None.
        cursor: leads to the next entries; None where the list ends.
    """

    bytes: int
    human: str
    accuracy: str
    entries: int
    unknown: int
    title: str | None
    playlist_count: int | None
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: queued, started or retrying; the last is done, whose `data` are the result."""

    event: str
    data: dict[str, Any]


def line(text: str) -> Line | None:
    """A line of a batch; None for a blank one."""
    if not text:
        return None
    sent = json.loads(text)
    if sent["ok"]:
        return Line(sent["index"], sent["url"], sent.get("title"), result=sent["result"])
    return Line(sent["index"], sent["url"], sent.get("title"), error=errors.described(sent))


def entry(text: str) -> Line | Total | None:
    """A line about a list: one of its entries, or the last, their sum; None for a blank one."""
    if not text or "sum" not in (sent := json.loads(text)):
        return line(text)
    total = {name: sent["sum"][name] for name in ("bytes", "human", "accuracy", "entries", "unknown")}
    return Total(
        **total, title=sent["title"], playlist_count=sent["playlistCount"], cursor=sent.get("cursor")
    )


class Events:
    """Reads server-sent events line by line, as the service writes them: one line of data each."""

    def __init__(self) -> None:
        self._event = ""

    def feed(self, text: str) -> Step | None:
        """The event that is whole with this line, if one is.

        Raises:
            ServiceError: the extraction ended in an error.
        """
        name, _, value = text.partition(": ")
        if name == "event":
            self._event = value
        if name != "data":
            return None
        data = json.loads(value)
        if self._event == "done" and not data["ok"]:
            raise errors.described(data)
        return Step(self._event, data)
