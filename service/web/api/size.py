"""The routes of sizes: of a video, and of each entry of a list.

The sizes of a list are a batch of its entries: it has the same lanes, counts as as many requests, and ends
with the sum. Only here does the server parse results: addresses and sizes, a few kilobytes each.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio
from quart import Blueprint, Response, request
from quart_schema import operation_id, security_scheme, tag
from quart_schema.documentation import document_querystring, document_request, document_response

from ...dispatch.request import Answer, Caller
from ...sizes import Accuracy, human_bytes, worst
from ...wire import Job, Kind
from ..http.authentication import HEADER
from ..http.request_context import RequestContext, current
from ..http.responses import encoded
from ..services import Services
from . import urls
from .answers import warned
from .batch import MakeJob, Outcome, lines
from .extract import BY_QUERY, PROGRESS, admit, answer_as, charge, cookies_of, read_body, read_query
from .models import Progress
from .openapi import EXTRACTION_STATUSES, SECURITY, fails, streams
from .requests import WHOLE_PLAYLIST, SizeQuery, SizeRequest
from .size_models import EntryLine, SizeResponse, Sum, SumLine
from .streaming import EVENTS, JSON, LINES, accepted, stream


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("size", __name__)

    def job(asked: SizeQuery, cookies: str | None, url: str) -> Job:
        return Job(
            Kind.SIZE,
            urls.check(url, sites=services.config.sites),
            duration_hint=asked.duration_hint,
            format=asked.format or "",
            language=asked.language or "",
            cookies=cookies,
        )

    @routes.post("/api/v1/size")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_request(SizeRequest)
    @document_response(SizeResponse)
    @streams(EVENTS, Progress, PROGRESS)
    @streams(LINES, EntryLine, "With entries: a line for each entry, then their sum.")
    @fails(*EXTRACTION_STATUSES)
    async def size() -> Response:
        """Sizes of a video per resolution, in bytes and as text.

        `format` adds the size of any choice of formats. `entries: true` asks for the size of each entry of a
        list: lines as those of a batch, in the order in which they are done, and a last one with their sum.
        """
        caller = admit(services)
        asked = await read_body(SizeRequest)
        jar = cookies_of(asked)
        make = partial(job, asked, jar)
        if not asked.entries:
            asked.of_one()
            return await answer_as(services, make(asked.url), caller, accepted(JSON, EVENTS))
        listing = await _listing(services, asked, jar, caller)
        return stream(_sized(services, listing, make, caller, current()), LINES)

    @routes.get("/api/v1/size")
    @operation_id("get_size")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_querystring(SizeQuery)
    @document_response(SizeResponse)
    @streams(EVENTS, Progress, PROGRESS)
    @fails(*BY_QUERY)
    async def size_by_query() -> Response:
        """Sizes of a video per resolution, in bytes and as text: for bookmarks, scripts and spreadsheets."""
        caller = admit(services)
        asked = read_query(SizeQuery, SizeRequest)
        return await answer_as(services, job(asked, None, asked.url), caller, accepted(JSON, EVENTS))

    return routes


async def _listing(services: Services, asked: SizeRequest, jar: str | None, caller: Caller) -> dict[str, Any]:
    """The addresses of the entries, each of which is counted as a request.

    Raises:
        ServiceError: the list cannot be had, or has more entries than the client may ask for at once.
    """
    limit = services.limits.of(services.keys.identify(request.headers.get(HEADER)))
    most = WHOLE_PLAYLIST if limit is None else min(WHOLE_PLAYLIST, limit.limit)
    start, count = asked.page(most)
    found = await services.dispatcher.submit(
        Job(
            Kind.ENTRIES,
            urls.check(asked.url, sites=services.config.sites),
            playlist=count,
            start=start,
            cookies=jar,
        ),
        caller,
    )
    services.outgoing.hold(current(), caller.client, found.body)  # until the last line, as it is read there
    listing: dict[str, Any] = json.loads(found.body)
    if listing["entries"]:
        charge(services, listing["entries"])
    return listing


@dataclass(slots=True)
class _Total:
    """The sum of what is known so far."""

    bytes: int = 0
    accuracy: Accuracy = Accuracy.EXACT
    entries: int = 0
    unknown: int = 0

    def add(self, found: Outcome) -> None:
        self.entries += 1
        best = json.loads(found.body) if isinstance(found, Answer) else {}
        best = best.get("selection") or best.get("best") or {}
        if best.get("bytes") is None:
            self.unknown += 1
        else:
            self.bytes += best["bytes"]
            self.accuracy = worst(self.accuracy, Accuracy(best["accuracy"]))


@trio.as_safe_channel
async def _sized(
    services: Services, listing: dict[str, Any], make: MakeJob, caller: Caller, context: RequestContext
) -> AsyncGenerator[bytes, None]:
    """A line for each entry, and the sum."""
    total = _Total(unknown=listing["missing"], entries=listing["missing"])
    entries, places = listing["entries"], listing.get("places", ())
    async with lines(services, entries, make, caller, context, total.add, places) as sizes:
        async for line in sizes:
            yield line
    summed = Sum(
        bytes=total.bytes,
        human=human_bytes(total.bytes),
        accuracy=total.accuracy,
        entries=total.entries,
        unknown=total.unknown,
    )
    last = SumLine(
        sum=summed,
        title=listing["title"],
        playlist_count=listing["playlistCount"],
        has_more=listing["hasMore"],
        cursor=listing.get("cursor"),
    )
    yield warned(encoded(last), context.warnings) + b"\n"
