"""`ytdlpd releases`: the store on the command line, for people, cron, and the server's own fetches."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from ..config import Config, ConfigError
from ..worker.template import die_with_parent
from .fetch import REHEARSAL, Refused, Source, fetch, resolve
from .release import Release
from .store import ReleaseStore, StoreError, StoreState


class _Group(click.Group):
    """Its commands end with one sentence and exit code 1 where the store refuses."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except StoreError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="The folder of releases. Default: YTDLP_DIR."
)
@click.pass_context
def releases(context: click.Context, folder: Path | None) -> None:
    """List, fetch, pin and bar the releases of yt-dlp that the service may use.

    A running service sees within seconds what changes here, and tries a new release on few requests first.
    """
    if folder is None:
        try:
            folder = Config.load(file=context.obj).ytdlp_dir
        except ConfigError as error:
            raise click.ClickException(str(error)) from None
    context.obj = ReleaseStore(folder)


@releases.command("list")
@click.pass_obj
def list_(store: ReleaseStore) -> None:
    """Print each release, newest last, and what was decided about it."""
    state, found = store.state(), store.available()
    for release in found:
        click.echo(f"{release.version:<24}{_origin(release)}{_decided(release.version, state)}")
    for version in state.barred.keys() - {release.version for release in found}:
        click.echo(f"{version:<24}not here{_decided(version, state)}")


@releases.command("fetch")
@click.argument("version")
@click.option("--index", help="The URL of a package index; nothing else is asked then.")
@click.option(
    "--from",
    "wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of wheels; nothing else is asked then.",
)
@click.option("--hash", "sha256", help="The sha256 of yt-dlp's wheel, known from elsewhere.")
@click.option("--rehearsal", default=REHEARSAL, show_default=True, help="Seconds that a rehearsal may take.")
@click.option("--check", is_flag=True, help="Say which version there is, and change nothing.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one line of JSON, for the program that started it; end with it.",
)
@click.pass_obj
def fetch_(
    store: ReleaseStore,
    version: str,
    *,
    index: str | None,
    wheels: Path | None,
    sha256: str | None,
    rehearsal: float,
    check: bool,
    as_json: bool,
) -> None:
    """Fetch VERSION (2026.10.26, latest or nightly), rehearse it, and put it among the releases."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was begun is deleted
    if as_json:
        die_with_parent()
    source = Source(index=index, folder=wheels)
    try:
        if check:
            found = resolve(version, source).version
        else:
            found = fetch(store, version, source, sha256=sha256, rehearsal=rehearsal).version
    except StoreError as error:
        if not as_json:
            raise
        refused = error.version if isinstance(error, Refused) else None
        click.echo(json.dumps({"version": refused, "problem": str(error)}))
        sys.exit(1)
    verb = "is available" if check else "is ready"
    click.echo(json.dumps({"version": found}) if as_json else f"yt-dlp {found} {verb}")


@releases.command()
@click.argument("version")
@click.pass_obj
def verify(store: ReleaseStore, version: str) -> None:
    """Compare each file of VERSION with the hash that was noted when it was fetched."""
    release = store.get(version)
    store.verify(release)
    click.echo(f"yt-dlp {release.version} is as it was fetched")


@releases.command()
@click.argument("version")
@click.pass_obj
def activate(store: ReleaseStore, version: str) -> None:
    """Bring VERSION into use, also an older one."""
    store.verify(store.get(version))
    store.activate(version)


@releases.command()
@click.argument("version")
@click.pass_obj
def pin(store: ReleaseStore, version: str) -> None:
    """Use VERSION alone, whatever else is fetched."""
    store.verify(store.get(version))
    store.pin(version)


@releases.command()
@click.pass_obj
def unpin(store: ReleaseStore) -> None:
    """Follow newer releases again."""
    store.unpin()


@releases.command()
@click.argument("version")
@click.option("--reason", default="an admin said so", show_default=True, help="Why, in a few words.")
@click.pass_obj
def bar(store: ReleaseStore, version: str, reason: str) -> None:
    """Never use VERSION, until `unbar`."""
    store.bar(version, reason)


@releases.command()
@click.argument("version")
@click.pass_obj
def unbar(store: ReleaseStore, version: str) -> None:
    """Allow VERSION again."""
    store.unbar(version)


@releases.command()
@click.option("--reason", default="an admin said so", show_default=True, help="Why, in a few words.")
@click.pass_obj
def rollback(store: ReleaseStore, reason: str) -> None:
    """Return to the release before the active one, and bar that."""
    state = store.rollback(reason)
    click.echo(f"yt-dlp {state.active or store.installed().version} serves from now on")


@releases.command()
@click.argument("version")
@click.pass_obj
def remove(store: ReleaseStore, version: str) -> None:
    """Delete the folder of VERSION."""
    store.remove(version)


def _origin(release: Release) -> str:
    if release.fetched is None:
        return release.source
    return f"{time.strftime('%Y-%m-%d', time.gmtime(release.fetched))} from {release.source}"


def _decided(version: str, state: StoreState) -> str:
    """What was decided about a version, in brackets."""
    notes = [role.replace("_", " ") for role in state.roles(version)]
    if version in state.barred:
        notes.append(f"barred: {state.barred[version]}")
    return f"  ({', '.join(notes)})" if notes else ""
