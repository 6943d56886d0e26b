"""Counters as JSON: the frozen statistics of pool and breakers under the contract's names."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import trio
from quart import Blueprint, Response, request
from quart_schema import security_scheme, tag
from quart_schema.documentation import document_response

from ... import __version__
from ...breaker.statistics import BreakersStatistics
from ...config import Config
from ...logs import timestamp
from ...pool.statistics import PoolStatistics
from ..http.access_control import admit_reader
from ..http.authentication import HEADER
from ..http.request_context import current
from ..http.responses import encoded, respond_with
from ..services import Services
from .egresses import reports
from .models import (
    BreakerConfig,
    BreakerCounters,
    Cache,
    CircuitBreaker,
    Pace,
    PoolConfig,
    SiteBreaker,
    Uptime,
    Worker,
    WorkerPool,
)
from .openapi import SECURITY, fails
from .report_models import Cell, Finding, MetricsResponse

FINDINGS = 20
CELLS = 200


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("metrics", __name__)

    @routes.get("/api/v1/metrics")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_response(MetricsResponse)
    @fails(401, 429)
    async def metrics() -> Response:
        """Counters of the worker pool and of the circuit breakers, and of sites that the client may know."""
        presented = request.headers.get(HEADER)
        admin = services.keys.admit(admit_reader(services, current(), presented), presented).admin
        sites = services.keys.sees_sites(request.headers, presented)
        make = partial(_report, services, admin=admin, sites=sites)
        return await respond_with(services.snapshots.get("metrics", (admin, sites), make))

    return routes


def _report(services: Services, *, admin: bool, sites: bool) -> bytes:
    breakers = services.breakers.statistics()
    paces = services.dispatcher.paces() if sites else ()
    now, diagnosis = trio.current_time(), services.telemetry.diagnosis
    cells = diagnosis.cells(now) if sites else ()
    findings = diagnosis.findings(cells, now, datetime.now(UTC))
    return encoded(
        MetricsResponse(
            ok=True,
            timestamp=timestamp(),
            version=__version__,
            uptime=uptime(services.lifecycle.uptime),
            worker_pool=worker_pool(services.pool.statistics(), services.config, details=admin),
            circuit_breaker=circuit_breaker(breakers, services.config),
            circuit_breakers=circuit_breakers(breakers) if sites else [],
            cache=Cache.model_validate(services.dispatcher.cache()),
            egresses=reports(services.dispatcher.egresses().egresses, sites=sites),
            paces=[Pace.model_validate(pace) for pace in paces if pace.cuts],
            why=[Finding.model_validate(finding) for finding in findings[:FINDINGS]],
            runs=[Cell.model_validate(cell) for cell in cells[:CELLS]],
        )
    )


def uptime(seconds: float) -> Uptime:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days}d" * bool(days), f"{hours}h" * bool(hours), f"{minutes}m" * bool(minutes), f"{rest}s"]
    return Uptime(seconds=round(seconds, 3), formatted=" ".join(part for part in parts if part))


def worker_pool(statistics: PoolStatistics, config: Config, *, details: bool) -> WorkerPool:
    """The pool's counters; with `details`, each worker's pid and memory too."""
    derived = {"config", "workers", "expected_wait", "scaling"}
    return WorkerPool(
        **{name: getattr(statistics, name) for name in WorkerPool.model_fields if name not in derived},
        config=PoolConfig(
            min_workers=config.min_workers,
            max_workers=config.max_workers,
            max_tasks_per_worker=config.max_tasks_per_worker,
            worker_idle_ms=config.worker_idle_ms,
            ytdlp_timeout_ms=config.ytdlp_timeout,
            queue_max=config.queue_max,
        ),
        workers=[Worker.model_validate(worker) for worker in statistics.workers] if details else None,
        expected_wait=statistics.admission.expected_wait,
        scaling=statistics.scaling.reason,
    )


def circuit_breaker(statistics: BreakersStatistics, config: Config) -> CircuitBreaker:
    """All breakers together."""
    return CircuitBreaker(
        state=statistics.state,
        failures=statistics.failures,
        successes=statistics.successes,
        stats=BreakerCounters.model_validate(statistics),
        config=BreakerConfig(
            failure_threshold=config.cb_failure_threshold,
            volume_threshold=config.cb_volume_threshold,
            success_threshold=config.cb_success_threshold,
            cooldown_ms=config.cb_cooldown_ms,
        ),
    )


def circuit_breakers(statistics: BreakersStatistics) -> list[SiteBreaker]:
    """One for each site."""
    return [
        SiteBreaker(
            site=site.site,
            state=site.state,
            failures=site.failures,
            successes=site.successes,
            retry_after=site.retry_after,
            stats=BreakerCounters.model_validate(site),
        )
        for site in statistics.sites
    ]
