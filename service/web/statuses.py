"""Which HTTP status each code is answered with; nothing outside the web layer knows one."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from ..errors import Code

_CODES: dict[HTTPStatus, tuple[Code, ...]] = {
    HTTPStatus.BAD_REQUEST: (Code.INVALID_REQUEST, Code.INVALID_URL),
    HTTPStatus.UNAUTHORIZED: (Code.UNAUTHORIZED,),
    HTTPStatus.FORBIDDEN: (Code.KEY_NOT_ALLOWED, Code.BLOCKED_TARGET),
    HTTPStatus.NOT_FOUND: (Code.NO_SUCH_ENDPOINT,),
    HTTPStatus.METHOD_NOT_ALLOWED: (Code.METHOD_NOT_ALLOWED,),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (Code.PAYLOAD_TOO_LARGE,),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (Code.UNSUPPORTED_MEDIA_TYPE,),
    HTTPStatus.TOO_MANY_REQUESTS: (Code.TOO_MANY_REQUESTS,),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        Code.UNSUPPORTED_URL,
        Code.GEO_RESTRICTED,
        Code.NOT_LIVE,
        Code.UPCOMING,
        Code.NOT_FOUND,
        Code.REMOVED,
        Code.PRIVATE,
        Code.AGE_RESTRICTED,
        Code.LOGIN_REQUIRED,
        Code.PAID,
        Code.DRM,
        Code.NO_MEDIA,
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (Code.WORKER_CRASHED, Code.INTERNAL),
    HTTPStatus.BAD_GATEWAY: (
        Code.FORBIDDEN,
        Code.UPSTREAM_ERROR,
        Code.UPSTREAM_NETWORK,
        Code.DNS,
        Code.EXTRACTOR_BROKEN,
        Code.RESULT_TOO_LARGE,
        Code.BUDGET_EXCEEDED,
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        Code.BOT_CHECK,
        Code.RATE_LIMITED,
        Code.PROXY,
        Code.QUARANTINED,
        Code.CIRCUIT_OPEN,
        Code.QUEUE_FULL,
        Code.STARTING,
        Code.SHUTTING_DOWN,
    ),
    HTTPStatus.GATEWAY_TIMEOUT: (Code.UPSTREAM_TIMEOUT, Code.DEADLINE),
}

# Statuses that say more than the code they come with, which has one of its own above.
_FINER: dict[HTTPStatus, tuple[Code, ...]] = {
    HTTPStatus.REQUEST_TIMEOUT: (Code.INVALID_REQUEST,),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (Code.INVALID_REQUEST,),
    HTTPStatus.NOT_IMPLEMENTED: (Code.INVALID_REQUEST,),
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: (Code.INVALID_REQUEST,),
}

# Answered by the connection, whatever was asked for: it is not HTTP/1.1, or too long, or there is no room.
OF_CONNECTIONS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
)

STATUSES: Mapping[Code, HTTPStatus] = MappingProxyType(
    {code: status for status, codes in _CODES.items() for code in codes}
)


def codes_of(status: int) -> tuple[Code, ...]:
    """The codes that are answered with `status`; for the API's description."""
    return (_CODES | _FINER)[HTTPStatus(status)]
