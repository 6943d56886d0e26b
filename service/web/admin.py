"""What an admin may do."""

from __future__ import annotations

from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_request, document_response

from .auth import HEADER
from .extract import read_body
from .models import ResetRequest, ResetResponse
from .openapi import SECURITY, fails
from .replies import reply_json
from .rooms import Rooms


def blueprint(rooms: Rooms) -> Blueprint:
    routes = Blueprint("admin", __name__)

    @routes.post("/api/v1/admin/circuit-breaker/reset")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_request(ResetRequest)
    @document_response(ResetResponse)
    @fails(400, 401, 403, 413, 415)
    async def reset_circuit_breaker() -> Response:
        """Close the circuit breakers: all of them, or that of one site. The body may be left out."""
        rooms.keys.require_admin(request.headers.get(HEADER))
        asked = await read_body(ResetRequest) if await request.get_data() else ResetRequest(site=None)
        previous, current = rooms.breakers.reset(asked.site)
        whose = f"The circuit breaker of {asked.site} was" if asked.site else "All circuit breakers were"
        return await reply_json(
            ResetResponse(ok=True, message=f"{whose} reset", previous_state=previous, current_state=current)
        )

    return routes
