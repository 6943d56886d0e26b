"""Who may have work done, and as whom; the same for every way in."""

from __future__ import annotations

import trio

from ...errors import ShuttingDown
from ...lifecycle import Phase
from ..services import Services
from .authentication import Identity
from .request_context import RequestContext


def authorize(
    services: Services, context: RequestContext, presented: str | None
) -> tuple[Identity | None, Identity]:
    """Whom the presented key stands for, if it is known, and as whom the request is served.

    Raises:
        ShuttingDown: the service drains.
        Refused: TOO_MANY_REQUESTS, or UNAUTHORIZED.
    """
    if services.lifecycle.phase is Phase.DRAINING:
        raise ShuttingDown
    known = services.keys.identify(presented)
    # Before the key is judged, so that guessing keys uses up the limit of the guesser's address.
    allowance = services.limits.take(known, context.client, trio.current_time())
    if allowance is not None:
        context.headers.update(allowance.headers)
    return known, services.keys.admit(known, presented)
