"""Carries out an operator's orders at this instance, whoever gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from ..breaker.registry import Breakers
from ..breaker.settings import Mode
from ..cluster.messages import Action
from .dispatcher import Dispatcher

_LASTING: Mapping[Mode, Action] = {Mode.FORCED_OPEN: "open", Mode.DISABLED: "disable"}


class Operator:
    """Breakers, paces and the quarantine in an operator's hand.

    Orders of other instances may be about sites that this one has not met yet.
    """

    def __init__(self, breakers: Breakers, dispatcher: Dispatcher) -> None:
        self._breakers = breakers
        self._dispatcher = dispatcher

    def carry_out(self, action: Action, subject: str | None) -> tuple[str, str]:
        """What was before, and what is now: states of breakers, or numbers of refused URLs.

        Raises:
            UnknownSite: there is nothing to do for this site.
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
