"""Pure and collaboration: the labels of each metric, and the output for Prometheus and StatsD."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from service import events
from service.breaker.key import BreakerKey
from service.errors import QueueFull
from service.events import Events
from service.telemetry.cluster_metrics import ClusterMetrics
from service.telemetry.egress_metrics import EgressMetrics
from service.telemetry.labels import OTHER, SiteLabels
from service.telemetry.measurements import (
    CANCELLED,
    OK,
    AttemptEnded,
    JobEnded,
    RequestServed,
    RunEnded,
    job_measured,
)
from service.telemetry.metrics import SERVICE, Metrics
from service.telemetry.statsd import DATAGRAM, Lines, datagrams, report
from service.telemetry.telemetry import Telemetry
from tests.support.web_app import FakeCluster, FakeRollout, Web, web


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_site_gets_a_label_by_what_it_did_and_loses_it_when_others_need_it() -> None:
    lost: list[str] = []
    labels = SiteLabels(lost.append, places=2, forget=60)
    assert labels.label("junk.test", 0, worthy=False) == OTHER
    assert labels.label("a.test", 0) == "a.test"
    assert labels.label("b.test", 10) == "b.test"
    assert labels.label("c.test", 20) == OTHER  # no label is free
    assert labels.label("a.test", 50, worthy=False) == "a.test"
    assert labels.label("c.test", 69) == OTHER
    assert labels.label("c.test", 70) == "c.test"
    assert lost == ["b.test"]
    assert "a.test" in labels
    assert "b.test" not in labels


async def test_jobs_and_attempts_are_counted_by_site(autojump_clock: MockClock) -> None:
    metrics = Metrics()
    metrics.on_measurement(JobEnded("a.test", OK, 1.5))
    metrics.on_measurement(JobEnded("a.test", "NOT_FOUND", 0.1))
    metrics.on_measurement(JobEnded("a.test", "UPSTREAM_ERROR", 0.1))
    metrics.on_measurement(JobEnded("nowhere.test", "DNS", 0.1))
    metrics.on_measurement(JobEnded("gone.test", CANCELLED, 0.1))
    metrics.on_measurement(AttemptEnded("a.test", OK, 1, queued=0.5, seconds=2.0))
    metrics.on_measurement(AttemptEnded("a.test", "UPSTREAM_ERROR", 1, queued=0.25, seconds=3.0))
    assert value(metrics, "ytdlpd_jobs_total", site="a.test", outcome="OK", group="answered") == 1
    for outcome, group in (("NOT_FOUND", "declined"), ("UPSTREAM_ERROR", "failed")):
        assert value(metrics, "ytdlpd_jobs_total", site="a.test", outcome=outcome, group=group) == 1
    assert value(metrics, "ytdlpd_jobs_total", site=OTHER, outcome="DNS", group="declined") == 1
    assert value(metrics, "ytdlpd_jobs_total", site=OTHER, outcome=CANCELLED, group="cancelled") == 1
    metrics.on_measurement(RunEnded("2026.8.19", OK))
    assert value(metrics, "ytdlpd_ytdlp_runs_total", ytdlp="2026.8.19", outcome="OK", group="answered") == 1
    seconds = "ytdlpd_extraction_duration_seconds_sum"
    assert value(metrics, seconds, site="a.test", group="answered") == 2.0
    assert value(metrics, seconds, site="a.test", group="failed") == 3.0
    assert value(metrics, "ytdlpd_queue_duration_seconds_sum", tier="1") == 0.75


async def test_a_flood_of_sites_does_not_make_a_flood_of_series(autojump_clock: MockClock) -> None:
    metrics = Metrics()
    for number in range(5000):
        metrics.on_measurement(JobEnded(f"host-{number}.test", OK, 0.1))
        metrics.on_measurement(AttemptEnded(f"host-{number}.test", OK, 0, 0.0, 0.1))
    series = [sample for metric in metrics.registry.collect() for sample in metric.samples]
    assert len(series) < 3000
    assert value(metrics, "ytdlpd_jobs_total", site=OTHER, outcome="OK", group="answered") == 4900
    await trio.sleep(3601)
    metrics.on_measurement(JobEnded("late.test", OK, 0.1))
    assert value(metrics, "ytdlpd_jobs_total", site="late.test", outcome="OK", group="answered") == 1
    assert value(metrics, "ytdlpd_jobs_total", site="host-0.test", outcome="OK", group="answered") is None


async def test_events_are_counted(autojump_clock: MockClock) -> None:
    metrics = Metrics()
    for event in (
        events.BreakerChanged("a.test", "CLOSED", "OPEN", "why"),
        events.BreakerChanged(None, "CLOSED", "OPEN", "why"),
        events.WorkerEnded(1, "crashed", 3),
        events.WorkerStarted(1, 0.02),
        events.TemplateStarted(1, "2026", None),
        events.EgressDenied("a.test"),
        events.UrlQuarantined("a.test", 2),
        events.ExtractorBroken("a.test", "Generic"),
        events.CanaryBegan("2026.10.26", "2026.8.19"),
        events.ReleaseRolledBack("2026.10.26", "2026.8.19", "why"),
        events.ReleasePromoted("2026.11.1", "2026.8.19", "why"),
        events.CanaryRefused("2026.12.1", "no room"),
        events.ChallengeUnsolved("a.test", "the runtime failed"),
    ):
        metrics.on_event(event)
    assert value(metrics, "ytdlpd_breaker_transitions_total", site="a.test", to="OPEN") == 1
    assert value(metrics, "ytdlpd_breaker_transitions_total", site=SERVICE, to="OPEN") == 1
    assert value(metrics, "ytdlpd_worker_ends_total", reason="crashed") == 1
    assert value(metrics, "ytdlpd_worker_boot_duration_seconds_sum") == 0.02
    assert value(metrics, "ytdlpd_template_starts_total") == 1
    assert value(metrics, "ytdlpd_egress_denials_total") == 1
    assert value(metrics, "ytdlpd_urls_quarantined_total") == 1
    assert value(metrics, "ytdlpd_extractor_broken_total", site="a.test") == 1
    for version, step in (
        ("2026.10.26", "begun"),
        ("2026.10.26", "rolled_back"),
        ("2026.11.1", "promoted"),
        ("2026.12.1", "refused"),
    ):
        assert value(metrics, "ytdlpd_ytdlp_rollouts_total", ytdlp=version, step=step) == 1
    assert value(metrics, "ytdlpd_challenges_unsolved_total", reason="the runtime failed") == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(QueueFull(1, 1.0), "QUEUE_FULL"), (KeyError(), "INTERNAL"), (None, OK)],
)
async def test_a_job_is_measured_however_it_ends(
    error: Exception | None, outcome: str, autojump_clock: MockClock
) -> None:
    bus, told = Events(), list[events.Event]()
    bus.subscribe(told.append)
    try:
        with job_measured(bus, "a.test"):
            await trio.sleep(2)
            if error is not None:
                raise error
    except (QueueFull, KeyError):
        pass
    assert told == [JobEnded("a.test", outcome, 2.0)]


async def test_a_cancelled_job_is_told_as_such(autojump_clock: MockClock) -> None:
    bus, told = Events(), list[events.Event]()
    bus.subscribe(told.append)
    with trio.move_on_after(1), job_measured(bus, "a.test"):
        await trio.sleep_forever()
    assert told == [JobEnded("a.test", CANCELLED, 1.0)]


def observed(**settings: object) -> Web:
    """An application whose metrics read fakes."""
    it = web(**settings)
    it.telemetry.metrics.registry.register(EgressMetrics(it.dispatcher.egresses))
    it.telemetry.metrics.observe(
        it.pool, it.breakers, it.lifecycle, it.dispatcher.cache, FakeRollout().status
    )
    it.telemetry.metrics.registry.register(ClusterMetrics(FakeCluster().statistics))
    return it


def promtool_says(text: str) -> str:
    """What is wrong with the metrics; nothing where promtool is not installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return ""
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
    return checked.stderr or f"exit code {checked.returncode}" * bool(checked.returncode)


