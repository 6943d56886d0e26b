"""The admin endpoints of the release of yt-dlp that is being tried: promote it, roll it back; pin one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from quart import Blueprint, Response, request
from quart_schema import operation_id, security_scheme, tag
from quart_schema.documentation import document_request, document_response

from ...codes import Code
from ...releases.store import ReleaseStore, StoreError
from ..errors import Refused
from ..http.responses import respond_with_json
from ..services import Services
from .extract import read_body
from .models import RolloutResponse
from .openapi import SECURITY, fails
from .requests import RolloutRequest


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("rollout", __name__)
    rollout = services.rollout

    async def promote(asked: RolloutRequest) -> str:
        rollout.promote()
        return f"{asked.version} is promoted"

    async def roll_back(asked: RolloutRequest) -> str:
        rollout.rollback(asked.reason)
        return f"{asked.version} is rolled back, and barred"

    async def pin(asked: RolloutRequest) -> str:
        store = ReleaseStore(services.config.ytdlp_dir)
        await trio.to_thread.run_sync(store.pin, asked.version)
        return f"{asked.version} is pinned"

    for action, operation, summary in (
        ("promote", promote, "Let the release of yt-dlp that is being tried serve all jobs."),
        ("rollback", roll_back, "Take back the release that is being tried, or the one in service; bar it."),
        ("pin", pin, "Use this release of yt-dlp and no other."),
    ):
        view = _view(services, action, operation, summary)
        routes.add_url_rule(f"/api/v1/admin/releases/{action}", action, view_func=view, methods=["POST"])
    return routes


def _view(
    services: Services, action: str, operation: Callable[[RolloutRequest], Any], summary: str
) -> Callable[[], Any]:
    @operation_id(f"release_{action}")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_request(RolloutRequest)
    @document_response(RolloutResponse)
    @fails(400, 401, 403, 413, 415)
    async def operate() -> Response:
        services.keys.require_admin(request.headers)
        asked = await read_body(RolloutRequest)
        status = services.rollout.status()
        if action != "pin" and asked.version != (status.canary or status.serving):
            raise Refused(
                Code.INVALID_REQUEST, f"it is {status.canary or status.serving} that can be asked for"
            )
        try:
            message = await operation(asked)
        except StoreError as error:
            raise Refused(Code.INVALID_REQUEST, str(error)) from None
        return await respond_with_json(RolloutResponse(ok=True, message=message))

    operate.__doc__ = summary
    return operate
