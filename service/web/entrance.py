"""Who may have work done, and as whom; the same for every way in."""

from __future__ import annotations

import trio

from ..errors import ShuttingDown
from ..lifecycle import Phase
from .auth import Identity
from .exchange import Exchange
from .rooms import Rooms


def let_in(rooms: Rooms, exchange: Exchange, presented: str | None) -> tuple[Identity | None, Identity]:
    """Whom the presented key stands for, if it is known, and as whom the request is served.

    Raises:
        ShuttingDown: the service drains.
        Refused: TOO_MANY_REQUESTS, or UNAUTHORIZED.
    """
    if rooms.lifecycle.phase is Phase.DRAINING:
        raise ShuttingDown
    known = rooms.keys.identify(presented)
    # Before the key is judged, so that guessing keys uses up the limit of the guesser's address.
    allowance = rooms.limits.take(known, exchange.client, trio.current_time())
    if allowance is not None:
        exchange.headers.update(allowance.headers)
    return known, rooms.keys.admit(known, presented)
