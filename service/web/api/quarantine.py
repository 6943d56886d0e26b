"""The admin endpoints of the quarantine: list and release URLs that have killed workers."""

from __future__ import annotations

from urllib.parse import urlsplit

import trio
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_request, document_response

from ..http.access_control import require_admin
from ..http.responses import respond_with_json
from ..services import Services
from .extract import read_body
from .fleet_models import ReleaseResponse
from .models import OtherInstance, QuarantinedUrl, QuarantineResponse
from .openapi import SECURITY, fails
from .requests import ReleaseRequest


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("quarantine", __name__)

    @routes.get("/api/v1/admin/quarantine")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_response(QuarantineResponse)
    @fails(401, 403, 429)
    async def listed() -> Response:
        """URLs that are refused because they crashed the extraction repeatedly."""
        require_admin(services)
        found = services.dispatcher.quarantine.listed(trio.current_time())
        urls = [
            QuarantinedUrl(
                url=each.url,
                host=urlsplit(each.url).hostname or "",
                deaths=each.deaths,
                causes=dict(each.causes),
                clients=each.clients,
                refused_to="everybody" if each.for_all else "the clients whose jobs killed two workers",
                cookies=each.cookies,
                seconds_left=round(each.seconds_left, 1),
            )
            for each in found
        ]
        return await respond_with_json(QuarantineResponse(ok=True, urls=urls))

    @routes.post("/api/v1/admin/quarantine/release")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_request(ReleaseRequest)
    @document_response(ReleaseResponse)
    @fails(400, 401, 403, 413, 415, 429)
    async def release() -> Response:
        """Let URLs be tried again: the one named, or all; the body may be left out."""
        require_admin(services)
        asked = await read_body(ReleaseRequest) if await request.get_data() else ReleaseRequest(url=None)
        released = services.dispatcher.quarantine.clear(asked.url)
        others = await services.cluster.order("release", asked.url)
        told = [OtherInstance.model_validate(each) for each in others]
        return await respond_with_json(ReleaseResponse(ok=True, released=released, others=told))

    return routes
