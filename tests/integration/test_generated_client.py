"""Contract: clients that are generated of the OpenAPI document, in Python and TypeScript, tell errors' codes.

The generator of TypeScript comes from npm; where that is not at hand its tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from service.codes import Code
from tests.support.web_app import web

_PYTHON = """
import sys
import httpx
from client import Client
from client.api.extraction import post_size
from client.models import ErrorResponse

body = {"ok": False, "error": "No", "code": sys.argv[1], "requestId": "req_1"}
response = httpx.Response(int(sys.argv[2]), json=body)
found = post_size._parse_response(client=Client("http://a.example"), response=response)
assert isinstance(found, ErrorResponse), found
print(found.code.name)
"""


_TYPESCRIPT = """
import type { components, paths } from "./api";

type Responses = paths["/api/v1/size"]["post"]["responses"];
type Problem = Responses[422 | 429]["content"]["application/json"];

function next(problem: Problem): string {
  switch (problem.code) {
    case "PRIVATE": return "no";
    case "BOT_CHECK": return `later: ${problem.retryAfter ?? 60}`;
    default: return problem.error;
  }
}

// @ts-expect-error: it is none of the codes
const misspelt: components["schemas"]["Code"] = "PRIVAT";

declare const process: { argv: string[] };
console.log(next(JSON.parse(process.argv[2])));
"""
_PACKAGES = ("openapi-typescript@7.13.0", "typescript@5.9.3")
_OLDEST_NODE = 18
_CASES = [(Code.PRIVATE, 422, "no"), (Code.BOT_CHECK, 429, "later: 40")]


@pytest.fixture(scope="module")
def document() -> bytes:
    async def get() -> bytes:
        return bytes(await (await web().get("/api/v1/openapi")).get_data())

    return trio.run(get)


@pytest.fixture(scope="module")
def in_python(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the client is, as a package of that name."""
    made = tmp_path_factory.mktemp("python")
    (made / "openapi.json").write_bytes(document)
    generator = str(Path(sys.executable).with_name("openapi-python-client"))
    _run(
        made, generator, *["generate", "--path", "openapi.json", "--output-path", "client", "--meta", "none"]
    )
    return made


@pytest.fixture(scope="module")
def in_typescript(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiled program is; the compiler has checked its types."""
    made = tmp_path_factory.mktemp("typescript")
    _install(made)
    (made / "openapi.json").write_bytes(document)
    (made / "program.ts").write_text(_TYPESCRIPT)
    _run(made, "node_modules/.bin/openapi-typescript", "openapi.json", "--output", "api.ts")
    _run(made, "node_modules/.bin/tsc", "--strict", "--target", "es2022", "program.ts")
    return made


@pytest.mark.parametrize(("code", "status", "_"), _CASES)
def test_python_tells_what_the_site_says_from_what_may_be_tried_again(
    in_python: Path, code: Code, status: int, _: str
) -> None:
    assert _run(in_python, sys.executable, "-c", _PYTHON, code.value, str(status)).split() == [code.value]


@pytest.mark.parametrize(("code", "_", "expected"), _CASES)
def test_typescript_tells_what_the_site_says_from_what_may_be_tried_again(
    in_typescript: Path, code: Code, _: int, expected: str
) -> None:
    problem = {"ok": False, "error": "No", "code": code, "requestId": "req_1", "retryAfter": 40}
    assert _run(in_typescript, "node", "program.js", json.dumps(problem)).strip() == expected


def _run(folder: Path, *command: str) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _install(folder: Path) -> None:
    """Get what _PACKAGES names from npm's registry; the test is skipped where that cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed (Debian: nodejs npm)")
    version = _run(folder, "node", "--version").strip()
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"node {version} is older than {_OLDEST_NODE}, which openapi-typescript needs")
    (folder / "package.json").write_text('{"private": true}')
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=0")
    command = ["npm", "install", *options, "--cache", "cache", *_PACKAGES]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as npm:
        try:
            _, problem = npm.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(npm.pid, signal.SIGKILL)  # with all that it has started
            pytest.skip("npm's registry does not give the packages within a minute")
    if npm.returncode != 0:
        pytest.skip(f"npm cannot install the packages: {problem.decode()[-200:].strip()}")
