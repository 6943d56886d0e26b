"""Access control for requests that need work: the same for the routes and the fast path."""

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
    """The identity of the presented key, if it is known, and the identity that the request is served as.

    Raises:
        ShuttingDown: the service drains.
        Refused: TOO_MANY_REQUESTS, or UNAUTHORIZED.
    """
    if services.lifecycle.phase is Phase.DRAINING:
        raise ShuttingDown
    known = services.keys.identify(presented)
    # Counted before the key is checked, so that guessing keys uses up the limit of the address.
    allowance = services.limits.take(known, context.client, trio.current_time())
    if allowance is not None:
        context.headers.update(allowance.headers)
    return known, services.keys.admit(known, presented)
