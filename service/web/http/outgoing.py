"""The large answers that are held while clients read them: a bound for each client, and one for all.

What counts is memory: an object counts once, however many connections it is written to. Where all clients
together hold too much, the one that holds most loses its oldest response; so clients that read slowly cost
each other their answers, and nobody else.
"""

from __future__ import annotations

from collections import Counter

import structlog

from ...codes import Code
from ..errors import Refused
from .request_context import RequestContext

log = structlog.get_logger(__name__)

SMALL = 64 * 1024  # bytes of an answer that does not count; connections are bounded
LARGEST = 5  # answers of the largest size that one client may hold: what one batch does
CLIENTS = 2  # that may do so at a time
_RETRY = 10.0  # seconds


class _Distinct:
    """The bytes of distinct objects, each of which may be added several times."""

    def __init__(self) -> None:
        self.bytes = 0
        self._times: Counter[int] = Counter()

    def missing(self, body: bytes) -> int:
        """The bytes that `body` would add."""
        return 0 if id(body) in self._times else len(body)

    def add(self, body: bytes) -> None:
        self.bytes += self.missing(body)
        self._times[id(body)] += 1

    def remove(self, body: bytes) -> None:
        self._times[id(body)] -= 1
        if not self._times[id(body)]:
            del self._times[id(body)]
            self.bytes -= len(body)


class Outgoing:
    """What each request holds.

    Args:
        largest: bytes of the largest answer there may be.
    """

    def __init__(self, largest: int) -> None:
        self._of_one_client = LARGEST * max(largest, SMALL)
        self._in_all = CLIENTS * self._of_one_client
        self._all = _Distinct()
        self._clients: dict[str, _Distinct] = {}
        self._held: dict[RequestContext, list[tuple[str, bytes]]] = {}  # the oldest first

    @property
    def held(self) -> int:
        """Bytes of all answers that are held."""
        return self._all.bytes

    def hold(self, context: RequestContext, client: str, body: bytes) -> None:
        """Count `body` as held by the request of `context` until it is let go or released.

        Raises:
            Refused: TOO_MANY_REQUESTS, where `client` holds too much already.
        """
        if len(body) < SMALL:
            return
        own = self._clients.get(client) or _Distinct()
        if own.bytes + own.missing(body) > self._of_one_client:
            raise _too_much()
        while self._all.bytes + self._all.missing(body) > self._in_all:
            heaviest = max(self._clients, key=lambda other: self._clients[other].bytes)
            if self._clients[heaviest].bytes <= own.bytes:
                raise _too_much()
            self._cut(heaviest)
        self._clients[client] = own
        for count in (own, self._all):
            count.add(body)
        self._held.setdefault(context, []).append((client, body))

    def let_go(self, context: RequestContext, body: bytes) -> None:
        """The request of `context` holds `body` no longer, if it did."""
        held = self._held.get(context, [])
        for index, (client, other) in enumerate(held):
            if other is body:
                del held[index]
                self._forget(client, body)
                break
        if not held:
            self._held.pop(context, None)

    def release(self, context: RequestContext) -> None:
        """The request of `context` has ended."""
        for client, body in self._held.pop(context, ()):
            self._forget(client, body)

    def _forget(self, client: str, body: bytes) -> None:
        self._all.remove(body)
        own = self._clients[client]
        own.remove(body)
        if not own.bytes:
            del self._clients[client]

    def _cut(self, client: str) -> None:
        """End the oldest request that holds an answer for `client`."""
        held = self._held.items()
        context = next(context for context, held_by in held if any(each == client for each, _ in held_by))
        log.warning("response_cut", client=client, request_id=context.request_id)
        context.scope.cancel()
        self.release(context)


def _too_much() -> Refused:
    return Refused(
        Code.TOO_MANY_REQUESTS,
        "Too many of your answers are still being read; read them first",
        retry_after=_RETRY,
    )
