"""The admin endpoints of circuit breakers: reset, close, open, disable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Blueprint, Response, request
from quart_schema import operation_id, security_scheme, tag
from quart_schema.documentation import document_request, document_response

from ...breaker.machine import State
from ...cluster.messages import Action
from ...errors import UnknownSite
from ..http.access_control import require_admin
from ..http.responses import respond_with_json
from ..services import Services
from .extract import read_body
from .fleet_models import ResetResponse
from .models import OtherInstance
from .openapi import SECURITY, fails
from .requests import ResetRequest

Operation = Callable[[str | None], tuple[str, str]]


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("admin", __name__)
    breakers = services.breakers
    operations: tuple[tuple[Action, Operation, str, str], ...] = (
        ("reset", services.dispatcher.reset, "Make circuit breakers and paces as new.", "reset"),
        ("close", breakers.close, "Close circuit breakers, and let traffic back in gradually.", "closed"),
        ("open", breakers.force_open, "Keep circuit breakers open until told otherwise.", "opened"),
        ("disable", breakers.disable, "Let every call through until told otherwise.", "disabled"),
    )
    for action, operation, summary, done in operations:
        view = _view(services, action, operation, summary, done)
        routes.add_url_rule(
            f"/api/v1/admin/circuit-breaker/{action}", action, view_func=view, methods=["POST"]
        )
    return routes


def _view(
    services: Services, action: Action, operation: Operation, summary: str, done: str
) -> Callable[[], Any]:
    @operation_id(f"circuit_breaker_{action}")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_request(ResetRequest)
    @document_response(ResetResponse)
    @fails(400, 401, 403, 413, 415, 429)
    async def operate() -> Response:
        require_admin(services)
        breakers = services.breakers
        asked = await read_body(ResetRequest) if await request.get_data() else ResetRequest(site=None)
        unknown: UnknownSite | None = None
        previous = current = State.CLOSED.value
        try:
            previous, current = operation(asked.site)
        except UnknownSite as error:
            if len(services.cluster.sightings()) < 2:  # otherwise another instance may know it
                raise
            unknown = error
        others = await services.cluster.order(action, asked.site)
        if unknown is not None:
            if all(each.problem for each in others):
                raise unknown
            if action == "open":
                previous, current = breakers.force_open(asked.site, expected=True)
            elif action == "disable":
                previous, current = breakers.disable(asked.site, expected=True)
        whose = f"The circuit breaker of {asked.site} was" if asked.site else "All circuit breakers were"
        return await respond_with_json(
            ResetResponse(
                ok=True,
                message=f"{whose} {done}",
                previous_state=previous,
                current_state=current,
                others=[OtherInstance.model_validate(each) for each in others],
            )
        )

    operate.__doc__ = f"{summary}\n\nThe site's, or all of them; the body may be left out."
    return operate
