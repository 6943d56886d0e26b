"""Requests and responses as pydantic models: what is checked, what is sent, what the API document says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from ..errors import Code
from .errors import Refused
from .urls import MAX_LENGTH

MAX_BATCH = 100
MAX_PLAYLIST = 100
WHOLE_PLAYLIST = 50  # entries that `playlist: true` stands for


def _cookie_file(text: str) -> str | None:
    for number, line in enumerate(text.splitlines(), 1):
        comment = line.startswith("#") and not line.startswith("#HttpOnly_")
        if line.strip() and not comment and len(line.split("\t")) != 7:
            raise ValueError(f"line {number} is not in the Netscape format (seven fields between tabs)")
    return text or None


def _names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _entries(value: object) -> object:
    if value is True or value == "true":
        return WHOLE_PLAYLIST
    return 0 if value is False or value == "false" else value


Url = Annotated[
    str,
    Field(
        description="The page of the video.",
        json_schema_extra={"format": "uri", "maxLength": MAX_LENGTH},
        examples=["https://www.youtube.com/watch?v=dQw4w9WgXcQ"],
    ),
]
Cookies = Annotated[
    str | None,
    AfterValidator(lambda text: None if text is None else _cookie_file(text)),
    Field(None, description="A cookie file's text in the Netscape format; used for this request alone."),
]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]


class SizeRequest(BaseModel):
    """Ask for sizes per resolution."""

    url: Url
    duration_hint: float | None = Field(
        None,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds; used where the site tells no duration.",
    )
    cookies: Cookies


class ExtractQuery(BaseModel):
    """Ask for metadata."""

    url: Url
    fields: Annotated[list[FieldName], BeforeValidator(_names)] = Field(
        [], max_length=100, description="Top-level fields to keep; none given keeps all."
    )
    playlist: Annotated[
        int,
        BeforeValidator(_entries),
        WithJsonSchema(
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_PLAYLIST}, {"type": "boolean"}]}
        ),
    ] = Field(
        0,
        ge=0,
        le=MAX_PLAYLIST,
        description=f"How many entries of a playlist to list; true: {WHOLE_PLAYLIST}, 0: the one video.",
    )


class ExtractRequest(ExtractQuery):
    """Ask for metadata, with cookies if need be."""

    cookies: Cookies


class BatchRequest(BaseModel):
    """Ask for metadata or sizes of many URLs."""

    urls: list[Url] = Field(min_length=1, max_length=MAX_BATCH, description="The pages of the videos.")
    kind: Literal["extract", "size"] = Field("extract", description="Metadata, or sizes per resolution.")
    fields: list[FieldName] = Field(
        [], max_length=100, description="Top-level fields of the metadata to keep; none given keeps all."
    )


class ResetRequest(BaseModel):
    """Which breaker to reset."""

    site: str | None = Field(
        None, min_length=1, max_length=253, description="A site such as youtube.com; not given: all of them."
    )


def refusal(error: ValidationError) -> Refused:
    """The first thing that is wrong, in a sentence that names the field but repeats nothing of its value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return Refused(Code.INVALID_REQUEST, "The body is not valid JSON")
    if not where:
        return Refused(Code.INVALID_REQUEST, "The body must be a JSON object")
    if first["type"] == "missing":
        return Refused(Code.INVALID_REQUEST, f"The field {where} is required", field=where)
    what = first["msg"].removeprefix("Value error, ")
    return Refused(
        Code.INVALID_REQUEST, f"The field {where} is invalid: {what[:1].lower()}{what[1:]}", field=where
    )


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


class SizeResponse(Model):
    """Sizes per resolution."""

    model_config = ConfigDict(extra="allow")

    ok: Literal[True] = True
    bytes: dict[str, int | None] = Field(description="By key (s144p … s4320p and variants of a codec).")
    human: dict[str, str | None] = Field(description='The same as text ("18.50 MB"), and the duration.')
    duration: int | None = Field(description="Whole seconds.")


class ExtractResponse(Model):
    """The metadata as yt-dlp gives it; fields differ from site to site."""

    model_config = ConfigDict(extra="allow")


class EventStream(RootModel[str]):
    """Server-sent events."""


class BatchSuccess(Model):
    """What a URL of a batch has brought."""

    index: int = Field(description="Its place in `urls`, from 0.")
    url: str
    ok: Literal[True] = True
    result: dict[str, Any] = Field(description="What a request of its own would have been answered.")


class BatchFailure(ErrorResponse):
    """Why a URL of a batch has brought nothing."""

    index: int = Field(description="Its place in `urls`, from 0.")
    url: str


class BatchLine(RootModel[BatchSuccess | BatchFailure]):
    """One line of a batch's answer."""


class RootResponse(Model):
    """The service says who it is."""

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
    rss: int


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
    """All breakers summed up: the worst state, the counters added."""

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
    """The results that are kept to be given again."""

    hits: int
    misses: int
    refusals: int = Field(description='Hits of a "no" for good.')
    stale: int = Field(description="Results past their time, given while a circuit breaker was open.")
    evictions: int
    entries: int
    bytes: int
    max_bytes: int


class HealthResponse(Model):
    """How the service is; 503 when it cannot serve."""

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
    config: dict[str, Any]


class UnhealthyResponse(HealthResponse, ErrorResponse):
    """The same, as an error."""

    ok: Literal[False] = False


class ProbeResponse(Model):
    """An orchestrator's probe."""

    ok: bool
    status: str


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


class ResetResponse(Model):
    """What a reset changed."""

    ok: bool
    message: str
    previous_state: str
    current_state: str


class QuarantinedUrl(Model):
    """A URL that is refused for a while."""

    url: str
    host: str
    deaths: int = Field(description="Workers that it has killed.")
    seconds_left: float


class QuarantineResponse(Model):
    """All URLs that are refused."""

    ok: bool
    urls: list[QuarantinedUrl]


class ReleaseRequest(BaseModel):
    """Which URL to release."""

    url: str | None = Field(None, max_length=MAX_LENGTH, description="As listed; not given: all of them.")


class ReleaseResponse(Model):
    """How many were known."""

    ok: bool
    released: int


class Pace(Model):
    """How fast a site is asked; slowed down by its 429s, sped up again by its answers."""

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
