"""The context of the request being handled: its id, its client, the code of its error."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, cast

import trio
from quart import request

from ...codes import Code

_SANE_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
_KEY = "service.request_context"


@dataclass(slots=True, eq=False)
class RequestContext:
    """What middleware and handlers know of one request.

    Attributes:
        request_id: the client's own if it sent a sane one.
        client: the client's address, behind trusted proxies.
        code: the code of the error that it was answered with.
        headers: what the handlers add to the response, errors included.
        warnings: what is said in the answer of what the client sent, errors included.
        scope: cancelled, it ends the request and its connection.
    """

    request_id: str
    client: str
    code: Code | None = None
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


def request_id(sent: str | None) -> str:
    """The id to use where the client sent `sent`."""
    if sent is not None and _SANE_ID.fullmatch(sent):
        return sent
    return f"req_{secrets.token_hex(12)}"


def attach(scope: Any, context: RequestContext) -> None:
    """Put `context` where `current` finds it."""
    scope[_KEY] = context


def attached(scope: Any) -> RequestContext | None:
    """The context of the request of `scope`; None where it never reached the middleware."""
    return cast(RequestContext | None, scope.get(_KEY))


def current() -> RequestContext:
    """The context of the request being handled."""
    return cast(RequestContext, cast(Any, request.scope)[_KEY])
