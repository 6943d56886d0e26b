"""Pure, with Helm's own code in another process: the chart of deploy/helm is the manifests, with values."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.running_service import ROOT

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "ytdlpd"

pytestmark = pytest.mark.skipif(find_spec("helm_python") is None, reason="helm-python-sdk is not installed")


def manifests(folder: str) -> dict[tuple[str, str], Any]:
    return by_name(
        yaml.safe_load(path.read_text())
        for path in (DEPLOY / folder).glob("*.yaml")
        if path.stem != "kustomization"
    )


def by_name(documents: Any) -> dict[tuple[str, str], Any]:
    """By kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def made(**values: Any) -> dict[tuple[str, str], Any]:
    """What the chart makes of `values`; the linter has nothing to say."""
    done = subprocess.run(
        (sys.executable, "-m", "tests.support.helm", str(CHART)),
        cwd=ROOT,
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [each for each in told["lint"]["messages"] if "icon is recommended" not in str(each)] == []
    assert told["lint"]["errors"] == []
    return by_name(each for each in yaml.safe_load_all(told["made"]) if each)


def test_without_values_it_is_the_manifests() -> None:
    assert made() == manifests("kubernetes")


def test_a_fleet_is_the_manifests_of_one() -> None:
    found = made(fleet=True, podMonitor=True, ingress={"enabled": True})
    assert found == manifests("kubernetes") | manifests("kubernetes-fleet")


def test_values_change_what_they_say() -> None:
    found = made(
        image="registry.example/ytdlpd:1.0.0",
        settings={"MAX_WORKERS": 6, "TRUSTED_PROXIES": "10.42.0.0/16"},
        resources={"limits": {"cpu": "4"}},
        autoscaling={"maxReplicas": 30},
        ingress={"enabled": True, "host": "video.example", "tlsSecret": "video", "className": "nginx"},
    )
    plain = manifests("kubernetes")
    (container,) = found["Deployment", "ytdlpd"]["spec"]["template"]["spec"]["containers"]
    (before,) = plain["Deployment", "ytdlpd"]["spec"]["template"]["spec"]["containers"]
    given, usual = ({each["name"]: each["value"] for each in one["env"]} for one in (container, before))
    assert given == usual | {"MAX_WORKERS": "6", "TRUSTED_PROXIES": "10.42.0.0/16"}
    assert len(given) == len(container["env"])
    assert container["image"] == "registry.example/ytdlpd:1.0.0"
    assert container["resources"]["limits"] == before["resources"]["limits"] | {"cpu": "4"}
    scaler = found["HorizontalPodAutoscaler", "ytdlpd"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 30)
    ingress = found["Ingress", "ytdlpd"]["spec"]
    assert ingress["ingressClassName"] == "nginx"
    assert ingress["rules"][0]["host"] == "video.example"
    assert ingress["tls"] == [{"hosts": ["video.example"], "secretName": "video"}]
    assert found.keys() == plain.keys() | {("Ingress", "ytdlpd")}
    for each in found.values():
        kubernetes_validate.validate(each, "1.37", strict=True)


def test_its_versions_are_the_service_s() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    image = values["image"].partition(":")[2]
    assert chart["version"] == chart["appVersion"] == image
    assert Path(CHART / "manifests").resolve() == DEPLOY / "kubernetes"
