"""The orders that stand, as the engine keeps them: for instances that are away, or start later.

An instance that joins tells what was ordered while it was cut off, and takes over what is kept. An engine
that has forgotten is told again by those who join it.
"""

from __future__ import annotations

import structlog

from ..breaker.settings import EVERY_SITE
from ..errors import ServiceError
from ..releases.store import StoreError
from .connection import Rejected, Unavailable, Word
from .keys import MODES, ORDERS, RELEASES
from .link import Link
from .messages import RELEASE_ACTIONS, Action, Order, modes, orders
from .port import Operator
from .scripts import KNOWN_MODES, KNOWN_RELEASES, ORDER, RELEASE_ORDER, Script

MOST = 1000  # sites whose mode is kept, and the same of orders that wait for the link
MOST_RELEASES = 200  # orders about releases of yt-dlp
LIFE = 90 * 86_400_000  # ms for which those are kept after the last word about any

log = structlog.get_logger(__name__)


class Standing:
    """The breakers' modes, and what was decided about releases of yt-dlp."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._releases: dict[str, Order] = {}  # all that is known, by what it decides
        self._untold: dict[str, Order] = {}

    async def tell(self, order: Order) -> None:
        """Tell `order` to all; later, where the engine cannot be asked. Raises Unavailable or Rejected."""
        self.note(order)
        try:
            script, keys, words = _told(order)
            await self._link.run_script(script, keys, *words)
        except (Unavailable, Rejected):
            self._keep(order)
            raise

    def post(self, order: Order) -> None:
        """As `tell`, without waiting."""
        self.note(order)
        if self._link.is_up:
            script, keys, words = _told(order)
            self._link.post_script(script, keys, *words)
        else:
            self._keep(order)

    def note(self, order: Order) -> None:
        """Remember what was decided about a release, for an engine that forgets."""
        if order.action in RELEASE_ACTIONS:
            self._releases.pop(order.standing, None)
            self._releases[order.standing] = order
            if len(self._releases) > MOST_RELEASES:
                del self._releases[next(iter(self._releases))]

    async def catch_up(self, operator: Operator) -> None:
        """Tell what could not be told, and take over what stands."""
        try:
            while self._untold:
                name = next(iter(self._untold))
                script, keys, words = _told(self._untold[name])
                await self._link.run_script(script, keys, *words)
                self._untold.pop(name, None)
            await self._take_modes(operator)
            await self._take_releases(operator)
        except (Unavailable, Rejected):
            return

    async def _take_modes(self, operator: Operator) -> None:
        ours = operator.modes()
        words = [word for mode in [*ours.items()][:MOST] for word in mode]
        kept = modes(await self._link.run_script(KNOWN_MODES, (MODES,), MOST, *words))
        for subject in (*sorted(ours.keys() - kept.keys()), *sorted(kept)):  # EVERY_SITE comes first
            action: Action = kept.get(subject, "reset")
            if ours.get(subject) != action:
                await self._try(operator, action, None if subject == EVERY_SITE else subject)

    async def _take_releases(self, operator: Operator) -> None:
        ours = [word for name, order in self._releases.items() for word in (name, order.text)]
        bounds = MOST_RELEASES, LIFE
        for order in orders(await self._link.run_script(KNOWN_RELEASES, (RELEASES,), *bounds, *ours)):
            if order.action in RELEASE_ACTIONS:
                self.note(order)
                await self._try(operator, order.action, order.subject, order.reason)

    async def _try(self, operator: Operator, action: Action, subject: str | None, reason: str = "") -> None:
        try:
            await operator.carry_out(action, subject, reason)
        except (ServiceError, StoreError) as error:
            log.info("order_not_carried_out", action=action, reason=str(error))

    def _keep(self, order: Order) -> None:
        """Tell it later, where it stands; a URL's release from the quarantine is in a journal."""
        if order.action == "release":
            return
        if order.action not in RELEASE_ACTIONS and order.subject is None:
            for name in [name for name, each in self._untold.items() if each.action not in RELEASE_ACTIONS]:
                del self._untold[name]
        if len(self._untold) < MOST:
            self._untold[order.standing] = order


def _told(order: Order) -> tuple[Script, tuple[str], tuple[Word, ...]]:
    """What to run so that it is told and kept."""
    if order.action in RELEASE_ACTIONS:
        return RELEASE_ORDER, (RELEASES,), (order.standing, order.text, MOST_RELEASES, LIFE, ORDERS)
    action = "" if order.action == "release" else order.action
    subject = EVERY_SITE if order.subject is None else order.subject
    return ORDER, (MODES,), (action, subject, ORDERS, order.text, EVERY_SITE, MOST)
