"""Places for streams, which stay open: shared out between clients, and some kept for admins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ...codes import Code
from ..errors import Refused

_RETRY = 30.0  # seconds


class Places:
    """Who has which places.

    Args:
        total: streams at a time.
        of_one_client: of these, where the client is no admin.
        for_admins: of these, which nobody else gets.
    """

    def __init__(self, total: int, *, of_one_client: int, for_admins: int) -> None:
        self._total = total
        self._of_one_client = of_one_client
        self._for_admins = for_admins
        self._taken: Counter[str] = Counter()

    def check(self, client: str, *, admin: bool) -> None:
        """Raises Refused, QUEUE_FULL, where there is no place for one more stream of `client`."""
        if not admin and self._taken[client] >= self._of_one_client:
            raise Refused(Code.QUEUE_FULL, "You follow too many streams already", retry_after=_RETRY)
        if self._taken.total() >= self._total - (0 if admin else self._for_admins):
            raise Refused(Code.QUEUE_FULL, "Too many clients follow streams already", retry_after=_RETRY)

    @contextmanager
    def take(self, client: str, *, admin: bool) -> Iterator[None]:
        """A place. Raises as `check`."""
        self.check(client, admin=admin)
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
