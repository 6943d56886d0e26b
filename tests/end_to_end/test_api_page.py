"""End-to-end: the API's page in a real browser, and the examples as a reader would run them."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import deno
import pytest

from tests.internet import Internet
from tests.support.api_page import element, try_size_out
from tests.support.browser import emulate, errors, needs_browser
from tests.support.running_service import Service

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"CACHE_MAX_BYTES": 0}) as running:
        yield running


@needs_browser
def test_an_endpoint_can_be_tried_out(service: Service, driver: Any) -> None:
    driver.get(service.url + "/api/v1/docs")
    assert f"'{service.url}/api/v1/size'" in try_size_out(driver)
    assert errors(driver) == []


@needs_browser
@pytest.mark.parametrize(("scheme", "ground"), [("light", "255, 255, 255"), ("dark", "16, 19, 23")])
def test_the_page_is_light_or_dark(service: Service, driver: Any, scheme: str, ground: str) -> None:
    emulate(driver, scheme=scheme)
    driver.get(service.url + "/api/v1/docs")
    element(driver, ".opblock")
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == f"rgb({ground})"
    assert errors(driver) == []


# The examples


@pytest.fixture(scope="module")
def run(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What a command prints; it has to succeed."""
    packages = tmp_path_factory.mktemp("packages")
    (packages / "ytdlpd").symlink_to(EXAMPLES.parent / "service")  # as it is called where it is installed
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(packages), "YTDLPD_URL": service.url}
    environment["NO_COLOR"] = "1"

    def run(*command: str) -> str:
        ran = subprocess.run(
            command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_example_for_curl(run: Callable[..., str]) -> None:
    size, metadata, *batch = (json.loads(line) for line in run("sh", "size.sh").splitlines())
    assert size["bytes"]["s720p"] > 0
    assert {"title", "duration"} <= set(metadata)
    assert {line["ok"] for line in batch} == {True, False}


def test_the_example_for_python(run: Callable[..., str]) -> None:
    lines = run(sys.executable, "size.py").splitlines()
    assert any(re.fullmatch(r" +720p  [0-9.]+ [KMG]B \(exact\)", line) for line in lines)
    *_, best = run(sys.executable, "size.py", "https://html5.example/").splitlines()
    assert re.fullmatch(r" +best  1\.23 MB \(exact\)", best)


def test_the_example_of_a_list(run: Callable[..., str]) -> None:
    lines = run(sys.executable, "list.py", "https://feed.example/rss.xml").splitlines()
    assert len(lines) == 5
    assert all(line.endswith(": 345.68 KB") for line in lines)


def test_the_example_for_python_with_a_url_that_fails(run: Callable[..., str]) -> None:
    with pytest.raises(AssertionError, match=r"REMOVED: .* \(req_"):
        run(sys.executable, "size.py", "https://youtu.be/removed____")


def test_the_example_for_javascript(run: Callable[..., str]) -> None:
    program = deno.find_deno_bin()
    lines = run(program, "run", "--quiet", "--allow-net", "--allow-env", "progress.mjs").splitlines()
    assert any(line.startswith("started ") for line in lines)
    assert lines[-1] == "A normal video (Official Video)"


def test_the_example_of_a_webhook(internet: Internet) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
    command, secret = (sys.executable, "webhook.py"), {"WEBHOOK_SECRET": key, "PORT": str(port)}
    with subprocess.Popen(
        command, cwd=EXAMPLES, env=secret, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as hook:
        try:
            settings = {"WEBHOOK_URL": f"http://127.0.0.1:{port}/", "WEBHOOK_SECRET": key}
            with Service.run(internet, settings=settings):
                assert hook.stdout is not None
                assert any(b"TemplateStarted" in line for line in iter(hook.stdout.readline, b""))
        finally:
            hook.kill()
