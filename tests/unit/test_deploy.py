"""Pure, with the linters' own programs: what is under deploy/ is well-formed; its numbers fit together."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.config import Config
from service.main import WATCHDOG
from tests.support import contained
from tests.support.running_service import ROOT

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PRIVATE = ("10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1", "0.0.0.0")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def manifest(kind: str) -> Any:
    (found,) = [each for each in map(load, MANIFESTS) if each["kind"] == kind]
    return found


def pod() -> Any:
    return manifest("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    (found,) = pod()["containers"]
    return found


def seconds(environment: dict[str, str], name: str) -> float:
    return int(environment[name]) / 1000


def run(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / words[0]
    return subprocess.run((str(program), *words[1:]), capture_output=True, text=True, timeout=60)


def test_the_dockerfile_passes_hadolint() -> None:
    done = run("hadolint", str(DEPLOY / "Dockerfile"))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_fits_its_specification() -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_each_manifest_fits_its_schema(path: Path) -> None:
    if path.stem != "kustomization":
        kubernetes_validate.validate(load(path), "1.37", strict=True)


def test_every_manifest_is_applied() -> None:
    listed = load(DEPLOY / "kubernetes" / "kustomization.yaml")["resources"]
    assert sorted(listed) == sorted(path.name for path in MANIFESTS if path.stem != "kustomization")


def test_the_images_come_from_no_registry_of_ours() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.12-slim"] * 2
    assert (
        container()["image"].partition(":")[0] == load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]["image"]
    )
    assert "/" not in container()["image"]


def test_a_pod_lives_longer_than_its_longest_drain() -> None:
    environment = {each["name"]: each["value"] for each in container()["env"]}
    grace = seconds(environment, "SHUTDOWN_GRACE_MS")
    before = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace > Config.load().job_timeout  # no extraction is interrupted
    assert pod()["terminationGracePeriodSeconds"] > before + grace + WATCHDOG
    service = load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]
    grace = seconds(service["environment"], "SHUTDOWN_GRACE_MS")
    assert int(service["stop_grace_period"].rstrip("s")) > grace + WATCHDOG


def test_every_variable_is_a_setting() -> None:
    known = {name.upper() for name in Config.model_fields}
    given = {each["name"] for each in container()["env"]}
    given |= set(load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]["environment"])
    given |= set(re.findall(r"\b([A-Z][A-Z_]+)=", DOCKERFILE)) - {"PATH"}
    foreign = {name for name in given if name.startswith(("PYTHON", "PIP_"))}
    assert given - foreign <= known
    Config.load(**{each["name"].lower(): each["value"] for each in container()["env"]})


def test_the_probes_ask_what_is_there() -> None:
    paths = {
        name: container()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/health/ready", "readiness": "/health/ready", "liveness": "/health/live"}
    (port,) = container()["ports"]
    assert f"PORT={port['containerPort']}" in DOCKERFILE
    assert f"EXPOSE {port['containerPort']}" in DOCKERFILE
    # It has to fail for longer than a drain of idle balancers takes before anything is restarted.
    liveness = container()["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 30


def test_it_runs_without_privileges_everywhere() -> None:
    security, inner = pod()["securityContext"], container()["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inner == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["automountServiceAccountToken"] is False
    user = contained.USER
    assert str(security["runAsUser"]) == str(security["runAsGroup"]) == user
    assert f"USER {user}:{user}" in DOCKERFILE
    service = load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    # What the tests of the container mount is what the files ask for.
    assert service["tmpfs"] == [f"/tmp:{contained.TMPFS}"]
    assert [each["mountPath"] for each in container()["volumeMounts"]] == ["/tmp"]


def test_the_limits_leave_room_for_the_floor() -> None:
    limits = container()["resources"]["limits"]
    assert (
        limits["memory"].removesuffix("i")
        == load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]["deploy"]["resources"]["limits"]["memory"]
    )


def test_extractions_reach_the_public_internet_alone() -> None:
    egress = manifest("NetworkPolicy")["spec"]["egress"]
    blocks = [target["ipBlock"] for rule in egress for target in rule["to"] if "ipBlock" in target]

    def allowed(text: str) -> bool:
        address = ipaddress.ip_address(text)
        return any(
            address in ipaddress.ip_network(block["cidr"])
            and not any(address in ipaddress.ip_network(other) for other in block.get("except", ()))
            for block in blocks
        )

    assert [address for address in PRIVATE if allowed(address)] == []
    assert not any(allowed(address) for address in ("::1", "fc00::1", "fe80::1", "::ffff:10.0.0.1"))
    assert allowed("8.8.8.8")
    assert allowed("2606:4700::1111")


def test_everybody_selects_the_same_pods() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "ytdlpd"
    assert "replicas" not in manifest("Deployment")["spec"]  # or each rollout would undo the autoscaler's


def test_the_autoscaler_s_metric_is_one_of_ours() -> None:
    metric = manifest("HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    source = (ROOT / "service" / "telemetry" / "metrics.py").read_text()
    assert f'"{metric}"' in source
    assert metric in (DEPLOY / "prometheus-adapter.yaml").read_text()


def test_the_image_gets_all_that_the_service_needs() -> None:
    """What is neither code nor listed as a package's data would be missing from an installed service."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["service"]
    files = [
        path
        for path in (ROOT / "service").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    relative = [str(path.relative_to(ROOT / "service")) for path in files]
    assert [name for name in relative if not any(fnmatch.fnmatch(name, one) for one in patterns)] == []
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert f"!{name}" in kept
        assert (ROOT / name).exists()
