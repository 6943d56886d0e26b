"""A request as a site sees it, and the reply it plays. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qs


class Manner(Enum):
    """How a reply goes out on the wire."""

    PLAIN = "plain"
    DRIP = "drip"  # the head, then one byte of the body a second
    HANG = "hang"  # nothing, until the client gives up
    RESET = "reset"  # no answer: the connection is reset
    TRUNCATE = "truncate"  # Content-Length promises twice what comes
    RAW = "raw"  # the body alone, in place of an HTTP answer


@dataclass(frozen=True, slots=True)
class Request:
    """One request, decoded; `headers` has lower-case names, `body` is read in full."""

    method: str
    scheme: str
    host: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    authority: str = ""  # host, and port where one was named

    @property
    def url(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.authority or self.host}{self.path}{query}"

    @property
    def json(self) -> dict[str, Any]:
        """The body's JSON object; empty when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def parameter(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return parse_qs(self.query).get(name, [default])[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a site answers.

    Attributes:
        kind: what was asked for, as the counters name it: watch, player, page, manifest, media, failure …
        delay: seconds before the first byte, on top of the latency that is set for the host.
        times: how often `body` is sent, one after the other: a big document of a small piece. PLAIN only.
    """

    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "page"
    manner: Manner = Manner.PLAIN
    delay: float = 0.0
    times: int = 1


def page(title: str, body: str, *, head: str = "", kind: str = "page") -> Reply:
    """A small HTML page."""
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}</head>\n'
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )
    return Reply(text.encode(), kind=kind)


def redirect(location: str, *, kind: str = "redirect", status: int = 302) -> Reply:
    """A redirect to any location, also to one that no honest site would name."""
    return Reply(b"moved\n", "text/plain", status, (("Location", location),), kind)
