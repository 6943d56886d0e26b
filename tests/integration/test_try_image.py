"""Contract: deploy/try-image.sh builds, starts and stops, with an engine that notes what it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "try-image.sh"
ENGINE = """#!/bin/sh
echo "$@" >>"$NOTES"
case $1 in
  run) echo a-container ;;
  port) echo "$ADDRESS" ;;
  inspect) echo "$CODE" ;;
  exec) [ "$3" != sh ] || exit "$WRITES" ;; # whether it may write to /etc
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def tried(folder: Path, address: str, *, code: int = 0, writes: int = 1) -> tuple[int, list[str]]:
    """The script's exit code, and what the engine was asked for."""
    engine, notes = folder / "podman", folder / "notes"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    told = {"NOTES": str(notes), "ADDRESS": address, "CODE": str(code), "WRITES": str(writes)}
    environment = {"PATH": os.environ["PATH"], "ENGINE": str(engine), **told}
    ran = subprocess.run(["sh", SCRIPT, "--network", "host"], env=environment, capture_output=True)
    return ran.returncode, notes.read_text().splitlines()


def test_it_runs_the_image_as_the_guide_says(tmp_path: Path, address: str) -> None:
    code, asked = tried(tmp_path, address)
    assert code == 0
    assert asked[0].startswith(
        "build --quiet --file deploy/Dockerfile --tag ytdlpd --format docker --network host"
    )
    assert "--read-only --tmpfs /tmp --cap-drop ALL" in asked[1]
    assert asked[-1] == "rm --force a-container"


@pytest.mark.parametrize("wrong", [{"code": 137}, {"writes": 0}], ids=["killed", "writes"])
def test_it_says_when_something_is_wrong(tmp_path: Path, address: str, wrong: dict[str, int]) -> None:
    code, asked = tried(tmp_path, address, **wrong)
    assert code == 1
    assert asked[-1] == "rm --force a-container"
