"""Pure: what happens where an extra is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.config import Config, ConfigError
from service.telemetry.sinks import sentry_sink
from service.telemetry.tracing import tracer_of
from service.telemetry.webhook import webhook_of


def test_a_collector_without_opentelemetry_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some clusters set the variable in every container; the service must not end for that."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with capture_logs() as lines:
        assert tracer_of(Config.load(otel_exporter_otlp_endpoint="http://collector:4318")) is None
    (line,) = lines
    assert line["log_level"] == "warning"
    assert "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http" in line["cure"]


@pytest.mark.parametrize(
    ("module", "build", "given"),
    [
        ("httpx", webhook_of, {"webhook_url": "https://hooks.example/"}),
        ("sentry_sdk", sentry_sink, {"sentry_dsn": "https://key@sentry.example/1"}),
    ],
)
def test_what_was_asked_for_and_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, build: Callable[[Config], object], given: dict[str, Any]
) -> None:
    """The advice names a package of that project; on public indexes nobody owns the name of this one."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"is missing; pip install {module.replace('_', '-')}$"):
        build(Config.load(**given))
