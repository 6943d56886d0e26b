"""The schemas of the fleet, and of what administrators tell all of it."""

from __future__ import annotations

from pydantic import Field

from .models import Cluster, Model, OtherInstance


class Instance(Model):
    """An instance of the fleet, as it told of itself."""

    id: str
    name: str = Field(description="Its host and port.")
    version: str
    ytdlp: str
    phase: str
    uptime: float
    workers: int
    busy: int
    queue: int
    jobs: int
    hits: int = Field(description="Of its own cache, as are the misses.")
    misses: int
    shared_hits: int = Field(description="Results that it had from others.")
    breakers: dict[str, str] = Field(description="Sites whose breaker is not closed.")
    age: float = Field(description="Seconds since it told this; after 15 it is gone.")
    answers: bool = Field(description="It is the one that answers.")


class FleetResponse(Model):
    """Every instance that shares the engine."""

    ok: bool
    cluster: Cluster | None = Field(description="Null where CLUSTER_URL is not set.")
    instances: list[Instance]


class ResetResponse(Model):
    """What a reset changed."""

    ok: bool
    message: str
    previous_state: str
    current_state: str
    others: list[OtherInstance] = Field([], description="The other instances that answered within a second.")


class ReleaseResponse(Model):
    """How many were known."""

    ok: bool
    released: int
    others: list[OtherInstance] = Field([], description="The other instances that answered within a second.")
