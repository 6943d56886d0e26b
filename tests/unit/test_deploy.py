"""Pure, with the linters' own programs: what is under deploy/ is well-formed; its numbers fit together."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dotenv import dotenv_values

from service.config import Config
from service.main import WATCHDOG
from service.web.http.authentication import access_rules
from tests.support import contained
from tests.support.running_service import ROOT

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
FLEET = sorted((DEPLOY / "kubernetes-fleet").glob("*.yaml"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "ytdlpd.service").read_text()
NGINX, CADDY, HAPROXY = ((DEPLOY / name).read_text() for name in ("nginx.conf", "Caddyfile", "haproxy.cfg"))
HAPROXY_FLEET, NGINX_FLEET, CADDY_FLEET = (
    (DEPLOY / name).read_text() for name in ("haproxy.fleet.cfg", "nginx.fleet.conf", "Caddyfile.fleet")
)
PRIVATE = ("10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1", "0.0.0.0")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def manifest(kind: str) -> Any:
    (found,) = [each for each in map(load, MANIFESTS) if each["kind"] == kind]
    return found


def of_the_fleet(name: str) -> Any:
    return load(DEPLOY / "kubernetes-fleet" / f"{name}.yaml")


def pod() -> Any:
    return manifest("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    (found,) = pod()["containers"]
    return found


def seconds(environment: dict[str, str], name: str) -> float:
    return int(environment[name]) / 1000


def unit(name: str) -> str:
    """The value of `name` in the systemd unit, which has it once."""
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(value)


def unit_environment() -> dict[str, str]:
    return dict(re.findall(r"^Environment=(\w+)=(.*)$", UNIT, re.MULTILINE))


def only(text: str, pattern: str) -> int:
    """The number that `pattern` finds in `text`, once."""
    (value,) = re.findall(pattern, text)
    return int(value)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / words[0]
    return subprocess.run((str(program), *words[1:]), capture_output=True, text=True, timeout=60)


def test_the_dockerfile_passes_hadolint() -> None:
    done = run("hadolint", str(DEPLOY / "Dockerfile"))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["compose.yaml", "compose.fleet.yaml"])
def test_the_compose_file_fits_its_specification(name: str) -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / name))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_fleet_has_the_instances_that_its_balancer_knows() -> None:
    services = load(DEPLOY / "compose.fleet.yaml")["services"]
    known = re.findall(r"^    server (\w+) (\w+):3000$", HAPROXY_FLEET, re.MULTILINE)
    assert [name for name, host in known if name == host] == ["one", "two", "three"]
    (job,) = load(DEPLOY / "prometheus" / "fleet.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:3000" for name, _ in known]}]
    mounted = {each.partition(":")[0] for each in services["prometheus"]["volumes"] if each[0] == "."}
    assert mounted == {"./prometheus/fleet.yml", "./prometheus/alerts.yml"}
    for balancer in (NGINX_FLEET, CADDY_FLEET):
        assert re.findall(r"(\w+):3000", balancer) == ["one", "two", "three"]
    for name in ("one", "two", "three"):
        given = services[name]["environment"]
        assert set(given) <= {setting.upper() for setting in Config.model_fields}
        delay, grace = only(DOCKERFILE, r"DRAIN_DELAY_MS=(\d+)") / 1000, seconds(given, "SHUTDOWN_GRACE_MS")
        assert int(services[name]["stop_grace_period"].rstrip("s")) > delay + grace + WATCHDOG
        assert grace > Config.load().job_timeout
    interval, failures = (only(HAPROXY_FLEET, rf"{word} (\d+)") for word in ("inter", "fall"))
    assert delay > interval * failures


def test_the_fleet_s_balancers_wait_as_the_others_do() -> None:
    keep_alive, silence = Config.load().keep_alive, 2 * Config.load().job_timeout
    assert only(HAPROXY_FLEET, r"timeout http-keep-alive (\d+)s") < keep_alive
    assert only(NGINX_FLEET, r"keepalive_timeout (\d+)s;") < keep_alive
    assert only(CADDY_FLEET, r"keepalive (\d+)s") < keep_alive
    assert only(HAPROXY_FLEET, r"timeout server (\d+)s") > silence
    assert only(NGINX_FLEET, r"proxy_read_timeout (\d+)s;") > silence
    # Time to ask another one, also where an extraction was nearly over; less than the next silence.
    again = (
        only(NGINX_FLEET, r"proxy_next_upstream_timeout (\d+)s;"),
        only(CADDY_FLEET, r"lb_try_duration (\d+)s"),
    )
    assert all(Config.load().job_timeout < each < silence for each in again)


def test_the_engine_forgets_by_use_and_knows_one_user_with_few_rights() -> None:
    """The same in the documents."""
    (*_, script) = load(DEPLOY / "compose.fleet.yaml")["services"]["valkey"]["command"]
    assert only(script, r"maxmemory (\d+)mb") >= 100
    assert "maxmemory-policy volatile-lfu" in script
    assert "user default off" in script
    (rights,) = re.findall(r"~ytdlpd.*", script)
    assert f"ACL SETUSER ytdlpd on >PASSWORD {rights}`" in (ROOT / "docs" / "operations.md").read_text()


def test_no_balancer_repeats_because_of_a_status() -> None:
    """A site that limits us would be asked again for each repetition; and orders are never repeated."""
    assert re.findall(r"retry-on (.+)", HAPROXY_FLEET) == ["conn-failure empty-response"]
    assert "disable-l7-retry unless { path /api/v1/size /api/v1/extract }" in HAPROXY_FLEET
    repeating = re.findall(r"proxy_next_upstream ([^;]+);", NGINX_FLEET)
    assert repeating == ["error timeout", "error timeout non_idempotent"]
    (place,) = re.findall(r"location ([^{]+) \{\s+proxy_next_upstream [^;]+non_idempotent", NGINX_FLEET)
    assert place == "~ ^/api/v1/(size|extract)$"
    assert "lb_retry_match" not in CADDY_FLEET  # the default: a GET, and what has not been sent


@pytest.mark.parametrize("path", [*MANIFESTS, *FLEET], ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_each_manifest_fits_its_schema(path: Path) -> None:
    if path.stem not in ("kustomization", "podmonitor"):  # the operator's schema is its own
        kubernetes_validate.validate(load(path), "1.37", strict=True)


def test_every_manifest_is_applied() -> None:
    listed = load(DEPLOY / "kubernetes" / "kustomization.yaml")["resources"]
    assert sorted(listed) == sorted(path.name for path in MANIFESTS if path.stem != "kustomization")


def test_every_manifest_of_the_fleet_is_applied() -> None:
    above, *listed = load(DEPLOY / "kubernetes-fleet" / "kustomization.yaml")["resources"]
    assert above == "../kubernetes"
    assert sorted(listed) == sorted(path.name for path in FLEET if path.stem != "kustomization")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_puts_the_fleet_together() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(DEPLOY / "kubernetes-fleet")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    together = list(yaml.safe_load_all(done.stdout))
    assert len(together) == len(MANIFESTS) - 1 + len(FLEET) - 1


def test_the_engine_s_pod_is_that_of_compose() -> None:
    (*_, script) = of_the_fleet("deployment")["spec"]["template"]["spec"]["containers"][0]["command"]
    (*_, composed) = load(DEPLOY / "compose.fleet.yaml")["services"]["valkey"]["command"]
    assert script == composed.replace("$$", "$")
    (engine,) = of_the_fleet("deployment")["spec"]["template"]["spec"]["containers"]
    assert engine["image"] == load(DEPLOY / "compose.fleet.yaml")["services"]["valkey"]["image"]
    assert engine["securityContext"] == container()["securityContext"]
    assert only(script, r"maxmemory (\d+)mb") < only(engine["resources"]["limits"]["memory"], r"^(\d+)Mi$")


def test_the_engine_is_reached_by_the_instances_alone() -> None:
    engine = of_the_fleet("deployment")["spec"]["template"]["metadata"]["labels"]
    mine = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert of_the_fleet("deployment")["spec"]["selector"]["matchLabels"] == engine
    assert of_the_fleet("service")["spec"]["selector"] == engine
    guard, way = (of_the_fleet(name)["spec"] for name in ("networkpolicy", "networkpolicy-engine"))
    assert (guard["podSelector"]["matchLabels"], guard["egress"]) == (engine, [])
    assert [each["from"] for each in guard["ingress"]] == [[{"podSelector": {"matchLabels": mine}}]]
    assert way["podSelector"]["matchLabels"] == mine
    assert [each["to"] for each in way["egress"]] == [[{"podSelector": {"matchLabels": engine}}]]
    assert guard["ingress"][0]["ports"] == way["egress"][0]["ports"]


def test_the_pods_are_scraped_where_they_say() -> None:
    spec = of_the_fleet("podmonitor")["spec"]
    template = manifest("Deployment")["spec"]["template"]
    assert spec["selector"]["matchLabels"] == template["metadata"]["labels"]
    (endpoint,) = spec["podMetricsEndpoints"]
    assert endpoint["port"] == container()["ports"][0]["name"]
    assert endpoint["path"] == template["metadata"]["annotations"]["prometheus.io/path"]


def test_the_ingress_does_what_the_fleet_s_haproxy_does() -> None:
    ingress = of_the_fleet("ingress")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    service = manifest("Service")
    assert path["backend"]["service"] == {
        "name": service["metadata"]["name"],
        "port": {"name": service["spec"]["ports"][0]["name"]},
    }
    told = {line.strip() for line in HAPROXY_FLEET.splitlines()}
    lines = ingress["metadata"]["annotations"]["haproxy.org/backend-config-snippet"].splitlines()
    assert len(lines) > 5
    assert [line for line in lines if line not in told] == []


def test_the_images_come_from_no_registry_of_ours() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.12-slim"] * 2
    assert (
        container()["image"].partition(":")[0] == load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]["image"]
    )
    assert "/" not in container()["image"]


def test_a_pod_lives_longer_than_its_longest_drain() -> None:
    environment = {each["name"]: each["value"] for each in container()["env"]}
    grace, delay = seconds(environment, "SHUTDOWN_GRACE_MS"), seconds(environment, "DRAIN_DELAY_MS")
    assert grace > Config.load().job_timeout  # no extraction is interrupted
    assert pod()["terminationGracePeriodSeconds"] > delay + grace + WATCHDOG
    assert only(DOCKERFILE, r"DRAIN_DELAY_MS=(\d+)") == 1000 * delay
    service = load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]
    grace = seconds(service["environment"], "SHUTDOWN_GRACE_MS")
    assert int(service["stop_grace_period"].rstrip("s")) > delay + grace + WATCHDOG


def test_the_balancers_see_in_time_that_an_instance_leaves() -> None:
    delay = only(DOCKERFILE, r"DRAIN_DELAY_MS=(\d+)") / 1000
    interval, failures = only(HAPROXY, r"check inter (\d+)s"), 3  # HAProxy's default
    assert delay > interval * failures
    probe = container()["readinessProbe"]
    assert delay > probe["periodSeconds"]  # Kubernetes takes a pod out when it begins to end it, in any case


def test_the_unit_is_given_longer_than_its_longest_drain() -> None:
    grace = seconds(unit_environment(), "SHUTDOWN_GRACE_MS")
    assert grace > Config.load().job_timeout
    assert int(unit("TimeoutStopSec")) > grace + WATCHDOG
    assert unit("KillMode") == "mixed"  # otherwise the workers would get SIGTERM during their jobs


def test_a_proxy_closes_idle_connections_before_the_service_does() -> None:
    keep_alive = Config.load().keep_alive
    assert 0 < only(NGINX, r"keepalive_timeout (\d+)s;") < keep_alive
    assert 0 < only(HAPROXY, r"timeout http-keep-alive (\d+)s") < keep_alive
    assert 0 < only(CADDY, r"keepalive (\d+)s") < keep_alive


def test_a_proxy_waits_longer_than_the_longest_silence() -> None:
    """A URL of a batch may wait for a place as long as it may then run."""
    silence = 2 * Config.load().job_timeout
    assert only(NGINX, r"proxy_read_timeout (\d+)s;") > silence
    assert only(HAPROXY, r"timeout server (\d+)s") > silence
    assert only(HAPROXY, r"timeout client (\d+)s") > silence
    assert "_timeout" not in CADDY  # no time-out cuts an answer


def test_every_variable_is_a_setting() -> None:
    known = {name.upper() for name in Config.model_fields}
    given = {each["name"] for each in container()["env"]}
    given |= set(load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]["environment"])
    given |= set(unit_environment())
    given |= set(re.findall(r"\b([A-Z][A-Z_]+)=", DOCKERFILE)) - {"PATH"}
    foreign = {name for name in given if name.startswith(("PYTHON", "PIP_"))}
    assert given - foreign <= known
    Config.load(**{each["name"].lower(): each["value"] for each in container()["env"]})


def test_the_service_is_told_of_the_provider_that_is_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given = dotenv_values(DEPLOY / "pot.env")
    compose = load(DEPLOY / "compose.yaml")["services"]
    (provider,) = (name for name, each in compose.items() if each.get("profiles") == ["pot"])
    for name, value in given.items():
        assert compose["ytdlpd"]["environment"][name] == f"${{{name}:-}}"
        monkeypatch.setenv(name, value or "")
    (mount,) = compose["ytdlpd"]["volumes"]
    assert mount.split(":")[1:] == [given["PLUGIN_DIR"], "ro"]
    monkeypatch.delenv("PLUGIN_DIR")  # it is the container's
    config = Config.load()
    (sidecar,) = config.sidecars
    arguments = config.ytdlp_options["*"].extractor_args
    assert sidecar.partition(":")[0] == provider
    assert arguments["youtubepot-bgutilhttp"]["base_url"] == (f"http://{sidecar}",)
    version = compose[provider]["image"].partition(":")[2]
    assert f"bgutil-ytdlp-pot-provider=={version}" in (DEPLOY.parent / "constraints-tests.txt").read_text()


def test_no_deployment_has_open_admin_endpoints() -> None:
    """As they are, without anything that an operator adds."""
    (host,) = re.findall(r"\bHOST=(\S+)", DOCKERFILE)
    compose = load(DEPLOY / "compose.yaml")["services"]["ytdlpd"]["environment"]
    given = {each["name"]: each["value"] for each in container()["env"]}
    assert not {"HOST", "ALLOWED_HOSTS"} & {*compose, *given, *unit_environment()}
    assert access_rules(Config.load(host=host)).admin.startswith("nobody")
    assert compose["ADMIN_KEY"] == "${ADMIN_KEY:-}"  # blank is not set


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
    # The container tests use the mounts of these files.
    assert service["tmpfs"] == [f"/tmp:{contained.TMPFS}"]
    assert [each["mountPath"] for each in container()["volumeMounts"]] == ["/tmp"]


def test_the_limits_leave_room_for_the_floor() -> None:
    limits = container()["resources"]["limits"]
    assert unit("MemoryMax") == limits["memory"].removesuffix("i")
    assert unit("CPUQuota") == f"{int(limits['cpu']) * 100}%"
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


def test_all_manifests_select_the_same_pods() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "ytdlpd"
    assert "replicas" not in manifest("Deployment")["spec"]  # a rollout would undo the autoscaler's number


def test_the_autoscaler_s_metric_is_one_of_ours() -> None:
    metric = manifest("HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    source = (ROOT / "service" / "telemetry" / "metrics.py").read_text()
    assert f'"{metric}"' in source
    assert metric in (DEPLOY / "prometheus-adapter.yaml").read_text()


def test_the_image_gets_all_that_the_service_needs() -> None:
    """What is neither code nor listed as a package's data would be missing from an installed service."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["ytdlpd"]
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
