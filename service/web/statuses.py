"""Which codes each HTTP status is answered with, for the API's description."""

from __future__ import annotations

from http import HTTPStatus

from ..codes import TRAITS, Code

# Statuses that say more than the code they come with, which has one of its own in the table.
_FINER: dict[int, tuple[Code, ...]] = {
    HTTPStatus.REQUEST_TIMEOUT: (Code.INVALID_REQUEST,),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (Code.INVALID_REQUEST,),
    HTTPStatus.NOT_IMPLEMENTED: (Code.INVALID_REQUEST,),
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: (Code.INVALID_REQUEST,),
}

# Answered by the connection for any path: the request is not HTTP/1.1 or too long, or the limit is reached.
OF_CONNECTIONS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
)


def codes_of(status: int) -> tuple[Code, ...]:
    """The codes that are answered with `status`.

    Raises:
        LookupError: no answer has this status.
    """
    codes = _FINER.get(status) or tuple(code for code in Code if TRAITS[code].status == status)
    if not codes:
        raise LookupError(f"no answer has the status {status}")
    return codes
