"""Contract: the format of log lines from every source, written by a real process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from service import logs
from service.config import Config
logs.configure(Config.load(log_format={format!r}, log_level={level!r}, port=0))
said = dict(path="/https://user:hush@a.test/?b", status=200, code=None, odd={odd})
for name in (logs.ACCESS, "service.other"):
    structlog.get_logger(name).info("request", **said)
logging.getLogger("library").warning("as it is")
"""


def lines(format: str, level: str = "info", odd: str = "1.5") -> list[str]:
    command = [sys.executable, "-c", SCRIPT.format(format=format, level=level, odd=odd)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()


@pytest.mark.parametrize("odd", ["1.5", "'\\ud800'", "2**70"])
def test_an_access_line_is_a_record_like_any_other(odd: str) -> None:
    access, other, library = [json.loads(line) for line in lines("json", odd=odd)]
    assert access.pop("logger") == "service.access"
    assert other.pop("logger") == "service.other"
    assert access.pop("timestamp") <= other.pop("timestamp") <= library["timestamp"]
    assert access == other
    assert access["path"] == "/https://a.test/"
    assert (access["event"], access["level"], access["status"], access["code"]) == (
        "request",
        "info",
        200,
        None,
    )
    assert library["event"] == "as it is"


def test_the_console_shows_it_too() -> None:
    access, other, _ = lines("console")
    assert "request" in access
    assert "hush" not in access + other


def test_the_level_holds_for_it_too() -> None:
    (library,) = lines("json", level="warning")
    assert json.loads(library)["event"] == "as it is"
