"""Contract: what Sentry is sent, by a real process with a transport that prints it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import http.client, json, logging, sys
import sentry_sdk, structlog
from sentry_sdk.transport import Transport
from service import events, logs
from service.config import Config
from service.telemetry.sinks import sentry_sink

class Printer(Transport):
    def capture_envelope(self, envelope):
        print(json.dumps(envelope.get_event()))

start = sentry_sdk.init
sentry_sdk.init = lambda **options: start(**options, transport=Printer)
config = Config.load(sentry_dsn="https://abc@sentry.test/1", webhook_url="https://hooks.test/SECRET", port=0)
logs.configure(config)
sink = sentry_sink(config)

logging.getLogger("httpx").info("HTTP Request: POST https://hooks.test/SECRET")
logging.getLogger("service.access").info("request", extra={"client": "203.0.113.9"})
try:
    http.client.HTTPConnection("127.0.0.1", 1, timeout=1).request("GET", "/SECRET")
except OSError:
    pass
sink(events.BreakerChanged("a.test", "CLOSED", "OPEN", "5 of 10 failed"))
sink(events.BreakerChanged("a.test", "OPEN", "HALF_OPEN", "the cooldown is over"))
sink(events.BreakerChanged("a.test", "HALF_OPEN", "OPEN", "a probe failed"))
sink(events.BreakerChanged("b.test", "CLOSED", "OPEN", "5 of 10 failed"))
sink(events.BreakerChanged("b.test", "OPEN", "CLOSED", "enough probes succeeded"))
sink(events.ExtractorBroken("a.test", "A"))
sink(events.WorkerBootFailed("no memory", 1.0))
log = structlog.get_logger("service.web")
try:
    raise RuntimeError("GET https://user:SECRET@u.test/v?token=SECRET failed")
except RuntimeError:
    log.exception("request_failed", url="https://u.test/v?token=SECRET")
"""


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    assert "SECRET" not in done.stderr  # nor is it in the log
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_issues_are_grouped_by_event_and_site(reports: list[dict[str, Any]]) -> None:
    told = [(report["message"], report["fingerprint"]) for report in reports if "message" in report]
    assert told == [
        ("BreakerChanged a.test", ["BreakerChanged", "a.test"]),
        ("BreakerChanged a.test", ["BreakerChanged", "a.test"]),
        ("BreakerChanged b.test", ["BreakerChanged", "b.test"]),
        ("ExtractorBroken a.test", ["ExtractorBroken", "a.test"]),
        ("WorkerBootFailed", ["WorkerBootFailed", ""]),
    ]
    assert reports[0]["tags"] == {"event": "BreakerChanged", "site": "a.test"}
    assert {report["level"] for report in reports if "message" in report} == {"warning"}


def test_a_fault_of_the_service_is_told(reports: list[dict[str, Any]]) -> None:
    (fault,) = [report for report in reports if "exception" in report]
    assert fault["level"] == "error"
    assert fault["exception"]["values"][0]["type"] == "RuntimeError"


def test_no_report_has_a_secret_a_request_or_a_line_of_the_log(reports: list[dict[str, Any]]) -> None:
    assert len(reports) == 6
    for report in reports:
        assert not report.get("breadcrumbs", {}).get("values")
        assert not {"request", "user"} & report.keys()
    assert "SECRET" not in json.dumps(reports)
    assert "203.0.113.9" not in json.dumps(reports)
