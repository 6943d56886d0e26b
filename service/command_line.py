"""The command line: its commands and what holds for all of them."""

from __future__ import annotations

import json
import platform
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from . import __version__
from .commands.common import WithSettings, config_option, load, own_problem, run, settings_options
from .commands.doctor import doctor
from .commands.extraction import extract, size
from .commands.keys import keys
from .commands.why import why
from .main import main
from .probe import problem
from .releases.commands import releases
from .signals import stop

EXAMPLES = """\
\b
Examples:
  ytdlpd serve                                   serve on http://127.0.0.1:3000
  ytdlpd serve --port 8080 --max-workers 4       flags win over environment and file
  MAX_WORKERS=4 ytdlpd serve                     every setting has an environment name
  ytdlpd serve --config ytdlpd.toml              … and a lower-case name in a TOML file
  ytdlpd size https://youtu.be/dQw4w9WgXcQ       no server: one answer, as a table
  ytdlpd doctor                                  is everything here that it needs?
"""


class _Sections(click.Group):
    """Its help lists the commands in the order in which one needs them."""

    FIRST = ("serve", "size", "extract")

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        others = [name for name in self.list_commands(context) if name not in self.FIRST]
        for title, names in (("Commands", self.FIRST), ("Looking after it", others)):
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(90)) for name in names])


def _versions(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        for package in ("yt-dlp", "deno"):
            try:
                version = metadata.version(package)
            except metadata.PackageNotFoundError:
                version = "is not installed"
            if package == "yt-dlp":
                click.echo(f"ytdlpd {__version__}")
            click.echo(f"{package} {version}")
        click.echo(f"Python {platform.python_version()}")
        context.exit()


@click.group(
    cls=_Sections,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    *("-V", "--version"),
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_versions,
    help="Print the versions of ytdlpd, yt-dlp, deno and Python.",
)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="YTDLPD_CONFIG",
    help="TOML file of settings (also YTDLPD_CONFIG).",
)
@click.pass_context
def cli(context: click.Context, file: Path | None) -> None:
    """What is behind this URL, and how big is it in each resolution? yt-dlp as a service that stays up.

    Settings come from the command line, then the environment and .env, then the TOML file.
    """
    context.obj = file
    if context.invoked_subcommand != "serve":
        stop.release()


@cli.command(cls=WithSettings)
@config_option
@settings_options
@click.pass_obj
def serve(file: Path | None, /, **given: Any) -> None:
    """Serve HTTP until SIGTERM, SIGINT or SIGHUP; then answer what is under way and end."""
    config = load(file, given)
    try:
        if not stop.received:
            run(partial(main, config, stop=stop))
    finally:
        stop.finish()


@cli.command(cls=WithSettings)
@config_option
@settings_options
@click.pass_obj
def config(file: Path | None, /, **given: Any) -> None:
    """Print the resolved settings as JSON, secrets masked."""
    click.echo(json.dumps(load(file, given).masked(), indent=2))


@cli.command()
@click.argument("url", required=False)
@config_option
@click.pass_obj
def health(file: Path | None, url: str | None) -> None:
    """Exit with 0 if the service at URL is ready, by default the one on this machine at HOST and PORT."""
    found = problem(url) if url else own_problem(load(file))
    if found is not None:
        raise click.ClickException(found)


for command in (doctor, extract, keys, releases, size, why):
    cli.add_command(command)
