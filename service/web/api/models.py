"""The schemas of responses, as pydantic models; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, RootModel
from pydantic.alias_generators import to_camel

from ...codes import Code
from ...sizes import Accuracy

PARTIAL = "Something failed and is missing: formats, or entries of a list, which are null there."
WARNINGS = "What was left out of the request, such as a line of the cookies."


class Model(BaseModel):
    """Base of responses: snake_case here, camelCase in JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class ErrorResponse(Model):
    """An error; branch on `code`, show `error`."""

    ok: Literal[False] = False
    error: str = Field(description="A sentence that a person can act on.")
    code: Code
    retry_after: int | None = Field(None, description="Seconds after which trying again may help.")
    request_id: str = Field(description="The same as in X-Request-ID.")
    warnings: list[str] = Field([], description=WARNINGS)
    video: dict[str, Any] | None = Field(
        None, description="What is known all the same: title, live_status, release_timestamp, playlistCount …"
    )


class Weight(Model):
    """A size, and how it is known."""

    model_config = ConfigDict(extra="allow")

    bytes: int | None
    human: str | None
    accuracy: Accuracy
    reason: str | None = Field(None, description="Why there is none.")


class Selection(Weight):
    """Chosen formats, with the size of all of them together."""

    expression: str
    formats: list[dict[str, Any]] = Field(description="As in the metadata, each with its size.")


class ExtractResponse(Model):
    """The metadata as yt-dlp gives it; fields differ from site to site."""

    model_config = ConfigDict(extra="allow")

    partial: bool = Field(False, description=PARTIAL)
    warnings: list[str] = Field([], description=WARNINGS)
    has_more: bool | None = Field(None, description="Of a list: it goes on after these entries.")
    cursor: str | None = Field(None, description="Of a list: what to send for the next page.")
    playlist_count: int | None = Field(None, description="Of a list: how many entries it has, if known.")
    selection: Selection | None = Field(None, description="The formats that `format` chooses.")


class Progress(Model):
    """A server-sent event of an extraction."""

    model_config = ConfigDict(json_schema_mode_override="validation")  # the data are text in the stream

    event: Literal["queued", "started", "retrying", "done"]
    data: Json[dict[str, Any]]


class NoticeData(Model):
    """These fields, and those of the kind of event."""

    model_config = ConfigDict(extra="allow")

    at: datetime = Field(description="When it happened.")
    level: Literal["debug", "info", "warning"] = Field(description="How grave it is.")


class Lost(Model):
    """The client was too slow for some events."""

    events: int = Field(description="How many there were.")


class Notice(Model):
    """A server-sent event of the service: its kind (BreakerChanged, WorkerEnded … or lost) and its fields."""

    model_config = ConfigDict(json_schema_mode_override="validation")

    event: str
    data: Json[NoticeData | Lost]
    id: str | None = Field(None, description="Its number, for Last-Event-ID.")


_TITLE = "Of an entry of a list, as the list names it."


class BatchSuccess(Model):
    """The result of one URL of a batch."""

    index: int = Field(description="Its place in `urls`, or in this page of a list, from 0.")
    url: str
    title: str | None = Field(None, description=_TITLE)
    ok: Literal[True] = True
    egress: str | None = Field(None, description="The egress that it came through, where there are several.")
    result: dict[str, Any] = Field(description="What a request of its own would have been answered.")


class BatchFailure(ErrorResponse):
    """The error of one URL of a batch."""

    index: int = Field(description="Its place in `urls`, or in this page of a list, from 0.")
    url: str
    title: str | None = Field(None, description=_TITLE)


class BatchLine(RootModel[BatchSuccess | BatchFailure]):
    """One line of the answer to a batch."""


class RootResponse(Model):
    """Name and version of the service."""

    ok: bool
    service: str
    version: str
    status: str
    documentation: str


class Uptime(Model):
    seconds: float
    formatted: str


class Dependency(Model):
    available: bool
    version: str | None


class PoolConfig(Model):
    min_workers: int
    max_workers: int
    max_tasks_per_worker: int
    worker_idle_ms: int
    ytdlp_timeout_ms: int
    queue_max: int


class Worker(Model):
    pid: int
    state: str
    tasks: int
    age: float
    memory: int = Field(description="Bytes, of shared pages its part (PSS).")
    busy_for: float | None = Field(description="Seconds for which its job has run.")
    ytdlp: str = Field(description="The release of yt-dlp that it runs.")


class WorkerPool(Model):
    """The pool's counters; `workers` only with an admin's key."""

    total_tasks: int
    completed_tasks: int
    failed_tasks: int
    active_workers: int
    idle_workers: int
    queue_length: int
    peak_workers: int
    active_tasks: int
    workers_created: int
    workers_destroyed: int
    retried_tasks: int
    boot_failures: int
    target: int
    degraded: bool = Field(description="Workers fail to boot, one after the other.")
    expected_wait: float = Field(description="Seconds that one more request would wait.")
    scaling: str = Field(description="Why there are as many workers as there are.")
    config: PoolConfig
    workers: list[Worker] | None = None


