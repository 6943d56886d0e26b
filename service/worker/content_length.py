"""Sizes that only a media server knows: asked for, where the answer to a size request would have none.

A HEAD tells the length of a file. Where it is refused or says nothing, a GET of the first byte does. These
requests pass the guard and count for the job's budgets like any other. They go out one after the other: the
formats of a page mostly lie on one host, whose connection stays open, so each costs one round trip, and the
worker needs no threads. All of them together have a few seconds; what is not known by then says so.
"""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError

from .. import sizes
from ..wire import Job, Kind
from .alarms import alarm
from .extraction import Downloader
from .job_record import MAX_REQUESTS

MAX_FORMATS = 12  # the rungs of the ladder, an audio track, and the two parts of the best
MAX_TIME = 5.0  # seconds for all of them
_LEFT = 4 * MAX_FORMATS  # requests that the job's budget must still allow: two for each, and redirects
_PLAIN = ("http", "https")

_SILENT = "its server does not tell its size"
_LATE = "its server did not tell its size in time"
_UNREACHABLE = "its server cannot be reached"
_ANSWERS = "its server answers {}"
_PARTICULAR = "its server asks for the header {}"


class _TimeUp(BaseException):
    """MAX_TIME is over. A BaseException, so that no library takes it for an error of the connection."""


def complete(
    downloader: Downloader,
    info: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
    job: Job,
    seconds: float,
) -> None:
    """Note the sizes of the formats that the answer would name without one, and the duration of HLS.

    Args:
        info: a format in it gets its `filesize`, or the reason for none.
        parts: formats that the client has chosen.
        seconds: what is left of the job's time; half of it may be used.

    Raises:
        Blocked, OverBudget: the guard ended the job.
    """
    found = sizes.subject(info, job.duration_hint)
    if found is None or downloader.job_record.requests > MAX_REQUESTS - _LEFT:
        return
    video, duration = found
    wanted = sizes.unsized(parts, video, duration)
    if job.kind is Kind.SIZE:
        wanted += sizes.unmeasured(video, duration)
    wanted = list({id(item): item for item in wanted}.values())[:MAX_FORMATS]
    for item in wanted:
        if item.get("protocol") in _PLAIN:
            _note(item, **{sizes.PROBLEM: _LATE})
    with _bounded(seconds):
        if duration is None:
            _time(downloader, video, wanted)
        for item in wanted:
            if item.get("protocol") in _PLAIN:
                _note(item, **_measured(downloader, item))


def length(downloader: Downloader, url: str, headers: Mapping[str, str]) -> int | None:
    """The length of the file at `url` in bytes; None where its server does not tell.

    Raises:
        RequestError: the server cannot be reached, or refuses.
    """
    with contextlib.suppress(HTTPError), _asking(downloader, url, headers, method="HEAD") as response:
        response.read()  # of nothing; so the connection can be used again
        if (found := _content_length(response)) is not None:
            return found
    with _asking(downloader, url, {**headers, "Range": "bytes=0-0"}) as response:
        if response.status != 206:
            return _content_length(response)
        total = re.fullmatch(
            r"bytes \d+-\d+/([0-9]{1,15})", response.headers.get("Content-Range", "").strip()
        )
        return int(total[1]) if total else None


def closed_to_others(downloader: Downloader, url: str, header: str, seconds: float) -> str:
    """Why the file at `url` is not served without the headers that an extractor puts into its requests.

    Args:
        header: one of them.
        seconds: what is left of the job's time.

    Returns:
        "" where it is served.
    """
    problem = "its server did not answer in time"
    with _bounded(seconds):
        try:
            problem = "" if length(downloader, url, {}) is not None else _PARTICULAR.format(header)
        except HTTPError as error:
            problem = (
                _PARTICULAR.format(header) if error.status in (401, 403) else _ANSWERS.format(error.status)
            )
        except RequestError:
            problem = _UNREACHABLE
    return problem


@contextlib.contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Leave its body after half of `seconds` or MAX_TIME, also where a server sends its head byte by byte."""
    bound = max(min(MAX_TIME, seconds / 2), 0.001)
    with contextlib.suppress(_TimeUp), alarm(signal.ITIMER_REAL, bound, _TimeUp):
        yield


def _asking(
    downloader: Downloader, url: str, headers: Mapping[str, str], method: str | None = None
) -> contextlib.closing[Response]:
    kept = {name: value for name, value in headers.items() if name.casefold() != "cookie"}  # the jar has them
    request = Request(url, method=method, headers={**kept, "Accept-Encoding": "identity"})
    return contextlib.closing(downloader.urlopen(request))


def _content_length(response: Response) -> int | None:
    """What the head of an answer says of its file; a web page is none."""
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        return None
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and int(text) else None


def _measured(downloader: Downloader, item: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = length(downloader, str(item.get("url")), item.get("http_headers") or {})
    except HTTPError as error:
        return {sizes.PROBLEM: _ANSWERS.format(error.status)}
    except RequestError:
        return {sizes.PROBLEM: _UNREACHABLE}
    return {sizes.PROBLEM: _SILENT} if found is None else {"filesize": found}


def _time(downloader: Downloader, video: Mapping[str, Any], wanted: list[Mapping[str, Any]]) -> None:
    """Note the duration of a video in HLS: the sum of the segments of its first playlist."""
    item = next((item for item in wanted if str(item.get("protocol")).startswith("m3u8")), None)
    if item is None:
        return
    try:
        with _asking(downloader, str(item.get("url")), item.get("http_headers") or {}) as response:
            playlist = response.read().decode("utf-8", "replace")
    except RequestError:
        return
    if "#EXT-X-ENDLIST" in playlist:
        _note(video, duration=sum(map(float, re.findall(r"#EXTINF:\s*(\d+(?:\.\d+)?)", playlist))))


def _note(item: Mapping[str, Any], **found: Any) -> None:
    assert isinstance(item, dict)  # as yt-dlp made it
    item.update(found)
