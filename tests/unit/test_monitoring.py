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

from service.codes import Group
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


def panels() -> list[dict[str, Any]]:
    """Those of the Grafana dashboard, without the headings of its rows."""
    return [panel for panel in json.loads(GRAFANA.read_text())["panels"] if panel["type"] != "row"]


def grafana_expressions() -> list[str]:
    """As Grafana would send them."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in found]


def promtool(*arguments: str, folder: Path) -> str:
    ran = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        "check rules alerts.yml",
        "test rules alerts_test.yml",
        "check config prometheus.yml",
        "check config fleet.yml",
    ],
)
def test_promtool_accepts_the_alerts(command: str) -> None:
    assert promtool(*command.split(), folder=ALERTS.parent) == ""


def test_grafana_sorts_jobs_into_the_three_groups() -> None:
    named = {panel["title"]: panel for panel in panels()}
    colours = {
        override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
        for override in named["Jobs by group"]["fieldConfig"]["overrides"]
    }
    assert set(Group) <= set(colours)
    assert [group for group, colour in colours.items() if colour == "red"] == [Group.FAILED]
    asked = " ".join(grafana_expressions())
    assert set(re.findall(r'group="(\w+)"', asked)) == set(Group)


def test_grafana_compares_the_releases_of_yt_dlp() -> None:
    by_release = [expr for expr in grafana_expressions() if "by (ytdlp" in expr]
    assert any("ytdlpd_ytdlp_runs_total" in expr and 'group="failed"' in expr for expr in by_release)


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in json.loads(GRAFANA.read_text())["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


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


def test_every_alert_has_a_runbook() -> None:
    headings = re.findall(r"^### (Ytdlpd\w+)$", (DEPLOY.parent / "docs" / "operations.md").read_text(), re.M)
    assert sorted(headings) == sorted(rule["alert"] for rule in rules())
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


@needs_promtool
def test_the_replay_of_a_hanging_outage_finds_an_alert_that_flaps(tmp_path: Path) -> None:
    """The rule as it would be without `max_over_time` does not pass the replay."""
    steady = 'max_over_time(ytdlpd_breaker_state{site!="(service)"}[2m])'
    assert steady in ALERTS.read_text()
    flapping = ALERTS.read_text().replace(steady, 'ytdlpd_breaker_state{site!="(service)"}')
    (tmp_path / "alerts.yml").write_text(flapping)
    shutil.copy(ALERTS.with_name("alerts_test.yml"), tmp_path)
    assert "hangs.example" in promtool("test", "rules", "alerts_test.yml", folder=tmp_path)


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