async def test_prometheus_reads_them(autojump_clock: MockClock) -> None:
    it = observed()
    await it.get("/health")
    await it.get("/no/such/path")
    await it.request("BREW", "/health")
    response = await it.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    text = (await response.get_data()).decode()
    found = {metric.name: metric for metric in text_string_to_metric_families(text)}
    requests = {
        (sample.labels["route"], sample.labels["method"], sample.labels["status"]): sample.value
        for sample in found["ytdlpd_http_requests"].samples
    }
    assert requests[("/health", "GET", "200")] == 1
    assert requests[("other", "GET", "404")] == 1
    assert requests[("/health", "other", "405")] == 1
    states = {sample.labels["state"]: sample.value for sample in found["ytdlpd_workers"].samples}
    assert states == {"booting": 0, "idle": 1, "busy": 0, "ending": 0}
    assert found["ytdlpd_build_info"].samples[0].labels["ytdlp"] == "2026.08.19"
    assert found["process_resident_memory_bytes"].samples[0].value > 0
    fates = {sample.labels["fate"]: sample.value for sample in found["ytdlpd_player_scripts"].samples}
    assert fates == {"fetched": 3, "prepared": 2, "rejected": 1, "lost": 0}
    assert found["ytdlpd_cluster_up"].samples[0].value == 1
    lookups = {sample.labels["result"]: sample.value for sample in found["ytdlpd_cluster_lookups"].samples}
    assert lookups == {"hits": 5, "misses": 4, "refusals": 3, "foreign": 1}
    assert found["ytdlpd_cluster_link_up"].samples[0].value == 1
    assert found["ytdlpd_cluster_instances"].samples[0].value == 3
    assert found["ytdlpd_cluster_waits"].samples[0].value == 2
    assert found["ytdlpd_cluster_adopted"].samples[0].value == 1
    assert promtool_says(text) == ""


