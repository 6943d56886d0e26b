"""Job, Outcome and the frames between server and worker. Pure; both sides of the pipe import it.

A frame is an 8-byte header (two big-endian unsigned 32-bit lengths), a JSON head, and a body that neither
side parses on the way: the result's ready JSON bytes. One frame per message:

    worker → server   READY once, then one OUTCOME per job
    server → worker   JOB; end of file means "go"

In the middle of a job a worker may ask the solver, by way of the server, and waits for what it says:

    worker → server   CHALLENGES, with a player script as body where one was asked for
    server → worker   SOLUTION

Before it asks another endpoint than the one before, it asks whether it may:

    worker → server   VISIT
    server → worker   PERMISSION
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .codes import Code
from .egress.route import Route

HEADER = struct.Struct("!II")
MAX_HEAD = 64 * 1024
MAX_JOB = 512 * 1024  # a job's frame; it is hardly longer than the request's body, of at most 256 KB
MAX_ENDPOINT = 300  # characters; a host has 253
MAX_SCRIPT = 8 << 20  # YouTube's player scripts have 2.7 MB


class ProtocolError(Exception):
    """The peer broke the framing; its process is not to be trusted any further."""


class JobTooLarge(Exception):
    """The frame of a job is over its bound; no worker is told."""


class Kind(StrEnum):
    """What a job asks for."""

    EXTRACT = "extract"
    SIZE = "size"
    ENTRIES = "entries"
    LOCATION = "location"
    SUBTITLES = "subtitles"


@dataclass(frozen=True, slots=True)
class Job:
    """What a client asked for, checked; equal jobs may share one extraction.

    Attributes:
        kind: the metadata, the sizes, the addresses of a list's entries, the address of a file, or subtitles.
        url: http or https, checked by the web layer.
        fields: names of top-level fields to keep; empty keeps all.
        playlist: how many entries of a playlist to list (flat); 0 asks for a single video.
        start: the first entry to list, from 1.
        format: yt-dlp's expression for the formats to choose, or the format of subtitles.
        language: of audio or subtitles, as a tag ("de"); empty for the original.
        lines: the result is to be JSON lines: all but the entries, then each entry.
        duration_hint: seconds, used for sizes when the site gives no duration.
        cookies: a Netscape cookie file's text; the job then runs in a worker of its own.
        egress: the name or the class of the egress that the client asks for; empty for any.
        route: the egress of this attempt, where there are several.
    """

    kind: Kind
    url: str
    fields: tuple[str, ...] = ()
    playlist: int = 0
    start: int = 1
    format: str = ""
    language: str = ""
    lines: bool = False
    duration_hint: float | None = None
    cookies: str | None = field(default=None, repr=False)
    egress: str = ""
    route: Route | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Visit:
    """What an endpoint other than that of the job's URL did in a job.

    Attributes:
        answered: it gave what it was asked for at least once.
        failed: a request failed by its fault.
        limited: it said that it is asked too often.
        retry_after: the longest wait in seconds that it asked for, or None.
    """

    endpoint: str
    answered: bool = False
    failed: bool = False
    limited: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job cost: seconds of CPU and of wall time, requests made, and the HTTP statuses seen.

    Attributes:
        site_requests: those of the requests that went to the endpoint of the job's URL.
        elsewhere: the other endpoints that were asked.
        sidecars: those that failed a plugin, and how.
    """

    cpu: float = 0.0
    wall: float = 0.0
    requests: int = 0
    site_requests: int = 0
    statuses: tuple[int, ...] = ()
    elsewhere: tuple[Visit, ...] = ()
    sidecars: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Success:
    """A result as ready JSON bytes (an object), the extractor that made it, and what it cost.

    Attributes:
        unsolved: why some of the site's challenges were not solved, and the formats behind them are missing.
        lifetime: seconds until the first of its media URLs expires; 0 for what changes by the minute, None
            where nothing says so.
        etag: names these very bytes.
    """

    body: bytes = field(repr=False)
    extractor: str = ""
    usage: Usage = Usage()
    lifetime: float | None = None
    etag: str = ""
    unsolved: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A typed failure.

    Attributes:
        unsolved: why some of the site's challenges were not solved; none is, where it is empty.
        message: one sentence, free of credentials, cookies and raw exception text.
        retry_after: seconds the site asked for, or None.
        generic: the page was read by the generic extractor, so a 403 says little about the site.
        culprit: the endpoint whose answer or silence this is; empty where it is that of the job's URL.
        waiting: the job was waiting for the site when it ended (decides whether DEADLINE blames the site).
        about: what is known of the video all the same.
    """

    code: Code
    message: str
    retry_after: float | None = None
    generic: bool = False
    waiting: bool = False
    extractor: str = ""
    usage: Usage = Usage()
    unsolved: str = ""
    culprit: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


Outcome = Success | Failure


@dataclass(frozen=True, slots=True)
class Challenges:
    """Challenges of one of YouTube's player scripts.

    Attributes:
        player: the script's address.
        ejs: names the yt-dlp-ejs that the worker has.
        n, sig: those of each kind.
    """

    player: str
    ejs: str
    n: tuple[str, ...] = ()
    sig: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Solution:
    """The solver's word on Challenges.

    Attributes:
        n, sig: to each challenge its answer; those that have none are left out.
        problem: why some have none.
        fetch: the worker is to fetch the script and to ask again with it.
        final: the worker would fail alike.
    """

    n: Mapping[str, str] = field(default_factory=dict)
    sig: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    fetch: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a job may ask an endpoint: it may where there is no code."""

    code: Code | None = None
    message: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's first message."""

    pid: int


