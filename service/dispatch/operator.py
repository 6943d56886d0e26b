"""Carries out an operator's orders at this instance, whoever gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from ..breaker.registry import Breakers
from ..breaker.settings import Mode
from ..cluster.messages import Action
from ..releases.release import canonical
from ..releases.store import ReleaseStore, StoreError
from .dispatcher import Dispatcher

MOST_BARRED = 500  # releases that others' orders may bar: the engine is not trusted
_LASTING: Mapping[Mode, Action] = {Mode.FORCED_OPEN: "open", Mode.DISABLED: "disable"}


class Operator:
    """Breakers, paces, the quarantine and the releases of yt-dlp in an operator's hand.

    Orders of other instances may be about sites that this one has not met yet.
    """

    def __init__(self, breakers: Breakers, dispatcher: Dispatcher, store: ReleaseStore) -> None:
        self._store = store
        self._breakers = breakers
        self._dispatcher = dispatcher

    async def carry_out(self, action: Action, subject: str | None, reason: str = "") -> tuple[str, str]:
        """What was before, and what is now: states of breakers, numbers of refused URLs, or releases.

        Raises:
            UnknownSite: there is nothing to do for this site.
            StoreError: the release is not here, or nothing can be kept of it.
        """
        match action:
            case "reset":
                return self._dispatcher.reset(subject)
            case "close":
                return self._breakers.close(subject)
            case "open":
                return self._breakers.force_open(subject, expected=True)
            case "disable":
                return self._breakers.disable(subject, expected=True)
            case "release":
                return str(self._dispatcher.quarantine.clear(subject)), "0"
            case "pin" | "unpin" | "bar" | "unbar":
                return await trio.to_thread.run_sync(self._decide, action, subject or "", reason)

    def _decide(self, action: Action, version: str, reason: str) -> tuple[str, str]:
        before = self._store.state()
        if action == "bar" and len(before.barred) >= MOST_BARRED and version not in before.barred:
            raise StoreError(f"{MOST_BARRED} releases are barred already; unbar those that are no more")
        match action:
            case "pin":
                after = self._store.pin(version)
            case "unpin":
                after = self._store.unpin()
            case "bar":
                after = self._store.bar(version, reason)
            case _:
                after = self._store.unbar(version)
        if action in ("pin", "unpin"):
            return before.pinned or "unpinned", after.pinned or "unpinned"
        barred = [canonical(version) in state.barred for state in (before, after)]
        return ("barred" if barred[0] else "allowed"), ("barred" if barred[1] else "allowed")

    def note_deaths(self, url: str, client: str, causes: Sequence[str], ago: float) -> None:
        """Workers of another instance died of `url`; see `Quarantine.killed`."""
        self._dispatcher.quarantine.killed(url, client, trio.current_time() - ago, causes)

    def note_release(self, url: str | None) -> None:
        """Another instance's operator has released `url`, or all."""
        self._dispatcher.quarantine.clear(url)

    def note_purge(self, ytdlp: str) -> None:
        """Another instance has taken this release back; see `Dispatcher.forget`."""
        self._dispatcher.forget(ytdlp)

    def note_pause(self, egress: str, place: str, seconds: float) -> None:
        """A site has told another instance to wait; see `Dispatcher.pause`."""
        self._dispatcher.pause(egress, place, seconds)

    def modes(self) -> Mapping[str, Action]:
        """The lasting orders that hold here, by site; a star is all of them."""
        return {site: _LASTING[mode] for site, mode in self._breakers.chosen_modes().items()}
