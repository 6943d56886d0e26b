"""Named event records and the bus that passes them to sinks.

An event is a transition that an operator wants to know of. Sinks are plain functions; one that raises is
logged and never stops the transition.
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
    """A transition of a breaker. `site` is None for the service's own breaker."""

    site: str | None
    previous: str
    current: str
    reason: str


@dataclass(frozen=True, slots=True)
class AccessRules(Event):
    """Who may extract and who may do what admins do, in words; with advice where a key is weak."""

    extraction: str
    admin: str
    advice: str | None


@dataclass(frozen=True, slots=True)
class TemplateStarted(Event):
    """The template process is warm and forks workers."""

    pid: int
    ytdlp: str
    runtime: str | None


@dataclass(frozen=True, slots=True)
class PluginsLoaded(Event):
    """The plugins of PLUGIN_DIR that run, what they provide, and those that are `broken`: no import works."""

    names: tuple[str, ...]
    providers: tuple[str, ...]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SidecarFailed(Event):
    """A plugin could not use the `sidecar`; its job went on without. Said at most once a minute of each."""

    sidecar: str
    problem: str


@dataclass(frozen=True, slots=True)
class EgressLayers(Event):
    """The active layers that confine the workers of this template, in words."""

    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateEnded(Event):
    """The template process ended unexpectedly; it is started again."""

    pid: int
    status: int | None
    ytdlp: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStarted(Event):
    """A worker is ready for jobs."""

    pid: int
    boot_seconds: float
    ytdlp: str = ""


@dataclass(frozen=True, slots=True)
class WorkerEnded(Event):
    """A worker has ended and is reaped; `reason` is one of the pool's reasons."""

    pid: int
    reason: str
    tasks: int
    ytdlp: str = ""


@dataclass(frozen=True, slots=True)
class WorkerBootFailed(Event):
    """A worker could not be started; the next attempt comes after `retry_in` seconds."""

    problem: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class CanaryBegan(Event):
    """A new release of yt-dlp is tried on a growing share of the jobs."""

    version: str
    serving: str


@dataclass(frozen=True, slots=True)
class CanaryRefused(Event):
    """A new release of yt-dlp is not tried; it stays where it is."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class CanaryBootFailed(Event):
    """A worker of the release that is being tried could not be started; its job runs on the other release."""

    version: str
    problem: str


@dataclass(frozen=True, slots=True)
class ReleasePromoted(Event):
    """A new release of yt-dlp serves all jobs; `previous` did so before."""

    version: str
    previous: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseRolledBack(Event):
    """A release of yt-dlp is taken back, and barred until an admin says otherwise."""

    version: str
    serving: str
    reason: str


@dataclass(frozen=True, slots=True)
class PatchesInactive(Event):
    """A new release has changed functions that are replaced by faster ones; it serves, but costs more CPU."""

    version: str
    patches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SolverReady(Event):
    """The solver has solved a known challenge; `ejs` names the yt-dlp-ejs that it uses."""

    ejs: str


@dataclass(frozen=True, slots=True)
class SolverUnavailable(Event):
    """The solver cannot solve a known challenge; it is tried again. Workers solve meanwhile."""

    problem: str


@dataclass(frozen=True, slots=True)
class ScriptPrepared(Event):
    """A new player script is taken apart and kept by the process `pid`, so many seconds after it came."""

    script: str
    pid: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ScriptRejected(Event):
    """A player script that cannot be used: where it is not understood, it is time for a newer yt-dlp-ejs."""

    script: str
    problem: str


@dataclass(frozen=True, slots=True)
class SolverEnded(Event):
    """A player script is kept no longer; its process, where it had one, is gone and reaped."""

    script: str
    pid: int | None
    reason: str
    solved: int


@dataclass(frozen=True, slots=True)
class ChallengeUnsolved(Event):
    """A challenge of `site` was not solved, and the formats behind it are missing from a result."""

    site: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExtractorBroken(Event):
    """An extractor met a page it does not understand: probably time for a newer yt-dlp."""

    site: str
    extractor: str
    ytdlp: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseAvailable(Event):
    """A newer yt-dlp than `newest`, the newest here, can be had; `how` is the command for it."""

    version: str
    newest: str
    how: str


@dataclass(frozen=True, slots=True)
class ReleaseFetched(Event):
    """A yt-dlp was fetched and rehearsed, and may now be tried."""

    version: str


@dataclass(frozen=True, slots=True)
class ReleaseRefused(Event):
    """A yt-dlp was fetched but is not kept: it failed its rehearsal, or is not the one that was named."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpdateFailed(Event):
    """No newer yt-dlp can be looked for or fetched; what serves goes on. Said once for each problem."""

    problem: str


@dataclass(frozen=True, slots=True)
class CookiesRead(Event):
    """The operator's cookie `file` is in use, at first or because it has changed; it is for `sites`."""

    file: str
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CookiesUnusable(Event):
    """The operator's cookie `file` cannot be used; the cookies that it had last go on."""

    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class EgressDenied(Event):
    """An extraction tried to reach an address that is not allowed."""

    site: str


@dataclass(frozen=True, slots=True)
class EgressQuarantined(Event):
    """These egresses are left out for a site, or for every site (None), for so many seconds."""

    egresses: tuple[str, ...]
    site: str | None
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EgressRecovered(Event):
    """They are in use again."""

    egresses: tuple[str, ...]
    site: str | None


@dataclass(frozen=True, slots=True)
class UrlQuarantined(Event):
    """A URL of `site` has killed `deaths` workers in one job, and is now refused to its client or to all."""

    site: str
    deaths: int


@dataclass(frozen=True, slots=True)
class ClusterJoined(Event):
    """The engine at `address` answers; results and the like are shared from now on."""

    address: str
    engine: str


@dataclass(frozen=True, slots=True)
class ClusterLost(Event):
    """The engine cannot be used; requests go on, and nothing is shared until ClusterJoined."""

    address: str
    problem: str


@dataclass(frozen=True, slots=True)
class ServiceStarting(Event):
    """The port is bound; requests wait until the warm floor is up."""

    urls: tuple[str, ...]
    step: str = "warming yt-dlp, which takes some seconds"


@dataclass(frozen=True, slots=True)
class ServiceReady(Event):
    """The port is bound and the warm floor is up."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LameDuckBegan(Event):
    """The service asks balancers to look elsewhere, and serves for so long what comes all the same."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DrainBegan(Event):
    """The service stops taking work."""

    running: int
    queued: int
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class DrainEnded(Event):
    """Every request is answered; `interrupted` were stopped by the end of the grace or a second signal."""

    interrupted: int


Sink = Callable[[Event], None]


class Events:
    """Passes each event to every sink, in the order of subscription."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []

    def subscribe(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def emit(self, event: Event) -> None:
        """Pass `event` to every sink; never raises for a fault of a sink."""
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:
                log.exception("event_sink_failed", event_name=type(event).__name__)
