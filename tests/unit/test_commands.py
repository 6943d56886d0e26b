"""Pure: commands that start no process: their options, their refusals, keys, and what the doctor finds."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from service.command_line import cli
from service.commands import doctor
from service.commands.common import run
from service.commands.doctor import Finding, Verdict
from service.commands.extraction import table
from service.config import Config
from service.keys import KeyRing, KeySettings
from service.main import StartError
from service.pool.resources import FOOTPRINT, RESERVED
from service.signals import stop


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "release", lambda: None)


def ytdlpd(*arguments: str, given: str | None = None, **environment: str) -> Result:
    return CliRunner().invoke(cli, arguments, input=given, env=environment)


def test_a_settings_file_may_be_named_before_or_after_the_command(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text("port = 4")
    for arguments in (("--config", str(file), "config"), ("config", "--config", str(file))):
        assert json.loads(ytdlpd(*arguments).stdout)["port"] == 4


@pytest.mark.parametrize(("flag", "value"), [("--require-auth", True), ("--no-require-auth", False)])
def test_a_boolean_is_a_flag(flag: str, value: bool) -> None:
    done = ytdlpd("config", flag, API_KEY="a key that is long enough", REQUIRE_AUTH=str(not value))
    assert json.loads(done.stdout)["require_auth"] is value


@pytest.mark.parametrize(
    "name", ["serve", "size", "extract", "config", "doctor", "health", "keys", "releases"]
)
def test_every_command_is_in_the_help(name: str) -> None:
    assert name in cli.commands
    assert f"\n  {name} " in ytdlpd("--help").stdout


@pytest.mark.parametrize("name", ["size", "extract", "doctor", "health"])
def test_only_serve_and_config_have_the_server_s_settings(name: str) -> None:
    options = {option for parameter in cli.commands[name].params for option in parameter.opts}
    assert not options & {f"--{setting.replace('_', '-')}" for setting in Config.model_fields}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("size", "ftp://a.example/"), "url must start with https:// or http:// (INVALID_URL)"),
        (("extract", "https://user:pw@a.example/"), "a user name or a password (INVALID_URL)"),
        (("extract", "https://a.example/", "--playlist", "-5"), "playlist is invalid: "),
        (("extract", "https://a.example/", "--fields", "a b"), "fields.0 is invalid: "),
        (("extract", "https://a.example/", "--start", "0"), "start is invalid: "),
        (("size", "https://a.example/", "--duration-hint", "-1"), "duration_hint is invalid: "),
        (("size", "https://a.example/", "--format", "b" * 201), "format is invalid: "),
        (("size", "https://a.example/", "--language", "de/../x"), "language is invalid: "),
    ],
)
def test_what_is_asked_is_checked_as_over_http(arguments: tuple[str, ...], sentence: str) -> None:
    done = ytdlpd(*arguments)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert done.stderr.rstrip().endswith(("(INVALID_URL)", "(INVALID_REQUEST)"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"no cookies", "line 1 is not in the Netscape format"), (b"\xff", "it is not text")],
)
def test_a_file_that_has_no_cookies_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "cookies.txt").write_bytes(content)
    done = ytdlpd("size", "https://a.example/", "--cookies", str(tmp_path / "cookies.txt"))
    assert (done.exit_code, sentence in done.stderr) == (1, True)


def shown(answer: dict[str, Any]) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(*table(answer), sep="\n")
    return captured.get()


def test_a_page_cannot_write_to_the_terminal() -> None:
    assert "\x1b" not in shown(
        {"title": "\x1b]0;mine\x07 [bold]x", "bytes": {"s720p": 1}, "human": {"s720p": "\x9b1A"}}
    )
    assert "[bold]x" in shown({"title": "[bold]x"})


def test_a_table_without_sizes_says_why() -> None:
    assert "it is live; --duration-hint" in shown({"title": "On air", "live": True, "bytes": {"s720p": None}})
    assert "No sizes: its server is shy." in shown(
        {"title": "A file", "best": None, "reason": "its server is shy"}
    )


def test_a_file_has_the_rows_of_its_audio_and_of_the_best() -> None:
    audio = {"bytes": 5, "human": "5 B", "accuracy": "exact", "format": "a"}
    best = {"bytes": 9, "human": "9 B", "accuracy": "estimated", "formats": "v+a"}
    *_, first, second = shown(
        {"title": "A file", "bytes": {"s720p": None}, "audio": audio, "best": best}
    ).splitlines()
    assert (first.split(), second.split()) == (
        ["audio", "5", "B", "exact", "a"],
        ["best", "9", "B", "estimated", "v+a"],
    )


def test_chosen_formats_have_a_row() -> None:
    chosen = {"expression": "bv+ba", "bytes": 5_000_000, "human": "5.00 MB", "accuracy": "exact"}
    formats = [{"format_id": "136"}, {"format_id": "140"}]
    answer = {"title": "T", "bytes": {}, "selection": {**chosen, "formats": formats}}
    assert shown(answer).splitlines()[-1].split() == ["bv+ba", "5.00", "MB", "exact", "136+140"]


def test_a_new_key_is_that_of_its_table() -> None:
    done = ytdlpd("keys", "new", "alice b", "--admin")
    first, *rest = done.stdout.splitlines()
    settings = {name: KeySettings(**key) for name, key in tomllib.loads("\n".join(rest))["keys"].items()}
    found = KeyRing.of(settings).identify(first.rpartition(" ")[2])
    assert found is not None
    assert (found.name, found.admin) == ("alice b", True)


def test_a_key_is_told_its_owner(tmp_path: Path) -> None:
    first, *rest = ytdlpd("keys", "new", "bob").stdout.splitlines()
    file = tmp_path / "ytdlpd.toml"
    file.write_text("\n".join(rest))
    key = first.rpartition(" ")[2]
    check = ("keys", "check", "--config", str(file))
    assert ytdlpd(*check, given=f"{key}\n").stdout.startswith("it is bob: a client's key")
    assert ytdlpd(*check, given="a key of nobody\n").exit_code == 1
    assert (
        ytdlpd(*check, given="the key of clients\n", API_KEY="the key of clients").stdout == "it is API_KEY\n"
    )


def only(found: Iterator[Finding]) -> Finding:
    (finding,) = found
    return finding


def test_an_old_ytdlp_is_worth_a_warning_and_a_wrong_clock_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "2026.8.19")
    for today, verdict in (
        (date(2026, 8, 19), Verdict.OK),
        (date(2026, 12, 24), Verdict.WARNING),
        (date(1970, 1, 1), Verdict.PROBLEM),
    ):
        assert only(doctor.ytdlp(Config.load(), today)).verdict is verdict


def test_a_clock_is_compared_with_a_site_s() -> None:
    stamp = "Thu, 26 Nov 2026 19:00:00 GMT"
    assert only(doctor.clock(stamp, lambda: 1795719600.0)).verdict is Verdict.OK
    wrong = only(doctor.clock(stamp, lambda: 1795719600.0 + 3600))
    assert (wrong.verdict, wrong.seen) == (Verdict.PROBLEM, "it is 3,600 s fast")
    assert [*doctor.clock("yesterday")] == []


def test_a_machine_that_is_too_small_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.load()
    for megabytes, verdict in ((512, Verdict.PROBLEM), (700, Verdict.WARNING), (4096, Verdict.OK)):
        monkeypatch.setattr(doctor, "memory_limit", lambda size=megabytes: size << 20)
        monkeypatch.setattr(doctor, "memory_room", lambda size=megabytes: size << 20)
        assert only(doctor.memory(config)).verdict is verdict
    assert RESERVED + 2 * FOOTPRINT < 700 << 20 < RESERVED + 10 * FOOTPRINT


def test_a_sidecar_that_is_not_there_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        config = Config.load(sidecars=(place,))
        assert only(doctor.sidecars(config)).verdict is Verdict.OK
    found = only(doctor.sidecars(config))
    assert (found.verdict, found.seen) == (Verdict.WARNING, f"{place} does not answer: connection refused")
    assert [*doctor.sidecars(Config.load())] == []


def test_a_proxy_and_a_folder_that_are_not_there_are_problems(tmp_path: Path) -> None:
    config = Config.load(egress_proxy="http://127.0.0.1:1", ytdlp_dir=str(tmp_path / "none"))
    assert only(doctor.network(config)).what == "proxy"
    for found in (only(doctor.network(config)), only(doctor.folders(config))):
        assert found.verdict is Verdict.PROBLEM
        assert found.cure


def test_each_egress_is_looked_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        tables = {
            "good": {"proxy": f"socks5h://user:secret@127.0.0.1:{port}"},
            "dead": {"proxy": "http://user:secret@127.0.0.1:1"},
            "home": {"source": "127.0.0.9"},
        }
        found = [*doctor.network(Config.load(egress=tables))]
    assert [(it.what, it.verdict) for it in found] == [
        ("egress good", Verdict.OK),
        ("egress dead", Verdict.WARNING),
    ]
    assert "secret" not in str(found)


def test_each_kernel_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, verdict in ((0, Verdict.WARNING), (3, Verdict.WARNING), (4, Verdict.OK)):
        monkeypatch.setattr("service.worker.landlock.version", lambda version=version: version)
        assert only(doctor.confinement(Config.load())).verdict is verdict


def test_the_doctor_s_exit_code_is_that_of_the_worst_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    for verdict, code in ((Verdict.WARNING, 0), (Verdict.PROBLEM, 1)):
        finding = Finding(verdict, "disk", "it is full", "delete something")
        monkeypatch.setattr(doctor, "CHECKS", (lambda _config, finding=finding: iter([finding]),))
        done = ytdlpd("doctor")
        assert (done.exit_code, done.stdout) == (code, f"{verdict:<8}disk: it is full; delete something\n")


def test_the_shell_can_complete_commands() -> None:
    asked = {"_YTDLPD_COMPLETE": "bash_complete", "COMP_WORDS": "ytdlpd do", "COMP_CWORD": "1"}
    assert CliRunner().invoke(cli, env=asked, prog_name="ytdlpd").stdout == "plain,doctor\n"


def test_of_several_failures_at_once_one_is_told() -> None:
    async def start() -> None:
        raise ExceptionGroup("at once", [OSError("the socket is gone"), StartError("deno is missing")])

    with pytest.raises(click.ClickException, match="deno is missing"):
        run(start)
