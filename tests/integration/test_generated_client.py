"""Contract: a client that a generator makes of the OpenAPI document tells the codes of errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from service.codes import Code
from tests.support.web_app import web

_PROGRAM = """
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the client is, as a package of that name."""

    async def document() -> bytes:
        return bytes(await (await web().get("/api/v1/openapi")).get_data())

    made = tmp_path_factory.mktemp("generated")
    (made / "openapi.json").write_bytes(trio.run(document))
    generator = Path(sys.executable).with_name("openapi-python-client")
    command = [
        str(generator),
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        "client",
        "--meta",
        "none",
    ]
    subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=120)
    return made


@pytest.mark.parametrize(("code", "status"), [(Code.PRIVATE, 422), (Code.BOT_CHECK, 429)])
def test_it_tells_what_the_site_says_from_what_may_be_tried_again(
    folder: Path, code: Code, status: int
) -> None:
    command = [sys.executable, "-c", _PROGRAM, code.value, str(status)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [code.value]
