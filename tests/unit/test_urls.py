"""Pure: the check of URLs, also on the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from service import urls
from service.command_line import cli

PAGE = "https://a.example/x"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        *(
            (f"{before}{PAGE}{after}", PAGE)
            for before, after in ("<>", '""', "''", "``", " \n", "\ufeff\u200b")
        ),
        (f" <URL:{PAGE}>\n", PAGE),
        (f"view-source:{PAGE}", PAGE),
        ("HTTPS://YouTu.BE/dQw4w9WgXcQ", "https://youtu.be/dQw4w9WgXcQ"),
        ("https://A.example.:8443/X", "https://a.example:8443/X"),
        ("https://\uff59outu。be/X", "https://youtu.be/X"),
        ("https://bücher.example/Ä", "https://bücher.example/Ä"),
        (f"{PAGE}?u=HTTPS://B.example.", f"{PAGE}?u=HTTPS://B.example."),
        (f"<{PAGE}", f"<{PAGE}"),
    ],
)
def test_what_a_copy_brings_along_is_left_out(sent: str, meant: str) -> None:
    assert urls.cleaned(sent) == meant


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (f"[a page]({PAGE})", "other text in front"),
        (f"Look at this: {PAGE}", "other text in front"),
        (f"{PAGE}\n{PAGE}", "several URLs"),
        (f"{PAGE}, or else {PAGE}", "several URLs"),
        (f"https://{PAGE}", "https:// twice"),
        ("https%3A%2F%2Fa.example%2Fx", "percent-encoded once too often"),
        (f"blob:{PAGE}", "must start with https://"),
        ("magnet:?xt=urn:btih:abc", "must start with https://"),
        ("intent://a.example/x#Intent;scheme=https;end", "must start with https://"),
        ("https:/a.example/x", "must start with https://"),
        ("https://a.example/my video?u=https://b.example/", "spaces"),
        ("https://xn--zzzzzzzzü.example/", "no valid host"),
        ("https://a.example:0/", "no valid host"),
    ],
)
def test_what_is_no_url_is_refused_with_what_is_wrong(sent: str, words: str) -> None:
    assert words in (urls.problem(urls.cleaned(sent), "any") or "")


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
