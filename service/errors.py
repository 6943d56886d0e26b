"""Every way a request can fail: the typed codes, whose fault each is, and the one exception tree.

Imported by both sides of the worker's pipe. Knows nothing of HTTP: statuses live in `service/web/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType


class Code(StrEnum):
    """What a client may branch on. A code is never renamed once released."""

    # The request itself.
    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_URL = "INVALID_URL"
    BLOCKED_TARGET = "BLOCKED_TARGET"
    UNAUTHORIZED = "UNAUTHORIZED"
    KEY_NOT_ALLOWED = "KEY_NOT_ALLOWED"
    NO_SUCH_ENDPOINT = "NO_SUCH_ENDPOINT"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"

    # The site's final word.
    UNSUPPORTED_URL = "UNSUPPORTED_URL"
    GEO_RESTRICTED = "GEO_RESTRICTED"
    NOT_LIVE = "NOT_LIVE"
    UPCOMING = "UPCOMING"
    NOT_FOUND = "NOT_FOUND"
    REMOVED = "REMOVED"
    PRIVATE = "PRIVATE"
    AGE_RESTRICTED = "AGE_RESTRICTED"
    LOGIN_REQUIRED = "LOGIN_REQUIRED"
    PAID = "PAID"
    DRM = "DRM"
    NO_MEDIA = "NO_MEDIA"

    # The site's trouble.
    BOT_CHECK = "BOT_CHECK"
    RATE_LIMITED = "RATE_LIMITED"
    FORBIDDEN = "FORBIDDEN"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_NETWORK = "UPSTREAM_NETWORK"
    DNS = "DNS"
    EXTRACTOR_BROKEN = "EXTRACTOR_BROKEN"

    # The service's trouble.
    PROXY = "PROXY"
    DEADLINE = "DEADLINE"
    WORKER_CRASHED = "WORKER_CRASHED"
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    QUARANTINED = "QUARANTINED"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    QUEUE_FULL = "QUEUE_FULL"
    STARTING = "STARTING"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    INTERNAL = "INTERNAL"


class Blame(Enum):
    """Whose circuit breaker a failure counts against."""

    NOBODY = "nobody"  # the caller's mistake, or the site answered and the answer is no
    SITE = "site"
    SERVICE = "service"


class Retry(Enum):
    """Whether the same job is worth another attempt inside the same deadline."""

    NEVER = "never"
    ONCE = "once"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class Traits:
    """How the service reacts to a code."""

    blame: Blame = Blame.NOBODY
    retry: Retry = Retry.NEVER


_SITE_BACKOFF = Traits(Blame.SITE, Retry.BACKOFF)

_TRAITS: Mapping[Code, Traits] = MappingProxyType(
    {
        # The site has just said stop; another attempt from the same address prolongs it.
        Code.BOT_CHECK: Traits(Blame.SITE, Retry.NEVER),
        Code.RATE_LIMITED: Traits(Blame.SITE, Retry.NEVER),
        Code.FORBIDDEN: Traits(Blame.SITE, Retry.ONCE),
        Code.UPSTREAM_ERROR: _SITE_BACKOFF,
        Code.UPSTREAM_TIMEOUT: _SITE_BACKOFF,
        Code.UPSTREAM_NETWORK: _SITE_BACKOFF,
        Code.DNS: Traits(Blame.NOBODY, Retry.BACKOFF),
        Code.EXTRACTOR_BROKEN: Traits(Blame.NOBODY, Retry.NEVER),
        Code.PROXY: Traits(Blame.SERVICE, Retry.BACKOFF),
        Code.DEADLINE: Traits(Blame.SITE, Retry.NEVER),
        # The pool has retried it on a fresh worker already; a page that kills workers is not a dead service.
        Code.WORKER_CRASHED: Traits(Blame.NOBODY, Retry.NEVER),
    }
)


def traits(code: Code) -> Traits:
    """The reaction to `code`; a code that is not listed is nobody's fault and final."""
    return _TRAITS.get(code, Traits())


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
    """The extraction ran and ended in a typed failure, as the worker or the pool saw it."""

    def __init__(self, code: Code, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.code = code


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
