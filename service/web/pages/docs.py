"""The description of the API: JSON for programs, a page for people, and the OpenAPI document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from quart import Blueprint, Response, current_app, render_template, request
from quart_schema import tag
from quart_schema.documentation import document_response

from ... import __version__
from ..api.models import DocsResponse
from ..api.openapi import document
from ..http.authentication import HEADER
from ..http.responses import respond_with, respond_with_json
from ..services import Services
from . import swagger

_FEATURES = {
    "workerPool": "Warm yt-dlp processes, between a floor and a ceiling; each is replaced after a while.",
    "circuitBreaker": "One for each site: a site that keeps failing is left alone until it recovers.",
    "requestTracing": "X-Request-ID goes in, comes out, and is in every error and log line.",
    "retryLogic": "Failures that pass are tried again with growing pauses, within the request's deadline.",
    "sharing": "Equal requests at the same time share one extraction; those with cookies never do.",
    "batch": "Many URLs in one request, a line of JSON for each as it is done; each counts as a request.",
    "streaming": "A playlist line by line, and an extraction's progress as server-sent events.",
    "cancellation": "A client that hangs up frees its worker at once.",
    "gracefulShutdown": "On SIGTERM running work is finished and every client is answered.",
}


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("docs", __name__)
    config = services.config
    swagger.add_files(routes)

    @cache
    def description() -> dict[str, Any]:
        paths = _document_of_app()["paths"]
        limit, seconds = config.rate_limit_max_requests, config.rate_limit_window_ms / 1000
        return DocsResponse(
            version=__version__,
            service="ytdlpd",
            description="What is behind a URL, and how big is it in each resolution? yt-dlp as a service.",
            endpoints={
                f"{method.upper()} {path}": operation["summary"]
                for path, methods in paths.items()
                for method, operation in methods.items()
            },
            features=_FEATURES,
            authentication={
                "required": config.require_auth,
                "header": HEADER,
                "description": "Health and these pages need no key; admin endpoints need an admin's key.",
            },
            rate_limit={
                "enabled": limit > 0,
                "maxRequests": limit,
                "windowMs": config.rate_limit_window_ms,
                "description": f"{limit} extractions in {seconds:g} s for each client, in bursts if need be."
                if limit
                else "There is none.",
            },
        ).model_dump(by_alias=True)

    @routes.get("/api/v1/docs")
    @tag(["documentation"])
    @document_response(DocsResponse)
    async def docs() -> Response:
        """What the service offers; a page for browsers."""
        accepted = request.accept_mimetypes
        if accepted.quality("text/html") > accepted.quality("application/json"):
            response = await _page(description())
        else:
            response = await respond_with_json(description())
        response.headers.add("Vary", "Accept")
        return response

    @routes.get("/api/v1/openapi")
    @tag(["documentation"])
    @document_response(dict[str, Any])
    async def openapi() -> Response:
        """This API as an OpenAPI document."""
        return await respond_with(_openapi_bytes())

    @cache
    def _openapi_bytes() -> bytes:
        return json.dumps(_document_of_app(), ensure_ascii=False).encode()

    @cache
    def _document_of_app() -> dict[str, Any]:
        return document(current_app)

    return routes


async def _page(description: dict[str, Any]) -> Response:
    page = await render_template("docs.html", **description)
    response = await respond_with(page.encode(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = swagger.POLICY
    return response
