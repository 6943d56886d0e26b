"""What is measured of every request, on a bus of its own beside that of the events.

Metrics, StatsD, traces and the dashboard's history listen; nothing here knows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from ..codes import Code
from ..errors import ServiceError
from ..events import Event, Events

OK = "OK"  # the outcome of what succeeded; every other outcome is a Code, or this:
CANCELLED = "CANCELLED"  # the client left first


@dataclass(frozen=True, slots=True)
class RequestServed(Event):
    """An HTTP response began after so many seconds; `status` is None where the client left before."""

    method: str
    route: str
    status: int | None
    code: Code | None
    seconds: float


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """A job as its caller saw it: refusals, waiting and retries included."""

    site: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """One extraction on a worker: seconds that it waited for its turn, and that it ran."""

    site: str
    outcome: str
    tier: int
    queued: float
    seconds: float


@contextmanager
def job_measured(measured: Events, site: str) -> Iterator[None]:
    """Tell how the job inside ended, and how long it took."""
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
        measured.emit(JobEnded(site, outcome, trio.current_time() - began))