async def test_openmetrics_is_spoken_too(autojump_clock: MockClock) -> None:
    it = observed()
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = await it.get("/metrics", headers=accept)
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(openmetrics((await response.get_data()).decode()))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("version", ["x", "1.0.0.0.0", "", "1;q=y", "0.0.1"])
async def test_a_version_that_is_none_gets_a_format_that_is_spoken(version: str) -> None:
    accept = {"Accept": f"application/openmetrics-text;version={version}"}
    response = await observed().get("/metrics", headers=accept)
    assert response.status_code == 200
    assert b"ytdlpd_build_info" in await response.get_data()


async def test_a_breaker_in_trouble_is_shown_though_its_site_has_no_label(autojump_clock: MockClock) -> None:
    it = observed()
    for site in ("calm.test", "broken.test"):
        it.breakers.check(BreakerKey(site))
    it.breakers.force_open("broken.test")
    metrics = it.telemetry.metrics
    assert value(metrics, "ytdlpd_breaker_state", site="broken.test") == 2
    assert value(metrics, "ytdlpd_breaker_state", site="calm.test") is None
    assert value(metrics, "ytdlpd_breaker_state", site=SERVICE) == 0
    assert value(metrics, "ytdlpd_breakers", state="OPEN") == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"X-API-Key": "the key"}, 200),
        ({"Authorization": "Bearer the key"}, 200),
        ({"Authorization": "Basic the key"}, 401),
    ],
)
async def test_it_asks_for_a_key_where_the_api_does(headers: dict[str, str], status: int) -> None:
    it = observed(require_auth=True, api_key="the key")
    assert (await it.get("/metrics", headers=headers)).status_code == status


async def test_names_of_sites_are_for_those_who_may_know_them() -> None:
    it = observed(require_auth=True, api_key="the key", admin_key="the key of an admin")
    it.telemetry.measured.emit(JobEnded("a.test", OK, 1.0))
    for key, known in (("the key", False), ("the key of an admin", True)):
        text = (await (await it.get("/metrics", headers={"X-API-Key": key})).get_data()).decode()
        assert ("a.test" in text) is known
        assert "ytdlpd_workers_target " in text


def test_statsd_gets_what_counters_grew_and_gauges_as_they_are() -> None:
    registry = CollectorRegistry()
    jobs = Counter("ytdlpd_jobs", "_", ("site",), registry=registry)
    seconds = Histogram("ytdlpd_queue_duration_seconds", "_", registry=registry)
    target = Gauge("ytdlpd_workers_target", "_", registry=registry)
    lines = Lines()
    jobs.labels("you tube.com:80|x").inc(3)
    seconds.observe(0.5)
    target.set(-2)
    assert set(lines.of(registry.collect())) == {
        "ytdlpd.jobs.you_tube_com_80_x:3|c",
        "ytdlpd.queue_duration_seconds.count:1|c",
        "ytdlpd.queue_duration_seconds.sum:0.5|c",
        "ytdlpd.workers_target:0|g",
        "ytdlpd.workers_target:-2|g",
    }
    jobs.labels("you tube.com:80|x").inc(2)
    target.set(4)
    assert set(lines.of(registry.collect())) == {
        "ytdlpd.jobs.you_tube_com_80_x:2|c",
        "ytdlpd.workers_target:4|g",
    }
    jobs.clear()
    jobs.labels("you tube.com:80|x").inc()  # it starts again from zero
    assert "ytdlpd.jobs.you_tube_com_80_x:1|c" in set(lines.of(registry.collect()))


def test_lines_are_packed_into_datagrams() -> None:
    lines = [f"ytdlpd.metric_{number}:1|c" for number in range(500)]
    packets = list(datagrams(lines))
    assert all(len(packet) <= DATAGRAM for packet in packets)
    assert b"\n".join(packets).decode().split("\n") == lines
    assert len(packets) < 20
    assert list(datagrams([])) == []


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(10)
        yield bound


async def test_statsd_arrives_over_udp(receiver: socket.socket) -> None:
    telemetry = Telemetry()
    telemetry.metrics.on_measurement(RequestServed("GET", "/health", 200, None, 0.001))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            port = receiver.getsockname()[1]
            nursery.start_soon(lambda: report(telemetry.metrics.registry, "127.0.0.1", port, interval=0.01))
            packet = await trio.to_thread.run_sync(receiver.recv, 2048)
            nursery.cancel_scope.cancel()
    assert b"ytdlpd.http_requests.health.GET.200:1|c" in packet.split(b"\n")


async def test_a_statsd_that_is_not_there_stops_nothing(autojump_clock: MockClock) -> None:
    with trio.move_on_after(35) as scope:
        await report(CollectorRegistry(), "statsd.invalid", 8125)
    assert scope.cancelled_caught
