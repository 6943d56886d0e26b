"""Collaboration and end-to-end: a request's spans, their parent, and the export to a collector."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.codes import Code
from service.config import Config
from service.dispatch.request import Answer
from service.errors import ExtractionError
from service.telemetry.measurements import CANCELLED, OK, AttemptEnded
from service.telemetry.telemetry import Telemetry
from service.telemetry.tracing import Tracer, tracer_of
from service.wire import Job
from tests.internet import Internet
from tests.support.running_service import Service
from tests.support.web_app import ANSWER, URL, Web, web

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced:
    """An application that keeps its spans; its fake dispatcher measures as the real one does."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        tracer = Tracer(provider)
        telemetry = Telemetry(tracer=tracer)
        telemetry.measured.subscribe(tracer.on_measurement)
        self.outcome: Code | None = None

        async def behaviour(job: Job) -> Answer:
            outcome = self.outcome.value if self.outcome else OK
            telemetry.measured.emit(
                AttemptEnded("youtube.com", outcome, 1, 0.25, 0.5, 2, "2026.8.19", "req_1")
            )
            if self.outcome:
                raise ExtractionError(self.outcome, "it says why")
            return ANSWER

        self.web: Web = web()
        self.web.dispatcher.behaviour = behaviour
        self.web.telemetry = telemetry
        self.web.build()


async def test_a_request_its_wait_and_its_extraction_are_one_trace() -> None:
    it = Traced()
    await it.web.post("/api/v1/extract", {"url": URL}, headers={"traceparent": PARENT})
    spans = {span.name: span for span in it.spans.get_finished_spans()}
    request, queue, extraction = spans["POST /api/v1/extract"], spans["queue"], spans["extraction"]
    assert request.context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert request.parent is not None
    assert request.parent.span_id == 0xB7AD6B7169203331
    for inner in (queue, extraction):
        assert inner.parent is not None
        assert inner.parent.span_id == request.context.span_id
    assert queue.end_time == extraction.start_time
    assert queue.start_time is not None
    assert queue.end_time is not None
    assert queue.end_time - queue.start_time == 250_000_000
    assert extraction.attributes == {
        "ytdlpd.site": "youtube.com",
        "ytdlpd.outcome": OK,
        "ytdlpd.attempt": 2,
        "ytdlpd.release": "2026.8.19",
        "ytdlpd.request_id": "req_1",
    }


async def test_a_request_has_the_attributes_of_the_semantic_conventions() -> None:
    it = Traced()
    headers = {"X-Request-ID": "story-1", "User-Agent": "curl/8", "Host": "sizes.example:3000"}
    with structlog.testing.capture_logs() as told:
        await it.web.post("/api/v1/extract?token=hush", {"url": URL}, headers=headers)
    (request,) = (span for span in it.spans.get_finished_spans() if span.name == "POST /api/v1/extract")
    attributes = dict(request.attributes or {})
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/api/v1/extract",
        "http.response.status_code": 200,
        "url.path": "/api/v1/extract",
        "url.scheme": "http",
        "server.address": "sizes.example",
        "client.address": attributes["client.address"],
        "user_agent.original": "curl/8",
        "network.protocol.version": "1.1",
        "ytdlpd.request_id": "story-1",
    }
    (line,) = (line for line in told if line["event"] == "request")
    assert line["trace_id"] == f"{request.context.trace_id:032x}"
    assert (line["request_id"], line["client"]) == ("story-1", attributes["client.address"])


async def test_probes_and_scrapes_are_no_traces_and_a_strange_path_is_no_route() -> None:
    it = Traced()
    for path in ("/metrics", "/health", "/health/live", "/health/ready"):
        assert (await it.web.get(path)).status_code == 200
    assert it.spans.get_finished_spans() == ()
    await it.web.get("/nothing")
    (span,) = it.spans.get_finished_spans()
    assert span.name == "GET"
    assert "http.route" not in (span.attributes or {})


@pytest.mark.parametrize(
    ("code", "request_fails", "extraction_fails"),
    [(Code.PRIVATE, False, False), (Code.BOT_CHECK, False, True), (Code.UPSTREAM_ERROR, True, True)],
)
async def test_a_no_of_the_site_is_no_error(code: Code, request_fails: bool, extraction_fails: bool) -> None:
    it = Traced()
    it.outcome = code
    await it.web.post("/api/v1/extract", {"url": URL})
    spans = {span.name: span for span in it.spans.get_finished_spans()}
    for name, fails in (("POST /api/v1/extract", request_fails), ("extraction", extraction_fails)):
        assert (spans[name].status.status_code is StatusCode.ERROR) is fails
        assert ("error.type" in (spans[name].attributes or {})) is fails
    assert (spans["POST /api/v1/extract"].attributes or {})["ytdlpd.code"] == code


async def test_failures_are_marked() -> None:
    it = Traced()
    it.outcome = Code.UPSTREAM_ERROR
    await it.web.post("/api/v1/extract", {"url": URL})
    spans = {span.name: span for span in it.spans.get_finished_spans()}
    request = spans["POST /api/v1/extract"]
    assert request.parent is None
    assert request.attributes is not None
    assert request.attributes["error.type"] == "UPSTREAM_ERROR"
    assert request.status.status_code is StatusCode.ERROR
    assert spans["extraction"].status.description == "UPSTREAM_ERROR"


async def test_a_client_that_left_is_no_failure() -> None:
    it = Traced()
    assert it.web.telemetry.tracer is not None
    it.web.telemetry.tracer.on_measurement(AttemptEnded("a.test", CANCELLED, 0, queued=0.0, seconds=0.5))
    extraction = it.spans.get_finished_spans()[-1]
    assert extraction.status.status_code is StatusCode.UNSET


async def test_without_a_collector_there_is_no_tracer() -> None:
    assert tracer_of(Config.load()) is None


async def test_a_collector_that_is_not_there_does_not_hold_up_the_end() -> None:
    tracer = tracer_of(Config.load(otel_exporter_otlp_endpoint="http://127.0.0.1:9"))
    assert tracer is not None
    tracer.on_measurement(AttemptEnded("a.test", OK, 0, queued=0.0, seconds=0.5))
    with trio.fail_after(10):
        await tracer.finish()


def test_a_running_service_exports_its_spans(internet: Internet) -> None:
    """End-to-end, with the real exporter."""
    names: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names.extend(span.name for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_port}"
            with Service.run(internet, settings={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}) as service:
                assert service.extract("https://youtu.be/dQw4w9WgXcQ").status_code == 200
        finally:
            server.shutdown()
            thread.join()
    assert {"POST /api/v1/extract", "queue", "extraction"} <= set(names)
