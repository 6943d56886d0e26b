"""What can go wrong, as exceptions that are grouped by whose turn it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from ..codes import TRAITS, Code

_AGAIN = 1.0  # seconds after which a service that takes no connection is tried again


class ServiceError(Exception):
    """Base of all failures; `str(error)` is a sentence that a person can act on.

    Attributes:
        code: a member of Code, or the text of one that this client does not know yet; None where it was not
            the service that answered.
        retry_after: seconds after which trying again may help, or None.
        request_id: what the service's log has it under.
        video: what is known of the video all the same, such as its title.
    """

    def __init__(
        self,
        sentence: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        video: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.retry_after = retry_after
        self.request_id = request_id
        self.video = video or {}

    @property
    def sentence(self) -> str:
        return str(self)


class Refused(ServiceError):
    """The request is at fault: its URL, a field, the key, or how many there were."""


class Declined(ServiceError):
    """The site says no: private, removed, paid for, not begun. Another video may work."""


class Failed(ServiceError):
    """The site fails or turns the service away, or the service itself fails."""


class Unreachable(ServiceError):
    """Nobody answers, the connection was lost, or a proxy in between answered instead."""


def described(answer: Mapping[str, Any], status: int | None = None) -> ServiceError:
    """The exception for the JSON of an error, which came with `status` or as a part of a stream."""
    code = answer["code"]
    if code in TRAITS:
        code = Code(code)
        status = TRAITS[code].status
    return _group(code, status)(
        answer["error"],
        code=code,
        retry_after=answer.get("retryAfter"),
        request_id=answer.get("requestId"),
        video=answer.get("video"),
    )


def _group(code: str, status: int | None) -> type[ServiceError]:
    if status == 422:
        return Declined
    if status is None or status >= 500 or code in (Code.BOT_CHECK, Code.RATE_LIMITED):
        return Failed
    return Refused


def of(response: httpx.Response) -> ServiceError:
    """The exception for an answer that is no success; its body has been read."""
    try:
        return described(response.json(), response.status_code)
    except (ValueError, TypeError, KeyError):  # no JSON, or not the service's
        after = response.headers.get("Retry-After", "")
        return Unreachable(
            f"{response.url.host} answered {response.status_code} {response.reason_phrase}",
            retry_after=float(after) if after.isascii() and after.isdigit() else None,
        )


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unreachable for what goes wrong on the way."""
    try:
        yield
    except httpx.TransportError as error:
        # Without a connection nothing was sent, so nothing is done twice.
        after = _AGAIN if isinstance(error, httpx.ConnectError) else None
        what = str(error) or type(error).__name__
        raise Unreachable(f"the service did not answer: {what}", retry_after=after) from error
