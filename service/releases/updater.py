"""The updater: looks for a newer yt-dlp now and then, says that there is one, and fetches it where it may.

It looks at random moments, so that a thousand services do not ask an index at once; sooner when a site's
extractor suddenly breaks; and at once when an admin asks. What it fetches lies in the store, where the
rollout finds it. Nothing here touches what serves: all is done in a process of its own, and what fails is
said once and tried again at the next look.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from .. import events
from ..config import Config
from .child import Report, ask
from .fetch import LATEST, NIGHTLY
from .release import canonical, order
from .store import ReleaseStore, StoreError
from .surges import Surges

FIRST = (300.0, 900.0)  # seconds from the start to the first look: the start has enough to do
SPREAD = 0.2  # of the interval
SOONEST = 600.0  # seconds between two looks that broken extractors bring about

Ask = Callable[[Path | None, Sequence[str]], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class UpdateStatistics:
    """What is known of newer releases.

    Attributes:
        mode: the setting.
        available: the newest version that is not here yet, as far as was seen; None where there is none.
        fetching: what is being fetched, or None.
        problem: why the last look or fetch failed; empty where it did not.
    """

    mode: str
    available: str | None = None
    fetching: str | None = None
    problem: str = ""


class Updater:
    """Keeps looking; see the module.

    Args:
        child: runs `ytdlpd releases fetch`.
        draw: a number from 0 to 1.
    """

    def __init__(
        self,
        config: Config,
        store: ReleaseStore,
        bus: events.Events,
        *,
        child: Ask = ask,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.store = store
        self._mode = config.ytdlp_update
        self._interval = float(config.ytdlp_update_interval)
        self._events = bus
        self._child = child
        self._draw = draw
        self._surges = Surges()
        self._looked = -SOONEST
        self._asked: tuple[str, ...] = ()  # the arguments of a fetch that an admin wants
        self._woken = trio.Event()
        self._available: str | None = None
        self._fetching: str | None = None
        self._problem = ""
        self._refused: str | None = None  # not tried again by itself; a newer one is

    def statistics(self) -> UpdateStatistics:
        return UpdateStatistics(self._mode, self._available, self._fetching, self._problem)

    def on_event(self, event: events.Event) -> None:
        """A sink: an extractor that breaks more often than before is a reason to look at once."""
        if isinstance(event, events.ExtractorBroken) and self._mode != "off":
            now = trio.current_time()
            if self._surges.broken(event.site, now) and now - self._looked >= SOONEST:
                self._looked = now
                self._woken.set()

    def fetch(self, version: str, sha256: str | None = None) -> None:
        """Fetch a version, "latest" or "nightly", soon.

        Raises:
            StoreError: it is no version, nothing can be written, or another fetch is under way.
        """
        if version not in (LATEST, NIGHTLY):
            try:
                version = canonical(version)
            except ValueError as error:
                raise StoreError(str(error)) from None
        self.store.writable()
        if self._fetching is not None or self._asked:
            raise StoreError(f"{self._fetching or self._asked[0]} is being fetched; wait for that")
        self._asked = (version, *(("--hash", sha256) if sha256 is not None else ()))
        self._woken.set()

    async def run(self) -> None:
        """Look until cancelled."""
        low, high = FIRST
        pause = low + (high - low) * self._draw()
        while True:
            with trio.move_on_after(pause if self._mode != "off" else float("inf")):
                await self._woken.wait()
            self._woken = trio.Event()
            asked, self._asked = self._asked, ()
            if asked:
                await self._fetch(asked)
            else:
                self._looked = trio.current_time()
                await self._look()
                pause = self._interval * (1 + SPREAD * (2 * self._draw() - 1))

    async def _look(self) -> None:
        wanted = NIGHTLY if self._mode == "nightly" else LATEST
        report = await self._child(self.store.root, ("--check", wanted))
        if report.version is None or report.problem:
            self._failed(f"no newer yt-dlp can be looked for: {report.problem}")
            return
        state, newest = self.store.state(), self.store.available()[-1].version
        version = canonical(report.version)
        if order(version) <= order(newest) or version in state.barred:
            self._available, self._problem = None, ""
            return
        if version != self._available:
            self._available = version
            self._events.emit(events.ReleaseAvailable(version, newest, f"ytdlpd releases fetch {version}"))
        if self._mode in ("stable", "nightly") and state.pinned is None and version != self._refused:
            await self._fetch((version,))
        else:
            self._problem = ""

    async def _fetch(self, arguments: tuple[str, ...]) -> None:
        self._fetching = arguments[0]
        try:
            report = await self._child(self.store.root, arguments)
        finally:
            self._fetching = None
        if not report.problem and report.version is not None:
            self._problem, self._available = "", None
            self._events.emit(events.ReleaseFetched(report.version))
        elif report.version is not None:
            self._refused, self._problem = report.version, report.problem
            self._events.emit(events.ReleaseRefused(report.version, report.problem))
        else:
            self._failed(f"yt-dlp {arguments[0]} cannot be fetched: {report.problem}")

    def _failed(self, problem: str) -> None:
        """Say once why; again only after something else happened."""
        if problem != self._problem:
            self._problem = problem
            self._events.emit(events.UpdateFailed(problem))
