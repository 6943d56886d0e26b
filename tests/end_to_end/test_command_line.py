"""End-to-end: the `ytdlpd` command without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from service.config import Config
from service.setting_sources import SECRETS
from tests.internet import Internet
from tests.support.lone_worker import MEASURED
from tests.support.running_service import PATIENCE, ROOT


def ytdlpd(
    *arguments: str, internet: Internet | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    measured = {name: os.environ[name] for name in (MEASURED,) if name in os.environ}
    environment = {"PATH": os.environ["PATH"], **measured, **settings}
    if internet is not None:
        environment |= {"EGRESS_PROXY": internet.proxy, "EGRESS_CA_FILE": str(internet.ca_file)}
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )


def test_size_prints_one_answer(internet: Internet) -> None:
    done = ytdlpd("size", "--json", " https://youtu.be/dQw4w9WgXcQ\n", internet=internet)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["human"]["duration"] == "3:32"


def test_size_prints_a_table_for_people(internet: Internet) -> None:
    done = ytdlpd("size", "https://youtu.be/dQw4w9WgXcQ", internet=internet)
    assert (done.returncode, done.stderr) == (0, "")
    title, header, *rows = done.stdout.splitlines()
    assert title.endswith("· Youtube · 3:32")
    assert header.split() == ["resolution", "size", "accuracy", "formats"]
    assert ["1080p", "40.57", "MB", "exact", "399+251"] in [row.split() for row in rows]
    assert "\x1b" not in done.stdout  # it is not a terminal


def test_a_choice_of_formats_is_run_as_over_http(internet: Internet) -> None:
    arguments = ("--format", "bv*[height<=720]+ba", "https://youtu.be/dQw4w9WgXcQ")
    rows = ytdlpd("size", *arguments, internet=internet).stdout.splitlines()
    assert rows[-1].startswith("bv*[height<=720]+ba  ")
    wrong = ytdlpd("extract", "-f", "bv[", "https://youtu.be/dQw4w9WgXcQ", internet=internet)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "character" in wrong.stderr
    assert wrong.stderr.endswith("(INVALID_REQUEST)\n")


def test_extract_prints_one_answer(internet: Internet) -> None:
    done = ytdlpd(
        "extract",
        "https://feed.example/rss.xml",
        "--playlist",
        "2",
        "--start",
        "4",
        "--fields",
        "title,entries",
        internet=internet,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [entry["url"][-5:] for entry in answer["entries"]] == ["4.mp3", "5.mp3"]
    assert "uploader" not in answer


def test_a_failure_is_one_sentence_and_exit_code_1(internet: Internet) -> None:
    done = ytdlpd("size", "https://youtu.be/private____", internet=internet)
    assert (done.returncode, done.stdout) == (1, "")
    assert "private" in done.stderr.lower()
    assert done.stderr.endswith("(PRIVATE)\n")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_address_that_is_no_url_is_named() -> None:
    done = ytdlpd("extract", "--", "-rf")
    assert done.returncode == 1
    assert "url" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_config_masks_secrets_and_names_the_source_that_wins(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text('port = 1\nadmin_key = "A SECRET of the file"\n')
    done = ytdlpd("--config", str(file), "config", "--max-workers", "4", PORT="2", API_KEY="KEYSECRET")
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)
    assert (settings["port"], settings["max_workers"]) == (2, 4)
    assert "SECRET" not in done.stdout


def test_help_teaches_every_setting() -> None:
    top = ytdlpd("--help").stdout
    assert all(command in top for command in ("serve", "extract", "size", "config", "Examples"))
    text = ytdlpd("serve", "--help").stdout
    for name in Config.command_line_names():
        file = "-file" if name in SECRETS else ""
        assert f"--{name.replace('_', '-')}{file} " in text
    assert text.index("Settings:") < text.index("--port ") < text.index("More settings:")


def test_versions_are_those_of_all_parts() -> None:
    lines = ytdlpd("-V").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ytdlpd", "yt-dlp", "deno", "Python"]


def test_an_unknown_option_is_named() -> None:
    done = ytdlpd("serve", "--max-worker", "4")
    assert done.returncode == 2
    assert "--max-worker" in done.stderr
