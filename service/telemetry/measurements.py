"""The measurements of every request, on a bus of their own beside that of the events.

Metrics, traces and the dashboard's history subscribe to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from ..codes import Code, Group, group_of
from ..errors import ServiceError
from ..events import Event, Events

OK = "OK"  # the outcome of what succeeded; every other outcome is a Code, or this:
CANCELLED = "CANCELLED"  # the client disconnected first


@dataclass(frozen=True, slots=True)
class RequestServed(Event):
    """An HTTP response began after `seconds`; `status` is None where the client disconnected before."""

    method: str
    route: str
    status: int | None
    code: Code | None
    seconds: float


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """A job as its caller saw it: refusals, waiting and retries included; `request_id` is its request's."""

    site: str
    outcome: str
    seconds: float
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """One extraction on a worker: the seconds that it waited in the queue, and that it ran.

    `attempt` counts from 1; `ytdlp` is the release that ran it.
    """

    site: str
    outcome: str
    tier: int
    queued: float
    seconds: float
    attempt: int = 1
    ytdlp: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """One run of a job on a release of yt-dlp; where two releases are asked, it is one for each.

    `egress` is empty where there is one way out; `job` is equal for the runs of one job.
    """

    ytdlp: str
    outcome: str
    site: str = ""
    egress: str = ""
    job: int = 0


def group(outcome: str) -> str:
    """The group of an outcome, for people to count; that of a cancelled job is "cancelled"."""
    if outcome == CANCELLED:
        return "cancelled"
    return Group.ANSWERED if outcome == OK else group_of(Code(outcome))


@contextmanager
def job_measured(measured: Events, site: str, request_id: str = "") -> Iterator[None]:
    """Emit the outcome and the duration of the job inside."""
    began = trio.current_time()
    outcome = CANCELLED
    try:
        yield
        outcome = OK
    except ServiceError as error:
        outcome = error.code.value
        raise
    except Exception:
        outcome = Code.INTERNAL.value
        raise
    finally:
        measured.emit(JobEnded(site, outcome, trio.current_time() - began, request_id))
