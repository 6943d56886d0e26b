"""Health of the service: a report, and the probes of an orchestrator. No site is asked."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import psutil
from quart import Blueprint, Response, request
from quart_schema import tag
from quart_schema.documentation import document_response

from ... import __version__
from ...breaker.statistics import BreakersStatistics
from ...cluster.port import ClusterStatistics
from ...codes import Code
from ...config import Config
from ...egress.pool import EgressStatistics
from ...lifecycle import Phase
from ...logs import timestamp
from ...pool.statistics import PoolStatistics
from ...releases.updater import UpdateStatistics
from .. import errors
from ..http.access_control import admit_reader
from ..http.authentication import HEADER
from ..http.request_context import RequestContext, current
from ..http.responses import encoded, respond_with, respond_with_json
from ..services import Services
from .egresses import reports
from .metrics import circuit_breaker, circuit_breakers, uptime, worker_pool
from .models import (
    Cache,
    Cluster,
    Dependency,
    ErrorResponse,
    ProbeResponse,
    Solver,
    Update,
)
from .openapi import fails
from .report_models import HealthResponse, UnhealthyResponse

PATHS = frozenset({"/health", "/health/main", "/health/live", "/health/ready"})

Status = Literal["healthy", "degraded", "unhealthy"]


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    @tag(["operation"])
    @document_response(HealthResponse)
    @document_response(UnhealthyResponse, 503)
    @fails(429)
    async def health() -> Response:
        """Health of the service, with its counters; pids, paths and memory only with an admin's key."""
        return await _respond(services)

    @routes.get("/health/main")
    @tag(["operation"])
    @document_response(HealthResponse)
    @document_response(UnhealthyResponse, 503)
    @fails(429)
    async def health_main() -> Response:
        """The same as /health, for old clients."""
        return await _respond(services)

    @routes.get("/health/live")
    @tag(["operation"])
    @document_response(ProbeResponse)
    async def live() -> Response:
        """Whether the process answers at all; an orchestrator restarts it when not."""
        return await respond_with(_ALIVE)

    @routes.get("/health/ready")
    @tag(["operation"])
    @document_response(ProbeResponse)
    @document_response(ErrorResponse, 503)
    async def ready() -> Response:
        """Whether to send requests here.

        503 until the floor is warm, from the moment a stop is asked for, and while nothing can be served.
        """
        if (obstacle := _obstacle(services)) is not None:
            code, why = obstacle
            raise errors.Refused(code, why, retry_after=_RETRY, status=services.lifecycle.phase.value)
        return await respond_with(_READY)

    return routes


_ALIVE = encoded(ProbeResponse(ok=True, status="alive"))
_READY = encoded(ProbeResponse(ok=True, status="ready"))
PATIENCE = 15.0  # seconds without a worker; a new template is warm in a few
_RETRY = 5.0  # seconds that a start takes, about
_NOT_READY = {
    Phase.STARTING: (Code.STARTING, "The service is starting; no worker is warm yet"),
    Phase.LAME_DUCK: (Code.SHUTTING_DOWN, "The service is about to shut down; it still serves"),
    Phase.DRAINING: (Code.SHUTTING_DOWN, "The service is shutting down"),
}


def _obstacle(services: Services) -> tuple[Code, str] | None:
    """Why no request should be sent here, and its code; cheap, because every balancer asks all the time."""
    phase = services.lifecycle.phase
    if phase is not Phase.READY:
        return _NOT_READY[phase]
    if services.pool.deserted() > PATIENCE:
        return Code.STARTING, "No worker is ready, and none could be started for a while"
    if services.breakers.held_open:
        return Code.CIRCUIT_OPEN, "An administrator holds the circuit breakers of all sites open"
    return None


def well(services: Services, context: RequestContext, path: str, presented: str | None) -> bytes | None:
    """The JSON for a GET of `path`, one of PATHS; None where the answer is an error.

    Args:
        presented: the client's key.

    Raises:
        Refused: TOO_MANY_REQUESTS.
    """
    if path == "/health/live":
        return _ALIVE
    if path == "/health/ready":
        return _READY if _obstacle(services) is None else None
    return _latest(services, context, presented).body


async def _respond(services: Services) -> Response:
    context = current()
    latest = _latest(services, context, request.headers.get(HEADER))
    if latest.body is not None:
        return await respond_with(latest.body)
    report, code = {**latest.report}, latest.code
    assert code is not None
    context.code = code
    wait = errors.waiting(code, _RETRY)
    report |= {"error": report["reason"], "code": code, "retry_after": wait}
    report["request_id"] = context.request_id
    response = await respond_with_json(UnhealthyResponse(**report), 503)
    response.headers["Retry-After"] = str(wait)
    return response


@dataclass(frozen=True, slots=True)
class _Report:
    """The fields of a report; its JSON, or the code of the error where the service cannot serve."""

    report: dict[str, Any]
    code: Code | None
    body: bytes | None


