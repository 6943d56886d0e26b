"""Pure: the alerts and the Grafana dashboard under deploy/ are valid and ask for metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from trio.testing import MockClock

from tests.unit.telemetry.test_metrics import observed

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
GRAFANA = DEPLOY / "grafana" / "ytdlpd.json"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def grafana_expressions() -> list[str]:
    """As Grafana would send them."""
    panels = json.loads(GRAFANA.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    return [expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in found]


def promtool(*arguments: str, folder: Path) -> str:
    ran = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


@needs_promtool
@pytest.mark.parametrize(
    "command",
    ["check rules alerts.yml", "test rules alerts_test.yml", "check config prometheus.yml"],
)
def test_promtool_accepts_the_alerts(command: str) -> None:
    assert promtool(*command.split(), folder=ALERTS.parent) == ""


@needs_promtool
def test_promtool_accepts_the_dashboards_expressions(tmp_path: Path) -> None:
    asked = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(grafana_expressions())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "grafana", "rules": asked}]}))
    assert promtool("check", "rules", "rules.yml", folder=tmp_path) == ""


def test_the_alerts_say_what_to_do() -> None:
    names = {rule["alert"] for rule in rules()}
    assert {
        "YtdlpdBreakerOpen",
        "YtdlpdQueueShedding",
        "YtdlpdExtractorBroken",
        "YtdlpdBootFailures",
    } <= names
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]


async def test_all_metrics_that_are_asked_for_exist(autojump_clock: MockClock) -> None:
    registry = observed().telemetry.metrics.registry
    known = {
        name + suffix
        for metric in registry.collect()
        for name in (metric.name,)
        for suffix in ("", "_total", "_bucket", "_count", "_sum")
    }
    adapter = (DEPLOY / "prometheus-adapter.yaml").read_text()
    asked = [*(rule["expr"] for rule in rules()), *grafana_expressions(), adapter]
    named = {name for expr in asked for name in re.findall(r"\b(?:ytdlpd|process)_[a-z_]+", expr)}
    assert len(named) > 20
    assert named <= known
