"""The routes of metadata, and what all routes for work share: from a request to a job and its response."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import trio
from pydantic import BaseModel, ValidationError
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_querystring, document_request, document_response
from werkzeug.routing import Map

from ...codes import Code
from ...dispatch.request import Caller
from ...wire import Job, Kind
from ..errors import Refused, too_large
from ..http.access_control import authorize
from ..http.authentication import HEADER
from ..http.limits import client_of
from ..http.request_context import current
from ..services import Services
from . import bodies, cookies, urls
from .answers import respond
from .egresses import wanted
from .models import ExtractResponse, Progress
from .openapi import EXTRACTION_STATUSES, SECURITY, fails, streams
from .progress_stream import follow
from .requests import ExtractQuery, ExtractRequest, SizeRequest, refusal, unknown
from .streaming import EVENTS, JSON, LINES, accepted, stream

DEADLINE = "X-Deadline-Ms"
_WORK = frozenset(f"/api/v1/{name}" for name in ("extract", "size", "redirect", "subtitles"))
_ENCODED = "%3F for ?, %26 for &"
_NEVER_BLANK = ("url", "cursor")  # without its cursor a client would begin again, and never end
BY_QUERY = tuple(status for status in EXTRACTION_STATUSES if status not in (413, 415))
PROGRESS = "Progress: queued, started, retrying; done has the result or the error."
MAX_BODY_WITHOUT_COOKIES = 10 * 1024

M = TypeVar("M", bound=BaseModel)


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("extract", __name__)
    sites = services.config.sites

    async def extract(asked: ExtractQuery, jar: str | None, caller: Caller) -> Response:
        url = urls.check(asked.url, sites=sites)
        start, count = asked.page()
        liked = accepted(JSON, LINES, *((EVENTS,) if request.method == "GET" else ()))
        job = Job(
            Kind.EXTRACT,
            url,
            fields=tuple(asked.fields),
            playlist=count,
            start=start,
            format=asked.format or "",
            lines=liked == LINES,
            cookies=jar,
            egress=wanted(asked.egress, services.config),
        )
        return await answer_as(services, job, caller, liked)

    @routes.get("/api/v1/extract")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_querystring(ExtractQuery)
    @document_response(ExtractResponse)
    @streams(EVENTS, Progress, PROGRESS)
    @streams(LINES, ExtractResponse, "A playlist without its entries, then a line for each of them.")
    @fails(*BY_QUERY)
    async def extract_by_query() -> Response:
        """A video's metadata, as yt-dlp gives it.

        `fields` may be repeated or separated by commas. Cookies are accepted by POST alone: a query ends up
        in logs. Accept: application/x-ndjson asks for a playlist line by line, and text/event-stream for the
        extraction's progress: events queued (position, expectedWait), started (attempt), retrying (attempt,
        delay, code, error), and last of all done, whose data are the result or the error.
        """
        caller = admit(services)
        return await extract(read_query(ExtractQuery, ExtractRequest), None, caller)

    @routes.post("/api/v1/extract")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_request(ExtractRequest)
    @document_response(ExtractResponse)
    @streams(LINES, ExtractResponse, "A playlist without its entries, then a line for each of them.")
    @fails(*EXTRACTION_STATUSES)
    async def extract_by_body() -> Response:
        """A video's metadata, as yt-dlp gives it; with cookies if need be.

        Accept: application/x-ndjson asks for a playlist line by line: first what is known of the whole, then
        each entry.
        """
        caller = admit(services)
        asked = await read_body(ExtractRequest)
        return await extract(asked, cookies_of(asked), caller)

    return routes


async def answer_as(services: Services, job: Job, caller: Caller, liked: str) -> Response:
    """The answer to `job`, or its progress where the client has `liked` events."""
    if liked == EVENTS:
        services.followers.check(caller.client, admin=caller.admin)
        response = stream(follow(services, job, caller, current()), EVENTS)
    else:
        response = await answer(services, job, caller)
    response.headers.add("Vary", "Accept")
    return response


async def answer(services: Services, job: Job, caller: Caller) -> Response:
    """The response with the answer to `job`; the request may be answered before Quart from now on."""
    result = await services.dispatcher.submit(job, caller)
    if not job.lines:
        body = await request.data if request.method == "POST" else b""
        services.memo.learn(request.scope, body, job)
    return await respond(services, result, LINES if job.lines else JSON, caller)


def refuse_head(url_map: Map) -> None:
    """Take HEAD, which Quart adds to GET, from the routes of work: its result would be thrown away."""
    for rule in url_map.iter_rules():
        if rule.rule in _WORK and rule.methods:
            rule.methods.discard("HEAD")


def admit(services: Services) -> Caller:
    """The caller of a request for work, after access control.

    Raises:
        ShuttingDown: the service drains.
        Refused: TOO_MANY_REQUESTS, or UNAUTHORIZED.
    """
    context = current()
    known, identity = authorize(services, context, request.headers.get(HEADER))
    return Caller(
        client=client_of(known, context.client),
        tier=identity.tier,
        share=identity.share,
        timeout=_patience(request.headers.get(DEADLINE)),
        request_id=context.request_id,
        admin=identity.admin,
        fresh="no-cache" in request.headers.get("Cache-Control", ""),
        tally=context.tally,
    )


def charge(services: Services, urls: Sequence[str]) -> None:
    """Count a batch as one request for each of its `urls`; `admit` has counted one of them.

    Raises:
        Refused: TOO_MANY_REQUESTS, or INVALID_REQUEST for a batch that is larger than the limit.
    """
    context = current()
    known = services.keys.identify(request.headers.get(HEADER))
    limit = services.limits.of(known)
    if limit is not None and len(urls) > limit.limit:
        message = f"The field urls may have at most {limit.limit} entries: each counts as a request"
        raise Refused(Code.INVALID_REQUEST, message, field="urls")
    allowance = services.limits.take(known, context.client, trio.current_time(), len(urls) - 1)
    if allowance is not None:
        context.headers.update(allowance.headers)


def _patience(header: str | None) -> float:
    """The deadline that the client sets, in seconds; infinite where it sets none.

    Raises:
        Refused: INVALID_REQUEST, where the header is not a whole number of milliseconds.
    """
    if header is None:
        return math.inf
    if not (header.isascii() and header.isdigit() and int(header[:10]) > 0 and len(header) <= 10):
        raise Refused(Code.INVALID_REQUEST, f"The header {DEADLINE} must be a number of milliseconds above 0")
    return int(header) / 1000


async def read_body(model: type[M], *, most: int = MAX_BODY_WITHOUT_COOKIES) -> M:
    """The request's JSON body, checked; only cookies make it longer than `most` bytes.

    Raises:
        Refused: UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE or INVALID_REQUEST, which names the field.
    """
    if not request.is_json:
        raise Refused(
            Code.UNSUPPORTED_MEDIA_TYPE, "Send the body as JSON, with Content-Type: application/json"
        )
    data = await bodies.read()
    try:
        # Strict: "5" is no number. What is not JSON at all is found in the same pass.
        found = model.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise refusal(error, model.model_fields) from None
    if len(data) > most and getattr(found, "cookies", None) is None:
        raise too_large()
    return found


def cookies_of(asked: ExtractRequest | SizeRequest) -> str | None:
    """The cookies that were sent with a request; what is wrong with them is told with its answer.

    Raises:
        Refused: INVALID_REQUEST, where nothing of them can be used.
    """
    jar, current().warnings[:] = cookies.usable(asked.cookies)
    return jar


def read_query(model: type[M], body: type[BaseModel] | None = None) -> M:
    """The request's query, checked. What is blank is not given, as HTML forms send it.

    Args:
        body: what a POST of the same kind may have.

    Raises:
        Refused: INVALID_REQUEST, which names the field.
    """
    values: dict[str, str] = {}
    for sent, texts in request.args.lists():
        name = sent.removesuffix("[]")  # as axios and PHP write lists
        if name not in model.model_fields:
            if body is not None and name in body.model_fields:
                message = f"The field {name} is accepted in the body of a POST alone"
                raise Refused(Code.INVALID_REQUEST, message, field=name)
            parts = f"; if it is part of the url, percent-encode the url ({_ENCODED})"
            raise unknown(sent, model.model_fields, parts)
        if name != "fields" and (len(texts) > 1 or name != sent):
            message = f"The field {name} may be given once; percent-encode the url ({_ENCODED})"
            raise Refused(Code.INVALID_REQUEST, message, field=name)
        if any(texts) or name in _NEVER_BLANK:
            values[name] = ",".join([*([values[name]] if name in values else []), *texts])
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise refusal(error, model.model_fields) from None
