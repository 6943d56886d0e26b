"""The JSON of errors: one shape for all of them, wherever they are raised."""

from __future__ import annotations

import json
import math
from difflib import get_close_matches
from typing import Any

import structlog
from quart import Quart, Response
from quart import request as current_request
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    RequestTimeout,
)
from werkzeug.routing import Map

from ..codes import TRAITS, Code
from ..errors import ExtractionError, QueueFull, ServiceError
from .http import request_context

log = structlog.get_logger(__name__)

UNKNOWN_WAIT = 30.0  # the retryAfter of a 503 whose end is not known, in seconds


class Refused(ServiceError):
    """The web layer itself refuses the request.

    Attributes:
        headers: added to the response.
        details: added to the JSON of the error.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.code = code
        self.headers = headers or {}
        self.details = details


def waiting(code: Code, retry_after: float | None) -> int | None:
    """Whole seconds for Retry-After, at least 1; None where waiting does not help."""
    if retry_after is None or not math.isfinite(retry_after):
        if TRAITS[code].status not in (429, 503):
            return None
        retry_after = UNKNOWN_WAIT
    return max(1, math.ceil(retry_after))


def body(
    code: Code, message: str, request_id: str, *, retry_after: int | None = None, **details: Any
) -> dict[str, Any]:
    """The JSON of an error; its message starts with a capital letter."""
    found: dict[str, Any] = {"ok": False, "error": message[:1].upper() + message[1:], "code": code.value}
    if retry_after is not None:
        found["retryAfter"] = retry_after
    return {**found, "requestId": request_id, **details}


def describe(error: ServiceError, request_id: str) -> dict[str, Any]:
    """The JSON of `error`."""
    wait = waiting(error.code, error.retry_after)
    details = error.details if isinstance(error, Refused) else {}
    if isinstance(error, ExtractionError) and error.about:
        at_fault = "field" in error.about  # the worker judges what only yt-dlp can
        details = dict(error.about) if at_fault else {"video": dict(error.about)}
    return body(error.code, str(error), request_id, retry_after=wait, **details)


def unexpected() -> ServiceError:
    """The error that a client sees for a fault of the service; the log has the rest."""
    return ServiceError("Something went wrong inside the service; look for requestId in its log")


def respond(error: ServiceError, *, status: int | None = None) -> Response:
    """The response for `error`; `status` overrides the status of its code."""
    at_hand = request_context.current()
    at_hand.code = error.code
    wait = waiting(error.code, error.retry_after)
    found = describe(error, at_hand.request_id)
    if at_hand.warnings:
        found["warnings"] = at_hand.warnings
    response = Response(
        json.dumps(found, ensure_ascii=False),
        TRAITS[error.code].status if status is None else status,
        error.headers if isinstance(error, Refused) else {},
        content_type="application/json",
    )
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    if isinstance(error, QueueFull) and error.expected_wait is not None:
        response.headers["X-Expected-Wait"] = f"{error.expected_wait:.1f}"
    return response


def endpoints(url_map: Map) -> list[str]:
    """Every endpoint as "METHOD /path", in the order of their paths."""
    return sorted(
        (f"{method} {rule.rule}" for rule in url_map.iter_rules() for method in _methods(rule.methods)),
        key=lambda endpoint: (endpoint.partition(" ")[2], endpoint),
    )


def _methods(methods: Any) -> list[str]:
    return sorted(set(methods or ()) - {"HEAD", "OPTIONS"})


def install(app: Quart) -> None:
    """Make `app` answer every exception in this shape."""

    async def refused(error: ServiceError) -> Response:
        return respond(error)

    async def http(error: HTTPException) -> Response:
        return respond(_as_refused(error, app), status=error.code)

    async def fault(error: Exception) -> Response:
        log.exception("request_failed", exc_info=error)
        return respond(unexpected())

    app.register_error_handler(ServiceError, refused)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, fault)


def _as_refused(error: HTTPException, app: Quart) -> Refused:
    method, path = current_request.method, current_request.path
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return Refused(
            Code.METHOD_NOT_ALLOWED,
            f"{method} is not allowed for {path}; use {allowed}",
            headers={"Allow": allowed},
        )
    if isinstance(error, NotFound):
        return Refused(
            Code.NO_SUCH_ENDPOINT,
            f"There is no {path} here{_likely(path, app.url_map)}; availableEndpoints lists what there is",
            availableEndpoints=endpoints(app.url_map),
        )
    if isinstance(error, RequestEntityTooLarge):
        return too_large()
    if isinstance(error, RequestTimeout):
        return Refused(Code.INVALID_REQUEST, "The body of the request did not arrive in time")
    return Refused(Code.INVALID_REQUEST, error.description or error.name)


def _likely(path: str, url_map: Map) -> str:
    """What was meant by `path`: a path that ends like it, or one that looks like it."""
    paths = sorted({rule.rule for rule in url_map.iter_rules()} - {"/"})
    asked = path.lower().rstrip("/").removesuffix(".json")
    ending = asked[asked.rfind("/") :] or "//"
    same = [each for each in paths if each.endswith(ending)]
    likely = min(same, key=len, default=None) or next(iter(get_close_matches(asked, paths, 1, 0.8)), None)
    return f" (is it {likely}?)" if likely else ""


def too_large() -> Refused:
    return Refused(
        Code.PAYLOAD_TOO_LARGE, "The body is too large: at most 10 KB, or 256 KB with cookies or in a batch"
    )
