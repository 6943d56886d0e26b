"""The context of the request being handled: its id, its client, the code of its error."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, cast

import trio
from quart import request

from ...codes import Code
from ...dispatch.tally import Tally

_SANE_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
_KEY = "service.request_context"
_TRACE = "service.trace_id"


@dataclass(slots=True, eq=False)
class RequestContext:
    """What middleware and handlers know of one request.

    Attributes:
        request_id: the client's own if it sent a sane one.
        client: the client's address, behind trusted proxies.
        trace_id: of the trace that the request belongs to, if there is one.
        key: the name of its key, or of the setting that holds the key; None where no key is known.
        tally: what its jobs come to.
        code: the code of the error that it was answered with.
        headers: what the handlers add to the response, errors included.
        warnings: what is said in the answer of what the client sent, errors included.
        scope: cancelled, it ends the request and its connection.
    """

    request_id: str
    client: str
    trace_id: str | None = None
    key: str | None = None
    tally: Tally = field(default_factory=Tally)
    code: Code | None = None
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def names(self) -> dict[str, str]:
        """What every log line of the request carries."""
        trace = {} if self.trace_id is None else {"trace_id": self.trace_id}
        return {"request_id": self.request_id, **trace}


def request_id(sent: str | None) -> str:
    """The id to use where the client sent `sent`."""
    if sent is not None and _SANE_ID.fullmatch(sent):
        return sent
    return f"req_{secrets.token_hex(12)}"


def set_trace_id(scope: Any, trace: str) -> None:
    """Tell the trace of the request of `scope`, before its context is made."""
    scope[_TRACE] = trace


def trace_id(scope: Any) -> str | None:
    """What `set_trace_id` told."""
    return cast(str | None, scope.get(_TRACE))


def attach(scope: Any, context: RequestContext) -> None:
    """Put `context` where `current` finds it."""
    scope[_KEY] = context


def attached(scope: Any) -> RequestContext | None:
    """The context of the request of `scope`; None where it never reached the middleware."""
    return cast(RequestContext | None, scope.get(_KEY))


def current() -> RequestContext:
    """The context of the request being handled."""
    return cast(RequestContext, cast(Any, request.scope)[_KEY])
