"""What is sent for each method, the same for both clients. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

API = "api/v1/"
MAX_PAGE = 500  # entries; each page makes the site list all that come before it


class SizeOptions(TypedDict, total=False):
    """What may be asked for beside the sizes; see docs/api.md."""

    format: str
    language: str
    duration_hint: float
    cookies: str


class EntriesOptions(SizeOptions, total=False):
    """Which entries of a list: from `start` or where `cursor` leads, at most 100."""

    start: int
    count: int
    cursor: str


class ExtractOptions(TypedDict, total=False):
    """Which part of the metadata."""

    fields: Sequence[str]
    format: str
    start: int
    count: int
    cursor: str
    cookies: str


class PageOptions(TypedDict, total=False):
    """How a list is read."""

    fields: Sequence[str]
    start: int
    count: int
    cookies: str


class SubtitlesOptions(TypedDict, total=False):
    """Which subtitles."""

    language: str
    format: Literal["txt", "srt", "vtt", "json"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request: a GET with a query, or a POST with a body."""

    path: str
    query: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None
    accept: str = "application/json"

    def arguments(self) -> dict[str, Any]:
        """For httpx's `build_request`."""
        method = "GET" if self.body is None else "POST"
        return {
            "method": method,
            "url": API + self.path,
            "params": self.query,
            "json": self.body,
            "headers": {"Accept": self.accept},
        }


def size(url: str, options: SizeOptions) -> Call:
    return Call("size", body={"url": url, **options})


def sizes(url: str, options: EntriesOptions) -> Call:
    return Call("size", body={"url": url, "entries": True, **options}, accept="application/x-ndjson")


def extract(url: str, options: ExtractOptions) -> Call:
    return Call("extract", body=_body(url, options))


def page(url: str, options: PageOptions) -> Call:
    return Call("extract", body={"count": MAX_PAGE, **_body(url, options)})


def next_page(previous: Call, answer: Mapping[str, Any]) -> Call | None:
    """The page after `answer`; None where the list ends."""
    if not answer.get("hasMore"):
        return None
    assert previous.body is not None
    asked = {name: value for name, value in previous.body.items() if name not in ("start", "cursor")}
    return Call("extract", body={**asked, "cursor": answer["cursor"]})


def batch(urls: Sequence[str], kind: str, fields: Sequence[str]) -> Call:
    body = {"urls": list(urls), "kind": kind, "fields": list(fields)}
    return Call("batch", body=body, accept="application/x-ndjson")


def progress(url: str, fields: Sequence[str], format: str | None) -> Call:
    query = {"url": url, "fields": ",".join(fields) or None, "format": format}
    present = {name: value for name, value in query.items() if value is not None}
    return Call("extract", query=present, accept="text/event-stream")


def subtitles(url: str, options: SubtitlesOptions) -> Call:
    return Call("subtitles", query={"url": url, **options}, accept="*/*")


def _body(url: str, options: ExtractOptions | PageOptions) -> dict[str, Any]:
    body = {"url": url, **options}
    if "fields" in body:
        body["fields"] = list(options["fields"])
    return body
