"""The service's metrics, as Prometheus knows them, in a registry of their own.

Three sources: the counters of the components are read from their statistics at each scrape; events and
measurements are counted as they come. StatsD sends the same (`statsd.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Protocol

import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import __version__, events, log_stream
from ..breaker.statistics import BreakersStatistics
from ..codes import TRAITS, Blame, Code
from ..dispatch.cache import CacheStatistics
from ..lifecycle import Lifecycle, Phase
from ..pool.statistics import PoolStatistics
from ..releases.release import RolloutStatus, released
from ..solver.statistics import SolverStatistics
from .labels import SiteLabels
from .measurements import CANCELLED, OK, AttemptEnded, JobEnded, RequestServed, RunEnded, group

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
SERVICE = "(service)"  # the site label of the service's own breaker; no host name has brackets
STATES = {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}


disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series, without a use


class Pool(Protocol):
    def statistics(self) -> PoolStatistics: ...


class Breakers(Protocol):
    def statistics(self) -> BreakersStatistics: ...


class Metrics:
    """Counts events and measurements; `registry` also holds the metrics of `observe`d components."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.labels = SiteLabels(self._forget)
        self._requests = Counter(
            "ytdlpd_http_requests",
            "HTTP responses.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "ytdlpd_http_request_duration_seconds",
            "Time from a request's headers to those of its response.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._series = cache(self._served)  # looking them up takes longer than counting; they are few
        self._jobs = Counter(
            "ytdlpd_jobs",
            "Jobs by how they ended: OK, an error's code, or CANCELLED by a client that left. In group, "
            "declined is a no of the site; failed, that the site or the service broke.",
            ("site", "outcome", "group"),
            registry=self.registry,
        )
        self._extraction_seconds = Histogram(
            "ytdlpd_extraction_duration_seconds",
            "Time that one attempt held a worker.",
            ("site", "group"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._queue_seconds = Histogram(
            "ytdlpd_queue_duration_seconds",
            "Time that an attempt waited for its worker, by priority tier.",
            ("tier",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._boot_seconds = Histogram(
            "ytdlpd_worker_boot_duration_seconds",
            "Time from a worker's fork until it was ready.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._worker_ends = Counter(
            "ytdlpd_worker_ends", "Workers that ended, by reason.", ("reason",), registry=self.registry
        )
        self._transitions = Counter(
            "ytdlpd_breaker_transitions",
            "Transitions of circuit breakers, by the state they led to.",
            ("site", "to"),
            registry=self.registry,
        )
        self._denials = Counter(
            "ytdlpd_egress_denials",
            "Extractions that tried to reach an address that they may not.",
            registry=self.registry,
        )
        self._quarantined = Counter(
            "ytdlpd_urls_quarantined", "URLs that killed too many workers.", registry=self.registry
        )
        self._broken = Counter(
            "ytdlpd_extractor_broken",
            "Pages that an extractor did not understand.",
            ("site",),
            registry=self.registry,
        )
        self._unsolved = Counter(
            "ytdlpd_challenges_unsolved",
            "Jobs that lost formats to a JavaScript challenge, by the reason why it was not solved.",
            ("reason",),
            registry=self.registry,
        )
        self._runs = Counter(
            "ytdlpd_ytdlp_runs",
            "Runs of jobs on each release of yt-dlp, by how they ended: OK or an error's code.",
            ("ytdlp", "outcome", "group"),
            registry=self.registry,
        )
        self._rollouts = Counter(
            "ytdlpd_ytdlp_rollouts",
            "Releases of yt-dlp by what became of them: begun, promoted, rolled_back or refused.",
            ("ytdlp", "step"),
            registry=self.registry,
        )
        self._templates = Counter(
            "ytdlpd_template_starts", "Template processes that got warm.", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def observe(
        self,
        pool: Pool,
        breakers: Breakers,
        lifecycle: Lifecycle,
        cache: Callable[[], CacheStatistics],
        rollout: Callable[[], RolloutStatus],
    ) -> None:
        """From now on, read these components' statistics at each scrape."""
        self.registry.register(_Statistics(pool, breakers, lifecycle, cache, rollout, self.labels))

    def on_event(self, event: events.Event) -> None:
        """A sink for events."""
        match event:
            case events.BreakerChanged(site=site, current=current):
                label = SERVICE if site is None else self._label(site)
                self._transitions.labels(label, current).inc()
            case events.WorkerStarted(boot_seconds=seconds):
                self._boot_seconds.observe(seconds)
            case events.WorkerEnded(reason=reason):
                self._worker_ends.labels(reason).inc()
            case events.TemplateStarted():
                self._templates.inc()
            case events.CanaryBegan(version=version):
                self._rollouts.labels(version, "begun").inc()
            case events.ReleasePromoted(version=version):
                self._rollouts.labels(version, "promoted").inc()
            case events.ReleaseRolledBack(version=version):
                self._rollouts.labels(version, "rolled_back").inc()
            case events.CanaryRefused(version=version):
                self._rollouts.labels(version, "refused").inc()
            case events.EgressDenied():
                self._denials.inc()
            case events.UrlQuarantined():
                self._quarantined.inc()
            case events.ChallengeUnsolved(reason=reason):
                self._unsolved.labels(reason).inc()
            case events.ExtractorBroken(site=site):
                self._broken.labels(self._label(site)).inc()

    def on_measurement(self, event: events.Event) -> None:
        """A sink for measurements."""
        match event:
            case RequestServed(method, route, status, _, seconds):
                requests, request_seconds = self._series(route, method, status)
                requests.inc()
                request_seconds.observe(seconds)
            case JobEnded(site, outcome):
                self._jobs.labels(self._label(site, outcome), outcome, group(outcome)).inc()
            case RunEnded(ytdlp, outcome):
                self._runs.labels(ytdlp, outcome, group(outcome)).inc()
            case AttemptEnded(site, outcome, tier, queued, seconds):
                self._extraction_seconds.labels(self._label(site, outcome), group(outcome)).observe(seconds)
                self._queue_seconds.labels(str(tier)).observe(queued)

    def _served(self, route: str, method: str, status: int | None) -> tuple[Counter, Histogram]:
        """The series that a request counts in."""
        labels = (route, method, "none" if status is None else str(status))
        return self._requests.labels(*labels), self._request_seconds.labels(route)

    def _label(self, site: str, outcome: str = OK) -> str:
        """The site's label; an outcome for which no site is to blame earns it none."""
        worthy = outcome == OK or (outcome != CANCELLED and TRAITS[Code(outcome)].blame is Blame.SITE)
        return self.labels.label(site, trio.current_time(), worthy=worthy)

    def _forget(self, site: str) -> None:
        for metric in (self._jobs, self._extraction_seconds, self._transitions, self._broken):
            metric.remove_by_labels({"site": site})


class _Statistics(Collector):
    """Reads the statistics of the components at each scrape."""

    def __init__(
        self,
        pool: Pool,
        breakers: Breakers,
        lifecycle: Lifecycle,
        cache: Callable[[], CacheStatistics],
        rollout: Callable[[], RolloutStatus],
        labels: SiteLabels,
    ) -> None:
        self._pool = pool
        self._breakers = breakers
        self._lifecycle = lifecycle
        self._cache = cache
        self._rollout = rollout
        self._labels = labels

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry would collect once to learn the names, before there is a Trio clock."""
        return ()

    def collect(self) -> Iterator[Metric]:
        pool = self._pool.statistics()
        info = GaugeMetricFamily(
            "ytdlpd_build_info",
            "Always 1; the versions are its labels.",
            labels=("version", "ytdlp", "runtime"),
        )
        info.add_metric((__version__, pool.ytdlp or "none", pool.runtime or "none"), 1)
        yield info
        yield _gauge("ytdlpd_uptime_seconds", "Time since the start.", self._lifecycle.uptime)
        phase = GaugeMetricFamily(
            "ytdlpd_phase", "1 for the phase that the service is in.", labels=("phase",)
        )
        for each in Phase:
            phase.add_metric((each.value,), each is self._lifecycle.phase)
        yield phase
        yield _counter("ytdlpd_log_lines_dropped", "Log lines that nobody took.", log_stream.dropped())
        yield from _workers(pool)
        yield from _queue(pool)
        yield from _breaker_metrics(self._breakers.statistics(), self._labels)
        yield from _cache_metrics(self._cache())
        yield from _release_metrics(self._rollout(), pool)
        if pool.solver is not None:
            yield from _solver_metrics(pool.solver)


def _workers(pool: PoolStatistics) -> Iterator[Metric]:
    states = GaugeMetricFamily("ytdlpd_workers", "Workers by state.", labels=("state",))
    for state in ("booting", "idle", "busy", "ending"):
        states.add_metric((state,), sum(worker.state == state for worker in pool.workers))
    yield states
    yield _gauge("ytdlpd_workers_target", "Workers that the scaling controller wants.", pool.target)
    yield _gauge("ytdlpd_workers_limit", "Workers that may be had at present.", pool.scaling.limit)
    yield _gauge("ytdlpd_workers_degraded", "1 while workers fail to boot.", pool.degraded)
    memory = pool.template_memory + sum(worker.memory for worker in pool.workers)
    yield _gauge(
        "ytdlpd_workers_memory_bytes", "Memory of workers and template, shared pages once (PSS).", memory
    )
    oldest = max((worker.busy_for or 0.0 for worker in pool.workers), default=0.0)
    yield _gauge("ytdlpd_workers_longest_busy_seconds", "Time the longest running job has run.", oldest)
    yield _counter("ytdlpd_workers_created", "Workers that got ready.", pool.workers_created)
    yield _counter("ytdlpd_worker_boot_failures", "Workers that did not get ready.", pool.boot_failures)
    yield _counter("ytdlpd_task_retries", "Jobs tried again because their worker died.", pool.retried_tasks)
    tasks = CounterMetricFamily("ytdlpd_tasks", "Extractions that ended, by result.", labels=("result",))
    tasks.add_metric(("completed",), pool.completed_tasks)
    tasks.add_metric(("failed",), pool.failed_tasks)
    yield tasks


def _queue(pool: PoolStatistics) -> Iterator[Metric]:
    admission = pool.admission
    length = GaugeMetricFamily("ytdlpd_queue_length", "Requests that wait, by tier.", labels=("tier",))
    for tier, waiting in admission.tiers or ((0, 0),):
        length.add_metric((str(tier),), waiting)
    yield length
    yield _gauge("ytdlpd_queue_places", "Requests that may wait at present.", admission.places_now)
    yield _gauge(
        "ytdlpd_queue_expected_wait_seconds", "Time one more request would wait.", admission.expected_wait
    )
    yield _gauge(
        "ytdlpd_queue_longest_wait_seconds", "Time the oldest has waited so far.", admission.longest_wait
    )
    fates = CounterMetricFamily(
        "ytdlpd_queue_tickets",
        "Requests by what the queue did with them: refused at the door, shed or displaced later, or stopped.",
        labels=("fate",),
    )
    for fate in ("entered", "called", "left", "refused", "shed", "displaced", "stopped"):
        fates.add_metric((fate,), getattr(admission, fate))
    yield fates


def _breaker_metrics(breakers: BreakersStatistics, labels: SiteLabels) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "ytdlpd_breaker_state",
        f'Circuit breakers by site: 0 closed, 1 half-open, 2 open; site="{SERVICE}" is the service\'s own.',
        labels=("site",),
    )
    state.add_metric((SERVICE,), STATES[breakers.service.state])
    counts = dict.fromkeys(STATES, 0)
    worst: dict[str, int] = {}
    for breaker in breakers.sites:
        counts[breaker.state] += 1
        # A breaker that moved has cost its site's visitors many calls, so there are never many of those.
        if breaker.site in labels or breaker.state != "CLOSED":
            worst[breaker.site] = max(STATES[breaker.state], worst.get(breaker.site, 0))
    for site, value in worst.items():
        state.add_metric((site,), value)
    yield state
    number = GaugeMetricFamily("ytdlpd_breakers", "Circuit breakers of sites by state.", labels=("state",))
    for name, count in counts.items():
        number.add_metric((name,), count)
    yield number
    yield _counter("ytdlpd_breaker_opened", "Openings of sites' circuit breakers.", breakers.opened_count)
    yield _counter(
        "ytdlpd_breaker_rejections",
        "Calls that sites' circuit breakers refused.",
        breakers.rejected_requests,
    )


def _cache_metrics(cache: CacheStatistics) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "ytdlpd_cache_requests",
        "Lookups by result: a refusal is a kept no, stale stood in while a breaker was open.",
        labels=("result",),
    )
    for result, count in (
        ("hit", cache.hits),
        ("miss", cache.misses),
        ("refusal", cache.refusals),
        ("stale", cache.stale),
    ):
        requests.add_metric((result,), count)
    yield requests
    yield _counter("ytdlpd_cache_evictions", "Results that had to make room.", cache.evictions)
    yield _gauge("ytdlpd_cache_entries", "Results that are kept.", cache.entries)
    yield _gauge("ytdlpd_cache_size_bytes", "What they take.", cache.bytes)
    yield _gauge("ytdlpd_cache_limit_bytes", "What they may take.", cache.max_bytes)


def _release_metrics(rollout: RolloutStatus, pool: PoolStatistics) -> Iterator[Metric]:
    share = GaugeMetricFamily(
        "ytdlpd_ytdlp_share", "The part of the jobs that starts on a release of yt-dlp.", labels=("ytdlp",)
    )
    share.add_metric((rollout.serving,), 1 - rollout.share)
    if rollout.canary is not None:
        share.add_metric((rollout.canary,), rollout.share)
    yield share
    if (at := released(rollout.serving)) is not None:
        yield _gauge("ytdlpd_ytdlp_release_timestamp_seconds", "When the yt-dlp in service was released.", at)
    lost = GaugeMetricFamily(
        "ytdlpd_ytdlp_lost_patches",
        "Functions of a release of yt-dlp that changed and run at their own, slower speed.",
        labels=("ytdlp",),
    )
    for version, names in pool.lost_patches.items():
        lost.add_metric((version,), len(names))
    yield lost


def _solver_metrics(solver: SolverStatistics) -> Iterator[Metric]:
    works = solver.state == "ready"
    yield _gauge("ytdlpd_solver_ready", "1 while the solver works; without it each worker solves.", works)
    yield _gauge("ytdlpd_solver_scripts", "Player scripts that are kept.", len(solver.scripts))
    memory = sum(script.rss for script in solver.scripts)
    yield _gauge("ytdlpd_solver_resident_memory_bytes", "Resident memory of their processes.", memory)
    yield _counter("ytdlpd_challenges_solved", "Challenges that the solver answered.", solver.solved)
    scripts = CounterMetricFamily(
        "ytdlpd_player_scripts",
        "Player scripts by what became of them: fetched, prepared, rejected, or lost with their process.",
        labels=("fate",),
    )
    for fate, count in (
        ("fetched", solver.fetches),
        ("prepared", solver.prepared),
        ("rejected", solver.rejected),
        ("lost", solver.lost),
    ):
        scripts.add_metric((fate,), count)
    yield scripts


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
