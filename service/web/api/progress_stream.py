"""An extraction as server-sent events: queued, started, retrying, done."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import trio

from ...dispatch.progress import Progress, Queued, Started
from ...dispatch.request import Answer, Caller
from ...wire import Job
from .. import errors
from ..errors import Refused
from ..http.request_context import RequestContext
from ..services import Services
from .streaming import HEARTBEAT, enclosed, event, outcome

SILENCE = 10.0  # seconds without an event after which a heartbeat is sent
STEPS = 32  # buffered for a slow client; three attempts make nine


@trio.as_safe_channel
async def follow(
    services: Services, job: Job, caller: Caller, context: RequestContext
) -> AsyncGenerator[bytes, None]:
    """The events of `job`; the last is `done`, with the answer of a plain request as its data."""
    steps, taken = trio.open_memory_channel[Progress | bytes](STEPS)
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            try:
                with services.followers.take(caller.client, admin=caller.admin):
                    found = await outcome(services, job, caller, context, steps.send_nowait)
            except Refused as error:  # the last place was taken since the check
                found = errors.describe(error, caller.request_id)
            await steps.send(found.body if isinstance(found, Answer) else _json(**found))

        nursery.start_soon(run)
        while True:
            step: Progress | bytes | None = None
            with trio.move_on_after(SILENCE):
                step = await taken.receive()
            if isinstance(step, bytes):
                break
            yield HEARTBEAT if step is None else _described(step)
    for piece in enclosed(b"event: done\ndata: ", step, b"\n\n"):
        yield piece


def _described(step: Progress) -> bytes:
    if isinstance(step, Queued):
        return event("queued", _json(position=step.position, expectedWait=round(step.expected_wait, 1)))
    if isinstance(step, Started):
        return event("started", _json(attempt=step.attempt))
    error = step.message[:1].upper() + step.message[1:]
    delay = round(step.delay, 1)
    return event("retrying", _json(attempt=step.attempt, delay=delay, code=step.code.value, error=error))


def _json(**data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
