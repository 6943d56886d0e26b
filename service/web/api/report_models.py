"""The schemas of the reports on the service's health and counters, as pydantic models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, Field

from .models import (
    Cache,
    CircuitBreaker,
    Cluster,
    Dependency,
    ErrorResponse,
    Model,
    Pace,
    SiteBreaker,
    Solver,
    Update,
    Uptime,
    WorkerPool,
)


class SiteQuarantine(Model):
    """A site that an egress is left out for."""

    site: str
    seconds_left: float


class EgressReport(Model):
    """How an egress does."""

    name: str
    egress_class: str = Field(
        validation_alias=AliasChoices("class", "egress_class"),
        serialization_alias="class",
        description="Its country or provider.",
    )
    state: str = Field(description="usable; probing: a job is to show that it works again; or quarantined.")
    in_flight: int
    jobs: int
    failures: int = Field(description="Those that blame it.")
    quarantined: list[SiteQuarantine]


class HealthResponse(Model):
    """Health of the service; 503 when it cannot serve."""

    ok: bool
    status: Literal["healthy", "degraded", "unhealthy"]
    reason: str | None = Field(description="Why it is not healthy.")
    timestamp: str
    version: str
    uptime: Uptime
    system: dict[str, Any]
    process: dict[str, Any] = Field(description="Filled only with an admin's key.")
    dependencies: dict[str, Dependency]
    worker_pool: WorkerPool
    circuit_breaker: CircuitBreaker
    circuit_breakers: list[SiteBreaker] | None = Field(None, description="Only with an admin's key.")
    cache: Cache
    solver: Solver | None = Field(None, description="Only with an admin's key.")
    egresses: list[EgressReport] | None = Field(None, description="Only with an admin's key.")
    cluster: Cluster | None = Field(None, description="Only where CLUSTER_URL is set.")
    update: Update
    options: dict[str, list[str]] | None = Field(
        None,
        description="The names of the operator's options for yt-dlp, by site; * stands for all others. "
        "Only with an admin's key.",
    )
    config: dict[str, Any]


class UnhealthyResponse(HealthResponse, ErrorResponse):
    """The same, as an error."""

    ok: Literal[False] = False


class Finding(Model):
    """What has failed at a site in the last hour, and what an operator should know of it."""

    site: str
    code: str
    runs: int = Field(description="Those that ended with the code.")
    total: int
    since: float = Field(description="Seconds ago, when it began.")
    sentence: str


class Cell(Model):
    """The runs of a site with one outcome on one release of yt-dlp and one egress, of the last six hours."""

    site: str
    outcome: str = Field(description="OK or a code.")
    ytdlp: str
    egress: str = Field(description="Empty where there is one way out.")
    runs: int
    since: float = Field(description="Seconds ago, the first of them.")
    last: float = Field(description="Seconds ago, the last of them.")


class MetricsResponse(Model):
    """Counters since the start."""

    ok: bool
    timestamp: str
    version: str
    uptime: Uptime
    worker_pool: WorkerPool
    circuit_breaker: CircuitBreaker
    circuit_breakers: list[SiteBreaker]
    cache: Cache
    paces: list[Pace]
    egresses: list[EgressReport]
    why: list[Finding] = Field(description="The most frequent failures, where the client may know of sites.")
    runs: list[Cell] = Field(description="What `why` follows from, the latest first.")
