"""The fleet: every instance, as any of them sees it."""

from __future__ import annotations

from quart import Blueprint, Response
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_response

from ..http.access_control import require_admin
from ..http.responses import respond_with_json
from ..services import Services
from .fleet_models import FleetResponse, Instance
from .health import cluster
from .openapi import SECURITY, fails


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("fleet", __name__)

    @routes.get("/api/v1/fleet")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_response(FleetResponse)
    @fails(401, 403, 429)
    async def fleet() -> Response:
        """The instances that share an engine, as each told of itself within the last 15 s."""
        require_admin(services)
        me, seen = services.cluster.id, services.cluster.sightings()
        instances = [
            Instance(**each.member.model_dump(), age=round(each.age, 1), answers=each.member.id == me)
            for each in seen
        ]
        found = cluster(services.cluster.statistics(), details=True)
        return await respond_with_json(FleetResponse(ok=True, cluster=found, instances=instances))

    return routes
