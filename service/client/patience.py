"""When to ask again: only where the service says that waiting helps, and not for ever. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import Declined, ServiceError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may wait for a better answer.

    The service has tried again already what is worth it, so an error without `retry_after` is final. So is
    what the site declines: a video that begins tomorrow is for the caller to come back to.

    Attributes:
        attempts: requests in all; 1 for no retries.
        seconds: of waiting between them, in all.
    """

    attempts: int = 4
    seconds: float = 120.0


class Retries:
    """The retries of one call."""

    def __init__(self, patience: Patience) -> None:
        self._attempts = patience.attempts
        self._seconds = patience.seconds

    def pause(self, error: ServiceError) -> float:
        """The seconds to wait before the next attempt.

        Raises:
            ServiceError: `error` itself, where there is to be none.
        """
        self._attempts -= 1
        if isinstance(error, Declined) or error.retry_after is None:
            raise error
        self._seconds -= error.retry_after
        if self._attempts < 1 or self._seconds < 0:
            raise error
        return error.retry_after
