"""`ytdlpd keys`: makes keys for the `[keys]` table, and tells whose a key is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from ..keys import KeyRing, digest_of, new_key
from .common import config_option, load

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@click.group()
def keys() -> None:
    """Make API keys for [keys] in the settings file, and check them."""


@keys.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="It may use the admin endpoints.")
def new(name: str, *, admin: bool) -> None:
    """Print a new key for NAME, and what to write into the settings file.

    The key is for the client, and kept nowhere here; the settings have its hash.
    """
    key, digest = new_key()
    table = name if _BARE.fullmatch(name) else json.dumps(name)
    click.echo(f"# The client sends it as X-API-Key: {key}")
    click.echo(f'[keys.{table}]\nhash = "{digest}"' + "\nadmin = true" * admin)


@keys.command()
@config_option
@click.pass_obj
def check(file: Path | None, /) -> None:
    """Read a key from standard input, and tell whose it is by the settings; exit with 1 if nobody's."""
    config = load(file)
    if sys.stdin.isatty():
        key = click.prompt("Key", hide_input=True, err=True)
    else:
        key = sys.stdin.readline().strip()
    single = {"API_KEY": config.api_key, "ADMIN_KEY": config.admin_key}
    for name, known in single.items():
        if known is not None and digest_of(known.get_secret_value()) == digest_of(key):
            click.echo(f"it is {name}")
            return
    found = KeyRing.of(config.keys).identify(key)
    if found is None:
        raise click.ClickException("it is none of the keys in the settings")
    rate = "the common rate" if found.rate is None else f"{found.rate:g} requests per second"
    rights = "an admin's" if found.admin else "a client's"
    click.echo(f"it is {found.name}: {rights} key, tier {found.tier}, {rate}, share {found.share:g}")