def _latest(services: Services, context: RequestContext, presented: str | None) -> _Report:
    """Raises Refused, TOO_MANY_REQUESTS."""
    known = admit_reader(services, context, presented)
    admin = known is not None and known.admin
    return services.snapshots.get("health", admin, partial(_report, services, admin))


def _report(services: Services, admin: bool) -> _Report:
    pool, breakers = services.pool.statistics(), services.breakers.statistics()
    egresses = services.dispatcher.egresses().egresses
    status, code, reason = _judge(pool, breakers, egresses, services.lifecycle.phase, services.config)
    shared = services.cluster.statistics()
    if status == "healthy" and shared is not None and shared.state != "ok":
        status, reason = (
            "degraded",
            "Nothing is shared with other instances at present; this one goes on",
        )
    report: dict[str, Any] = {
        "ok": status != "unhealthy",
        "status": status,
        "reason": reason,
        "timestamp": timestamp(),
        "version": __version__,
        "uptime": uptime(services.lifecycle.uptime),
        "system": _system() if admin else {"platform": platform.system()},
        "process": _process() if admin else {},
        "dependencies": {
            "ytdlp": Dependency(available=pool.ytdlp is not None, version=pool.ytdlp),
            "javascript": Dependency(available=pool.runtime is not None, version=pool.runtime),
        },
        "worker_pool": worker_pool(pool, services.config, details=admin),
        "circuit_breaker": circuit_breaker(breakers, services.config),
        "circuit_breakers": circuit_breakers(breakers) if admin else None,
        "cache": Cache.model_validate(services.dispatcher.cache()),
        "solver": Solver.model_validate(pool.solver) if admin and pool.solver else None,
        "cluster": cluster(shared, details=admin),
        "egresses": reports(egresses) if admin else None,
        "update": update(services.updater.statistics(), details=admin),
        "options": options_in_force(services.config) if admin else None,
        "config": {
            "requireAuth": services.config.require_auth,
            "sites": services.config.sites,
            "rateLimitWindowMs": services.config.rate_limit_window_ms,
            "rateLimitMaxRequests": services.config.rate_limit_max_requests,
        },
    }
    return _Report(report, code, encoded(HealthResponse(**report)) if code is None else None)


def options_in_force(config: Config) -> dict[str, tuple[str, ...]]:
    """What the operator tells yt-dlp, by name: values may be secret."""
    return {site: each.in_force for site, each in config.ytdlp_options.items() if each.in_force}


def update(known: UpdateStatistics, *, details: bool) -> Update:
    """What is known of a newer yt-dlp; `details` may name paths and hosts."""
    found = Update.model_validate(known)
    return found if details else found.model_copy(update={"problem": ""})


def cluster(known: ClusterStatistics | None, *, details: bool) -> Cluster | None:
    """What is shared with other instances; `details` may name hosts."""
    if known is None:
        return None
    found = Cluster.model_validate(known)
    return found if details else found.model_copy(update={"problem": None, "engine": ""})


def _judge(
    pool: PoolStatistics,
    breakers: BreakersStatistics,
    egresses: tuple[EgressStatistics, ...],
    phase: Phase,
    config: Config,
) -> tuple[Status, Code | None, str | None]:
    """The status, the code of the error where it cannot serve, and a sentence that says why."""
    if phase is not Phase.READY:
        return "unhealthy", *_NOT_READY[phase]
    booting = any(worker.state == "booting" for worker in pool.workers)
    if pool.active_workers == 0 and (pool.degraded or not booting):
        return "unhealthy", Code.INTERNAL, "No worker is ready and none can be started"
    if breakers.service.state == "OPEN":
        return "unhealthy", Code.CIRCUIT_OPEN, "The service's own circuit breaker is open"
    if pool.active_workers == 0:
        return "degraded", None, "No worker is ready yet; requests wait"
    if pool.degraded:
        return "degraded", None, "New workers fail to start; those that are ready go on"
    if pool.solver is not None and pool.solver.state == "unavailable":
        return (
            "degraded",
            None,
            "The solver of YouTube's challenges does not work; each worker solves",
        )
    if pool.queue_length and pool.queue_length >= config.queue_max:
        return "degraded", None, "The queue is full"
    if dead := [each.name for each in egresses if each.state == "quarantined"]:
        return "degraded", None, f"Egresses that do not work are left out: {', '.join(dead)}"
    if breakers.state != "CLOSED":
        return "degraded", None, "The circuit breaker of at least one site is not closed"
    return "healthy", None, None


def _system() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "platform": platform.system(),
        "release": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "loadAverage": list(os.getloadavg()),
        "memory": {"total": memory.total, "available": memory.available},
    }


def _process() -> dict[str, Any]:
    process = psutil.Process()
    memory = process.memory_info()
    return {
        "pid": process.pid,
        "memory": {"rss": memory.rss, "vms": memory.vms},
        "threads": process.num_threads(),
        "fileDescriptors": process.num_fds(),
        "workingDirectory": os.getcwd(),
    }
