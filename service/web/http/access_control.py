"""Access control: for requests that need work, the same for the routes and the fast path; for those that read
counters; and for admins. Wherever a key is presented, guessing uses up the limit of the address.
"""

from __future__ import annotations

import trio
from quart import request

from ...errors import ShuttingDown
from ...lifecycle import Phase
from ..services import Services
from .authentication import HEADER, Identity
from .request_context import RequestContext, current


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
    known = _known(services, context, presented)
    # Counted before the key is checked, so that guessing keys uses up the limit of the address.
    allowance = services.limits.take(known, context.client, trio.current_time())
    if allowance is not None:
        context.headers.update(allowance.headers)
    return known, services.keys.admit(known, presented)


def admit_reader(services: Services, context: RequestContext, presented: str | None) -> Identity | None:
    """The identity of the presented key, if it is known, for a request that only reads counters.

    Raises:
        Refused: TOO_MANY_REQUESTS.
    """
    known = _identify(services, context, presented)
    services.limits.take_reading(known, context.client, trio.current_time())
    return known


def require_admin(services: Services) -> None:
    """Let only admins pass.

    Raises:
        Refused: TOO_MANY_REQUESTS, or as `Keys.require_admin`.
    """
    _identify(services, current(), request.headers.get(HEADER))
    services.keys.require_admin(request.headers)


def _identify(services: Services, context: RequestContext, presented: str | None) -> Identity | None:
    known = _known(services, context, presented)
    if presented and known is None:
        services.limits.take(None, context.client, trio.current_time())
    return known


def _known(services: Services, context: RequestContext, presented: str | None) -> Identity | None:
    """The identity of the presented key, if it is known; the access line tells its name."""
    known = services.keys.identify(presented)
    context.key = None if known is None else known.label
    return known
