"""The routes that answer with something other than JSON about a video: the way to its file, its subtitles."""

from __future__ import annotations

import json
from urllib.parse import quote

from quart import Blueprint, Response
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_querystring, document_response

from ...wire import Job, Kind
from ..http.responses import respond_with
from ..services import Services
from . import urls
from .answers import headers_of, respond
from .egresses import wanted
from .extract import BY_QUERY, admit, read_query
from .openapi import SECURITY, fails, streams
from .requests import RedirectQuery, SubtitlesQuery
from .size_models import Direct, Transcript
from .streaming import JSON

TYPES = {"txt": "text/plain; charset=utf-8", "srt": "application/x-subrip", "vtt": "text/vtt", "json": JSON}
_RESERVED = "%:/?#[]@!$&'()*+,;=~"


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("direct", __name__)

    @routes.get("/api/v1/redirect")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_querystring(RedirectQuery)
    @document_response(Direct, 302)
    @fails(*BY_QUERY)
    async def redirect() -> Response:
        """Redirect to a video's file, where a client can use it as it is.

        By default to the best format that has picture and sound. A format in parts or fragments, or one whose
        server asks for headers or cookies, is refused with NO_DIRECT_URL and the reason.
        """
        caller = admit(services)
        asked = read_query(RedirectQuery)
        url = urls.check(asked.url, sites=services.config.sites)
        egress = wanted(asked.egress, services.config)
        job = Job(Kind.LOCATION, url, format=asked.format or "", egress=egress)
        found = await services.dispatcher.submit(job, caller)
        response = await respond_with(found.body, content_type=JSON)
        response.status_code = 302
        response.headers.update(headers_of(found))
        del response.headers["ETag"]  # a redirect is not revalidated
        response.headers["Location"] = quote(json.loads(found.body)["location"], safe=_RESERVED)
        return response

    @routes.get("/api/v1/subtitles")
    @tag(["extraction"])
    @security_scheme(SECURITY)
    @document_querystring(SubtitlesQuery)
    @streams(TYPES["txt"].partition(";")[0], Transcript, "The text alone, a line for each cue.")
    @streams(TYPES["srt"], Transcript, "SubRip.")
    @streams(TYPES["vtt"], Transcript, "WebVTT.")
    @streams(TYPES["json"], Transcript, "A list of start, end and text.")
    @fails(*BY_QUERY)
    async def subtitles() -> Response:
        """What is said in a video: its subtitles, or else the captions that the site has generated."""
        caller = admit(services)
        asked = read_query(SubtitlesQuery)
        url = urls.check(asked.url, sites=services.config.sites)
        job = Job(Kind.SUBTITLES, url, format=asked.format, language=asked.language or "")
        found = await services.dispatcher.submit(job, caller)
        return await respond(services, found, TYPES[asked.format], caller)

    return routes