def frame(head: dict[str, Any], body: int = 0) -> bytes:
    """A frame up to its body of so many bytes, which follows: it may be long, and need not be copied."""
    # Without escapes of what is not ASCII, which would make a character of two bytes one of six.
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False)
    encoded = text.encode(errors="surrogatepass")  # as json.loads decodes it
    return HEADER.pack(len(encoded), body) + encoded


def lengths(header: bytes, *, max_head: int, max_body: int) -> tuple[int, int]:
    """The two lengths of a frame's header, checked before what they announce is read.

    Raises:
        ProtocolError: a length is over its bound.
    """
    head, body = HEADER.unpack(header)
    if head > max_head or body > max_body:
        raise ProtocolError(f"a frame of {head} + {body} bytes is over the bound of {max_head} + {max_body}")
    return head, body


def encode_ready(ready: Ready) -> bytes:
    return frame({"ready": asdict(ready)})


def encode_job(job: Job, timeout: float) -> bytes:
    """The frame of `job`, to be finished in `timeout` seconds.

    Raises:
        JobTooLarge: it is over the bound.
    """
    encoded = frame({"job": asdict(job), "timeout": timeout})
    if len(encoded) - HEADER.size > MAX_JOB:
        raise JobTooLarge
    return encoded


def encode_outcome(outcome: Outcome) -> tuple[bytes, bytes]:
    """A frame, and the body to send behind it."""
    if isinstance(outcome, Success):
        head = {"extractor": outcome.extractor, "usage": asdict(outcome.usage)}
        success = {
            **head,
            "lifetime": outcome.lifetime,
            "etag": outcome.etag,
            "unsolved": outcome.unsolved,
        }
        return frame({"success": success}, len(outcome.body)), outcome.body
    return frame({"failure": asdict(outcome)}), b""


def encode_challenges(challenges: Challenges, script: int = 0) -> bytes:
    """The frame of `challenges`, up to the script of so many bytes, which follows."""
    return frame({"challenges": asdict(challenges)}, script)


def encode_solution(solution: Solution) -> bytes:
    return frame({"solution": asdict(solution)})


def decode_ready(head: bytes) -> Ready:
    """Raises ProtocolError where the head is not a READY message."""
    try:
        return Ready(**json.loads(head)["ready"])
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not a ready message") from error


def decode_job(head: bytes) -> tuple[Job, float]:
    """The job and its timeout in seconds. Raises ProtocolError where the head is not a job."""
    try:
        message = json.loads(head)
        values = dict(message["job"])
        values["kind"] = Kind(values["kind"])
        values["fields"] = tuple(values["fields"])
        values["route"] = values["route"] and Route(**values["route"])
        return Job(**values), float(message["timeout"])
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not a job") from error


def decode_outcome(head: bytes, body: bytes) -> Outcome:
    """Raises ProtocolError where the head is not an OUTCOME message."""
    try:
        message = json.loads(head)
        if "success" in message:
            values = dict(message["success"])
            lifetime = values["lifetime"]
            return Success(
                body=body,
                extractor=values["extractor"],
                usage=_usage(values["usage"]),
                lifetime=None if lifetime is None else float(lifetime),
                etag=_etag(values["etag"]),
                unsolved=str(values["unsolved"]),
            )
        values = dict(message["failure"])
        values["code"] = Code(values["code"])
        values["usage"] = _usage(values["usage"])
        return Failure(**values)
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not an outcome") from error


def encode_visit(endpoint: str) -> bytes:
    return frame({"visit": endpoint})


def encode_permission(permission: Permission) -> bytes:
    return frame({"permission": asdict(permission)})


def is_visit(head: bytes) -> bool:
    """Whether a worker's message is VISIT."""
    return head.startswith(b'{"visit":')


def decode_visit(head: bytes) -> str:
    """The endpoint. Raises ProtocolError where the head is not a VISIT message."""
    try:
        endpoint = json.loads(head)["visit"]
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not a visit") from error
    if not isinstance(endpoint, str) or len(endpoint) > MAX_ENDPOINT:
        raise ProtocolError("the visit is to no endpoint")
    return endpoint


def decode_permission(head: bytes) -> Permission:
    """Raises ProtocolError where the head is not a PERMISSION message."""
    try:
        values = dict(json.loads(head)["permission"])
        values["code"] = values["code"] and Code(values["code"])
        return Permission(**values)
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not a permission") from error


def is_challenges(head: bytes) -> bool:
    """Whether a worker's message is CHALLENGES; otherwise it is an OUTCOME."""
    return head.startswith(b'{"challenges":')


def decode_challenges(head: bytes) -> Challenges:
    """Raises ProtocolError where the head is not a CHALLENGES message."""
    try:
        values = dict(json.loads(head)["challenges"])
        kinds = {kind: tuple(map(str, values[kind])) for kind in ("n", "sig")}
        return Challenges(**{**values, **kinds})
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not challenges") from error


def decode_solution(head: bytes) -> Solution:
    """Raises ProtocolError where the head is not a SOLUTION message."""
    try:
        return Solution(**json.loads(head)["solution"])
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("the head is not a solution") from error


def _usage(values: dict[str, Any]) -> Usage:
    elsewhere = tuple(Visit(**visit) for visit in values["elsewhere"])
    sidecars = tuple((str(place), str(problem)) for place, problem in values["sidecars"])
    statuses = tuple(values["statuses"])
    return Usage(**{**values, "statuses": statuses, "elsewhere": elsewhere, "sidecars": sidecars})


def _etag(value: str) -> str:
    if value and not (value.isascii() and value.isalnum()):  # it becomes part of a header
        raise ValueError("an etag is letters and digits")
    return value
