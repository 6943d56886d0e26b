"""Batches: many URLs in one request, a line of JSON for each, in the order in which they are done.

A batch has a few lanes. Each takes the next URL, submits it as any other request of the same client, and
waits until its line is written. So a batch never holds more places in the queue than it has lanes, a client
that stops reading stops it, and a client that disconnects cancels what runs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import trio
from quart import Blueprint, Response
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_request

from ...codes import Code
from ...dispatch.request import Answer, Caller
from ...errors import ServiceError, ShuttingDown
from ...lifecycle import Phase
from ...wire import Job, Kind
from .. import errors
from ..http.request_context import RequestContext, current
from ..services import Services
from . import urls
from .bodies import MAX_BODY
from .egresses import wanted
from .extract import admit, charge, read_body
from .models import BatchLine
from .openapi import EXTRACTION_STATUSES, SECURITY, fails, streams
from .requests import BatchRequest, out_of_place
from .streaming import LINES, enclosed, outcome, stream

LANES = 4  # URLs of one batch that wait or run at a time

MakeJob = Callable[[str], Job]  # of a URL; raises Refused where the URL is not acceptable
Outcome = Answer | dict[str, Any]  # the answer, or the JSON of the error
Watch = Callable[[Outcome], None]


def _ignore(found: Outcome) -> None: ...


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("batch", __name__)

    @routes.post("/api/v1/batch")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_request(BatchRequest)
    @streams(LINES, BatchLine, "A line for each URL, in the order in which they are done.")
    @fails(*(status for status in EXTRACTION_STATUSES if status not in (422, 502, 504)))
    async def batch() -> Response:
        """Metadata or sizes of many URLs, line by line, in the order in which they are done.

        Each line tells the URL and its place in the request, and what a request of its own would have been
        answered. A batch counts as many requests as it has URLs. X-Deadline-Ms holds for each URL.
        """
        caller = admit(services)
        asked = await read_body(BatchRequest, most=MAX_BODY)
        if asked.fields and asked.kind == "size":
            raise out_of_place("fields", "kind: extract")
        egress = wanted(asked.egress, services.config) if asked.kind == "extract" else ""
        charge(services, asked.urls)

        def make(url: str) -> Job:
            urls.check(url, sites=services.config.sites)
            return Job(Kind(asked.kind), url, fields=tuple(asked.fields), egress=egress)

        return stream(lines(services, asked.urls, make, caller, current()), LINES)

    return routes


@trio.as_safe_channel
async def lines(
    services: Services,
    asked: Sequence[str],
    make: MakeJob,
    caller: Caller,
    context: RequestContext,
    watch: Watch = _ignore,
    told: Sequence[Mapping[str, Any]] = (),
) -> AsyncGenerator[bytes, None]:
    """The lines that answer the jobs of the URLs `asked`, each outcome also told to `watch`.

    Args:
        told: what else stands in the line of each.

    At worst it holds one result per lane, and the one being written.
    """
    done, taken = trio.open_memory_channel[tuple[dict[str, Any], Outcome]](0)
    places = iter(
        {"index": index, "url": url, **(more or {})}
        for index, (url, more) in enumerate(zip_longest(asked, told))
    )
    async with trio.open_nursery() as nursery:
        async with done:
            for _ in range(LANES):
                nursery.start_soon(_lane, services, make, caller, context, places, done.clone())
        async for place, found in taken:
            watch(found)
            for piece in _line(place, found):
                yield piece
            if isinstance(found, Answer):
                services.outgoing.let_go(context, found.body)


def _line(place: dict[str, Any], found: Outcome) -> tuple[bytes, ...]:
    """The line for the URL at `place`, in pieces."""
    if not isinstance(found, Answer):
        return (json.dumps({**place, **found}).encode() + b"\n",)
    egress = {"egress": found.egress} if found.egress else {}
    head = json.dumps({**place, "ok": True, **egress}).encode()
    return enclosed(head[:-1] + b', "result": ', found.body, b"}\n")


async def _lane(
    services: Services,
    make: MakeJob,
    caller: Caller,
    context: RequestContext,
    places: Iterator[dict[str, Any]],
    done: trio.MemorySendChannel[tuple[dict[str, Any], Outcome]],
) -> None:
    """Answer one URL after the other until none is left."""
    async with done:
        for place in places:
            await done.send((place, await _one(services, make, caller, context, place["url"])))


async def _one(
    services: Services, make: MakeJob, caller: Caller, context: RequestContext, url: str
) -> Outcome:
    """The answer for `url`, or the JSON of the error. It waits for a full queue, within its deadline."""
    try:
        job = make(url)
    except ServiceError as error:
        return errors.describe(error, caller.request_id)
    patience = trio.current_time() + min(services.config.job_timeout, caller.timeout)
    while services.lifecycle.phase is not Phase.DRAINING:
        found = await outcome(services, job, caller, context)
        if isinstance(found, Answer) or found["code"] != Code.QUEUE_FULL:
            return found
        pause = found["retryAfter"]
        if trio.current_time() + pause > patience:
            return found
        with trio.move_on_after(pause):
            await services.lifecycle.draining.wait()
    return errors.describe(ShuttingDown(), caller.request_id)
