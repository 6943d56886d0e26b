"""The command line: arguments → Config → trio.run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import structlog
import trio

from . import __version__, logs
from .config import Config, ConfigError
from .errors import ServiceError
from .main import CannotListen, StartError, main, once
from .probe import local, problem
from .releases.commands import releases
from .setting_sources import SECRETS
from .signals import stop
from .wire import Job, Kind

log = structlog.get_logger(__package__)

EXAMPLES = """
\b
Examples:
  ytdlpd serve                                   serve on http://127.0.0.1:3000
  ytdlpd serve --port 8080 --max-workers 4       flags win over environment and file
  MAX_WORKERS=4 ytdlpd serve                     every setting has an environment name
  ytdlpd --config ytdlpd.toml serve              … and a lower-case name in a TOML file
  ytdlpd size https://youtu.be/dQw4w9WgXcQ       no server: one answer, as JSON
  ytdlpd config                                  what all of it resolves to
"""


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each setting, with its description and default. A secret is given by a file."""
    for name in reversed(Config.command_line_names()):
        field = Config.model_fields[name]
        default = "" if field.default in (None, ()) else f" Default: {field.default}."
        flag = f"--{name.replace('_', '-')}"
        if name in SECRETS:
            help_ = f"The file that has {name.upper()}. {field.description}"
            command = click.option(f"{flag}-file", f"{name}_file", metavar="FILE", help=help_)(command)
            command = click.option(flag, name, hidden=True, callback=_no_secret)(command)
        else:
            help_ = f"{field.description}{default}"
            command = click.option(flag, name, metavar=name.upper(), help=help_)(command)
    return command


def _no_secret(_context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse a secret on the command line. The address of a proxy without credentials is none."""
    name = str(option.name)
    if value and not (name == "egress_proxy" and "@" not in value):
        raise click.UsageError(
            f"{name.upper()} is a secret, and other users see the command line; set {name.upper()} or "
            f"{name.upper()}_FILE in the environment, or give {option.opts[0]}-file"
        )
    return value


@click.group(
    epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="ytdlpd")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="YTDLPD_CONFIG",
    help="TOML file of settings (also YTDLPD_CONFIG).",
)
@click.pass_context
def cli(context: click.Context, file: Path | None) -> None:
    """What is behind this URL, and how big is it in each resolution? yt-dlp as a service that stays up.

    Settings come from the command line, then the environment, then the TOML file.
    """
    context.obj = file
    if context.invoked_subcommand != "serve":
        stop.release()


def _config(file: Path | None, given: dict[str, str | None]) -> Config:
    try:
        config = Config.load(file=file, **{name: value for name, value in given.items() if value is not None})
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    logs.configure(config)
    return config


def _run(entry: Callable[[], Any]) -> Any:
    """Run `entry` under Trio; a failure ends with one clear line and exit code 1."""
    try:
        return trio.run(entry)
    except* (ConfigError, CannotListen, StartError, ServiceError) as errors:
        raise click.ClickException(str(_first(errors))) from None
    except* OSError as errors:
        raise click.ClickException(f"the system refuses: {_first(errors)}") from None
    except* Exception as errors:
        log.critical("crashed", error=repr(_first(errors)), exc_info=errors)
        sys.exit(1)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@cli.command()
@settings_options
@click.pass_obj
def serve(file: Path | None, /, **given: str | None) -> None:
    """Serve HTTP until SIGTERM, SIGINT or SIGHUP; then answer what is under way and end."""
    config = _config(file, given)
    try:
        if not stop.received:
            _run(partial(main, config, stop=stop))
    finally:
        stop.finish()


@cli.command()
@click.argument("url")
@click.option("--playlist", default=0, help="List this many entries of a playlist.")
@settings_options
@click.pass_obj
def extract(file: Path | None, /, url: str, playlist: int, **given: str | None) -> None:
    """Print the metadata of URL as JSON, through the same pool and breaker as the server."""
    _print(_config(file, given), Job(kind=Kind.EXTRACT, url=url, playlist=playlist))


@cli.command()
@click.argument("url")
@settings_options
@click.pass_obj
def size(file: Path | None, /, url: str, **given: str | None) -> None:
    """Print the sizes of URL in each resolution as JSON."""
    _print(_config(file, given), Job(kind=Kind.SIZE, url=url))


def _print(config: Config, job: Job) -> None:
    click.echo(json.dumps(json.loads(_run(partial(once, config, job))), indent=2, ensure_ascii=False))


@cli.command()
@settings_options
@click.pass_obj
def config(file: Path | None, /, **given: str | None) -> None:
    """Print the resolved settings as JSON, secrets masked."""
    click.echo(json.dumps(_config(file, given).masked(), indent=2))


@cli.command()
@click.argument("url", required=False)
@click.pass_obj
def health(file: Path | None, url: str | None) -> None:
    """Exit with 0 if the service at URL is ready, by default the one on this machine at PORT."""
    found = problem(url or local(_config(file, {}).port))
    if found is not None:
        raise click.ClickException(found)


cli.add_command(releases)
