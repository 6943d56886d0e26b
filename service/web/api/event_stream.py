"""GET /api/v1/events: the events of the service as server-sent events, for admins."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import trio
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag

from ...codes import Code
from ...telemetry.event_log import Record, TooManySubscribers
from ..errors import Refused
from ..http.access_control import require_admin
from ..http.authentication import HEADER
from ..http.limits import client_of
from ..http.request_context import current
from ..services import Services
from .models import Notice
from .openapi import SECURITY, fails, streams
from .streaming import EVENTS, HEARTBEAT, event, stream

SILENCE = 10.0  # seconds without an event after which a heartbeat is sent
LAST = "DrainEnded"  # the last event of a service


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("notices", __name__)

    @routes.get("/api/v1/events")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @streams(EVENTS, Notice, "Events as they happen, with comments as heartbeats.")
    @fails(401, 403, 429, 503)
    async def notices() -> Response:
        """Transitions of breakers, workers and the service, as server-sent events; for admins.

        Last-Event-ID brings the events after it, as far as they are kept.
        """
        require_admin(services)
        event_log = services.telemetry.event_log
        client = client_of(services.keys.identify(request.headers.get(HEADER)), current().client)
        services.viewers.check(client, admin=True)
        if event_log.full:
            raise too_many()
        return stream(_follow(services, client, _last_seen()), EVENTS)

    return routes


def too_many() -> Refused:
    return Refused(Code.QUEUE_FULL, "Too many clients follow the events already", retry_after=30)


def _last_seen() -> int | None:
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


@trio.as_safe_channel
async def _follow(services: Services, client: str, after: int | None) -> AsyncGenerator[bytes, None]:
    event_log, lifecycle = services.telemetry.event_log, services.lifecycle
    try:
        with (
            services.viewers.take(client, admin=True),
            event_log.subscribe(after=after) as subscription,
        ):
            yield HEARTBEAT  # so that the headers are sent at once
            while True:
                over = lifecycle.closing.is_set()  # then the last event has been sent
                record = subscription.take() if over else await subscription.next(SILENCE)
                if lost := subscription.take_lost():
                    yield event("lost", b'{"events": %d}' % lost)
                if record is not None:
                    yield told(record)
                    if record.event == LAST:
                        return
                elif over:
                    return
                else:
                    yield HEARTBEAT
    except (TooManySubscribers, Refused):
        return  # the last place was taken since the check


def told(record: Record) -> bytes:
    """The record as a server-sent event with its number as id."""
    data = {"at": record.at, "level": record.level, **record.fields}
    return b"id: %d\n" % record.number + event(record.event, json.dumps(data, ensure_ascii=False).encode())