class BreakerCounters(Model):
    total_requests: int
    total_failures: int
    total_successes: int
    rejected_requests: int
    ignored_requests: int
    opened_count: int


class BreakerConfig(Model):
    failure_threshold: int
    volume_threshold: int
    success_threshold: int
    cooldown_ms: int


class CircuitBreaker(Model):
    """All breakers together: the worst state, and the sums of the counters."""

    state: str
    failures: int
    successes: int
    stats: BreakerCounters
    config: BreakerConfig


class SiteBreaker(Model):
    """The breaker of one site."""

    site: str
    state: str
    failures: int
    successes: int
    retry_after: float | None
    stats: BreakerCounters


class Cache(Model):
    """The cache of results."""

    hits: int
    misses: int
    refusals: int = Field(description='Hits of a "no" for good.')
    stale: int = Field(description="Results past their time, given while a circuit breaker was open.")
    evictions: int
    entries: int
    bytes: int
    max_bytes: int


class PlayerScript(Model):
    """One of YouTube's, taken apart and kept in a process of its own."""

    digest: str
    state: Literal["preparing", "ready"]
    pid: int | None
    solved: int
    age: float
    rss: int


class Solver(Model):
    """What solves YouTube's JavaScript challenges for all workers."""

    state: Literal["checking", "ready", "unavailable"]
    problem: str | None = Field(description="Why it is unavailable; each worker solves by itself then.")
    ejs: str | None = Field(description="The yt-dlp-ejs that it uses.")
    solved: int
    fetches: int = Field(description="Player scripts that a worker was sent for.")
    prepared: int
    rejected: int = Field(description="Player scripts that yt-dlp-ejs does not understand.")
    lost: int = Field(description="Processes that died or had to be ended.")
    scripts: list[PlayerScript]


class Cluster(Model):
    """What is shared with other instances, where CLUSTER_URL is set."""

    state: Literal["ok", "degraded"] = Field(description="degraded: each instance works alone, and goes on.")
    problem: str | None = Field(description="Why it is degraded; only with an admin's key.")
    engine: str = Field(description="The server that keeps it; only with an admin's key.")
    hits: int = Field(description="Results that another instance had.")
    misses: int
    refusals: int = Field(description="Kept noes of sites that another instance had.")
    waits: int = Field(description="Jobs that waited for another instance's extraction.")
    adopted: int = Field(description="Of those, the ones that had its result or refusal.")
    stored: int = Field(description="Results and noes given to the others.")
    losses: int = Field(description="Times that the server went away.")


class Update(Model):
    """What is known of a newer yt-dlp."""

    mode: Literal["off", "notify", "stable", "nightly"] = Field(description="The setting YTDLP_UPDATE.")
    available: str | None = Field(description="A newer version that can be fetched.")
    fetching: str | None = Field(description="What is being fetched.")
    problem: str = Field("", description="Why none can be looked for or fetched; only with an admin's key.")


class ProbeResponse(Model):
    """An orchestrator's probe."""

    ok: bool
    status: str


class QuarantinedUrl(Model):
    """A URL that is refused for a while."""

    url: str
    host: str
    deaths: int = Field(description="Workers that it has killed.")
    causes: dict[str, int] = Field(description="How they ended, such as SIGSEGV, and how many each.")
    clients: int = Field(description="Clients whose jobs killed them.")
    refused_to: str = Field(description="Everybody, or only the clients whose jobs killed two workers.")
    cookies: bool = Field(description="Whether it is about jobs with cookies, of one client.")
    seconds_left: float


class QuarantineResponse(Model):
    """All URLs that are refused."""

    ok: bool
    urls: list[QuarantinedUrl]


class Release(Model):
    """One yt-dlp that the service may use."""

    version: str
    source: str = Field(description='"installed", "index", or the index or folder that it came from.')
    fetched: float | None = Field(description="Seconds since the epoch; null for the installed one.")
    ejs: str | None = Field(description="The yt-dlp-ejs that it pins.")
    state: list[Literal["serving", "canary", "pinned", "active", "lastGood", "barred"]]


class OtherInstance(Model):
    """What another instance of the fleet answered to an administrator's request."""

    name: str
    before: str
    after: str
    problem: str | None = Field(description="Why it did nothing.")


class ReleasesResponse(Model):
    """Every yt-dlp here, newest last, and what was decided."""

    ok: bool
    releases: list[Release]
    barred: dict[str, str] = Field(description="Versions that are never used, and why.")
    verdict: str = Field(description="The judgement of the one that is being tried, in a sentence.")
    update: Update
    others: list[OtherInstance] = Field(
        [], description="What the other instances answered within a second to a pin or a bar."
    )


class Pace(Model):
    """The rate at which a site is asked; a 429 lowers it, successes raise it."""

    site: str
    rate: float = Field(description="Requests per second.")
    wait: float = Field(description="Seconds that a request made now would wait.")
    cuts: int = Field(description="How often a 429 has slowed it down.")


class DocsResponse(Model):
    """What the service offers."""

    version: str
    service: str
    description: str
    endpoints: dict[str, str]
    features: dict[str, str]
    authentication: dict[str, Any]
    rate_limit: dict[str, Any]
