"""Pure: the check of URLs is the same on the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from service.command_line import cli


@pytest.mark.parametrize("command", ["size", "extract"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (" ftp://a.example/\n", "must start with https://"),
        ("https://a..b.example/video.mp4", "no valid host"),
        ("https://user:pw@a.example/", "must not carry a user name"),
    ],
)
def test_the_command_line_refuses_what_http_refuses(command: str, url: str, words: str) -> None:
    ended = CliRunner().invoke(cli, [command, url])
    assert ended.exit_code == 1
    assert words in ended.output
