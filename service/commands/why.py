"""`ytdlpd why`: what fails at a site, on which release and egress, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .common import ask_own, config_option, load


@click.command()
@click.argument("site", required=False)
@config_option
@click.pass_obj
def why(file: Path | None, site: str | None) -> None:
    """Tell why SITE fails at the service of these settings; without SITE, whatever fails there.

    It asks the running service, with ADMIN_KEY where there is one.
    """
    report = ask_own(load(file), "/api/v1/metrics")
    console = Console(highlight=False, soft_wrap=True)
    findings = [each for each in report["why"] if site in (None, each["site"])]
    runs = [each for each in report["runs"] if site in (None, each["site"])]
    for finding in findings:
        console.print(Text(finding["sentence"]))
    if not findings:
        where = f"at {site} " if site else ""
        console.print(f"Nothing has failed {where}in the last hour.")
    if runs and (site or findings):
        console.print(_table(runs))


def _table(runs: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("site", "outcome", "yt-dlp", "egress"):
        table.add_column(name)
    for name in ("runs", "last"):
        table.add_column(name, justify="right")
    for each in runs:
        egress = each["egress"] or "-"
        cells = (each["site"], each["outcome"], each["ytdlp"], egress, str(each["runs"]))
        table.add_row(*(Text(cell) for cell in cells), f"{each['last'] / 60:.0f} min ago")
    return table
