"""Named event records and the bus that hands them to sinks.

An event is a transition an operator would want to know of. Sinks are plain functions; one that raises is
logged and never stops the transition it was told about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; the class's name is the event's name."""


@dataclass(frozen=True, slots=True)
class BreakerChanged(Event):
    """A breaker moved. `site` is None for the service's own breaker."""

    site: str | None
    previous: str
    current: str
    reason: str


@dataclass(frozen=True, slots=True)
class TemplateStarted(Event):
    """The template process is warm and forks workers."""

    pid: int
    ytdlp: str
    runtime: str | None


@dataclass(frozen=True, slots=True)
class EgressLayers(Event):
    """What keeps this template's workers from reaching, reading or starting what they may not, in words."""

    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateEnded(Event):
    """The template process ended although nobody asked it to; it is started again."""

    pid: int
    status: int | None


@dataclass(frozen=True, slots=True)
class WorkerStarted(Event):
    """A worker is ready for jobs."""

    pid: int
    boot_seconds: float


@dataclass(frozen=True, slots=True)
class WorkerEnded(Event):
    """A worker is gone and reaped; `reason` is one of the pool's few words for it."""

    pid: int
    reason: str
    tasks: int


@dataclass(frozen=True, slots=True)
class WorkerBootFailed(Event):
    """No worker could be started; the next try comes after `retry_in` seconds."""

    problem: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class ExtractorBroken(Event):
    """An extractor met a page it does not understand: probably time for a newer yt-dlp."""

    site: str
    extractor: str


@dataclass(frozen=True, slots=True)
class EgressDenied(Event):
    """An extraction tried to reach an address that it may not."""

    site: str


@dataclass(frozen=True, slots=True)
class UrlQuarantined(Event):
    """A URL of `site` has killed so many workers that it is refused for a while."""

    site: str
    deaths: int


@dataclass(frozen=True, slots=True)
class ServiceReady(Event):
    """The port is bound and the warm floor is up."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrainBegan(Event):
    """The service stops taking work."""

    running: int
    queued: int
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class DrainEnded(Event):
    """Everyone was answered; `interrupted` requests were cut short by the grace's end or a second signal."""

    interrupted: int


Sink = Callable[[Event], None]


class Events:
    """Hands each event to every sink, in the order they subscribed."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []

    def subscribe(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def emit(self, event: Event) -> None:
        """Tell every sink; never raises for a sink's fault."""
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:
                log.exception("event_sink_failed", event_name=type(event).__name__)
