"""Pure: the settings and figures in docs/operations.md match the code and deploy/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.config import Config
from service.pool.admission import MAX_WAIT
from service.pool.resources import FOOTPRINT, RESERVED
from service.pool.scaling import memory_cap
from service.web.http.connection import Limits

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
PROXIES = {"nginx": "nginx.conf", "Caddy": "Caddyfile", "HAProxy": "haproxy.cfg"}


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose first line begins with `heading`, line by line."""
    (start,) = re.findall(rf"^\| {heading} \|.*\n(?:\|.*\n)+", TEXT, re.MULTILINE)
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in start.splitlines()]
    return [cells for cells in lines if set(cells[0]) != {"-"}]


def test_its_settings_files_are_some(tmp_path: Path) -> None:
    cookies = tmp_path / "youtube.txt"
    cookies.write_text(".youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\tx")
    file = tmp_path / "ytdlpd.toml"
    found = []
    for example in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL):
        file.write_text(example.replace("/etc/ytdlpd/youtube.txt", str(cookies)))
        found.append(Config.load(file=file))
    general, options, egresses = found
    assert general.site_limit("slow.example") == 3
    assert general.keys["backend"].rate == 20
    assert options.ytdlp_options["tv.example"].geo == "CH"
    assert options.ytdlp_options["youtube.com"].extractor_args["youtube"]["player_client"] == ("web", "mweb")
    assert [*egresses.egress] == ["fra1", "home6", "direct"]


def test_the_workers_fit_into_the_memory_it_names() -> None:
    workers, memory = table("workers")
    for number, megabytes in zip(workers[1:], memory[1:], strict=True):
        assert memory_cap(int(megabytes) << 20, FOOTPRINT, RESERVED) == int(number)
    assert f"counts {RESERVED >> 20} MB for itself" in TEXT
    assert f"{FOOTPRINT >> 20} MB for each worker" in TEXT


def test_its_limits_are_the_service_s() -> None:
    limits = Limits()
    assert f"it closes them after `KEEP_ALIVE_MS`, {Config.load().keep_alive:.0f} s" in TEXT
    assert f"{limits.idle} of them may be idle" in TEXT
    assert f"Up to {limits.connections:,} connections" in TEXT
    assert f"{limits.of_one_client} connections only" in TEXT
    assert f"{MAX_WAIT:.0f} s at most" in TEXT


@pytest.mark.parametrize(("name", "file"), PROXIES.items())
def test_each_proxy_s_file_has_the_options_in_the_table(name: str, file: str) -> None:
    heading, *rows = table("concern")
    written = (ROOT / "deploy" / file).read_text()
    named = [each for row in rows for each in re.findall(r"`(.+?)`", row[heading.index(name)])]
    assert len(named) >= 2
    assert [each for each in named if each not in written] == []


def test_the_unit_has_the_options_in_the_guide() -> None:
    unit = (ROOT / "deploy" / "ytdlpd.service").read_text()
    chapter = TEXT.partition("What is special about it:")[2].partition("`systemctl edit")[0]
    present = [each for each in re.findall(r"^- `(\w+=.*?)`", chapter, re.MULTILINE) if "Memory" not in each]
    assert len(present) == 4
    assert [each for each in present if f"\n{each}" not in unit] == []
    absent = re.findall(r"`(MemoryDenyWriteExecute=|ProcSubset=)", chapter)
    assert [each for each in absent if f"\n{each}" in unit] == []


def test_the_pages_link_relatively() -> None:
    """An absolute link would leave the sub-path of the page."""
    files = (ROOT / "service" / "web" / "pages").rglob("*")
    pages = [path for path in files if path.suffix in (".html", ".js")]
    assert len(pages) >= 5
    for path in pages:
        assert re.findall(r"""["'`]/(?:api|dashboard|metrics|health)""", path.read_text()) == [], path.name
