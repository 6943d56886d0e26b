"""The exceptions that a caller of the service can see: one tree, each with a typed code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .codes import Code


class ServiceError(Exception):
    """Base of all failures a caller can see.

    Attributes:
        code: the typed code.
        retry_after: seconds after which trying again may help, or None.

    `str(error)` is one sentence that a person can act on; it never holds a secret.
    """

    code: Code = Code.INTERNAL

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ExtractionError(ServiceError):
    """The extraction ran and ended in a typed failure, as the worker or the pool saw it.

    Attributes:
        about: what is known of the video all the same, for the JSON of the error.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry_after: float | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.code = code
        self.about = about or {}


class CircuitOpen(ServiceError):
    """The breaker of `site` refuses calls; None stands for the service's own breaker."""

    code = Code.CIRCUIT_OPEN

    def __init__(self, site: str | None, retry_after: float | None) -> None:
        whose = f"{site} fails too often" if site else "the service cannot extract"
        super().__init__(f"{whose} at the moment; try again later", retry_after=retry_after)
        self.site = site


class UnknownSite(ServiceError):
    """An operator named a site that has no breaker."""

    code = Code.INVALID_REQUEST

    def __init__(self, site: str) -> None:
        super().__init__(f"there is no breaker for the site {site!r}; /api/v1/metrics lists them")
        self.site = site


class QueueFull(ServiceError):
    """Too many requests wait already, or this one could not be served before its deadline.

    `expected_wait` is the seconds it would have waited, where that is known.
    """

    code = Code.QUEUE_FULL

    def __init__(self, waiting: int, retry_after: float, *, expected_wait: float | None = None) -> None:
        super().__init__(f"{waiting} requests are waiting already; try again later", retry_after=retry_after)
        self.waiting = waiting
        self.expected_wait = expected_wait


class ShuttingDown(ServiceError):
    """The service drains; another instance, or this one after its restart, will answer."""

    code = Code.SHUTTING_DOWN

    def __init__(self, retry_after: float = 5.0) -> None:
        super().__init__("the service is shutting down; try again in a moment", retry_after=retry_after)


class DeadlineExceeded(ServiceError):
    """The request's own deadline passed before a worker answered."""

    code = Code.DEADLINE

    def __init__(self, seconds: float, *, running: bool) -> None:
        where = "the extraction was still running" if running else "no worker was free"
        super().__init__(f"no answer within {seconds:g} s: {where}")
        self.seconds = seconds
        self.running = running


class DeadlineTooShort(ServiceError):
    """The request's deadline is shorter than an extraction; none was begun."""

    code = Code.DEADLINE

    def __init__(self, seconds: float, least: float) -> None:
        super().__init__(f"no extraction is begun for {seconds:g} s; give it at least {least:g} s")
