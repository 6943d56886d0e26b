"""What commands share: settings and the options for them, and failures that are one clear line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog
import trio

from .. import logs
from ..config import Config, ConfigError
from ..errors import ServiceError
from ..main import CannotListen, StartError
from ..probe import NoAnswer, ask, local, problem
from ..setting_sources import SECRETS
from ..web.http.limits import is_within

log = structlog.get_logger(__name__)

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# What one needs first; `--help` shows it before all other settings.
FIRST = (
    *("host", "port", "max_workers", "require_auth", "api_key", "admin_key"),
    *("trusted_proxies", "egress_proxy", "log_level", "log_format"),
)


def _remember(context: click.Context, _option: click.Parameter, file: Path | None) -> None:
    if file is not None:
        context.obj = file


def config_option(command: Decorated) -> Decorated:
    """`--config` after the command, as well as before it."""
    help_ = "TOML file of settings (also YTDLPD_CONFIG)."
    kind = click.Path(path_type=Path)
    option = click.option(
        "--config", metavar="FILE", type=kind, expose_value=False, callback=_remember, help=help_
    )
    return option(command)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each setting, with its description and default. A secret is given by a file."""
    for name in reversed(Config.command_line_names()):
        command = _option(name)(command)
    return command


def _option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    field = Config.model_fields[name]
    flag = f"--{name.replace('_', '-')}"
    if name in SECRETS:
        help_ = f"The file that has {name.upper()}. {field.description}"
        file = click.option(f"{flag}-file", f"{name}_file", metavar="FILE", help=help_)
        inline = click.option(flag, name, hidden=True, callback=_no_secret)
        return lambda command: inline(file(command))
    default = "" if field.default in (None, ()) else f" Default: {field.default}."
    if field.annotation is bool:
        both = f"{flag}/--no-{flag.removeprefix('--')}"
        default = f" Default: {'on' if field.default else 'off'}."
        return click.option(both, name, default=None, help=f"{field.description}{default}")
    return click.option(flag, name, metavar=name.upper(), help=f"{field.description}{default}")


def _no_secret(_context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse a secret on the command line. The address of a proxy without credentials is none."""
    name = str(option.name)
    if value and not (name == "egress_proxy" and "@" not in value):
        raise click.UsageError(
            f"{name.upper()} is a secret, and other users see the command line; set {name.upper()} or "
            f"{name.upper()}_FILE in the environment, or give {option.opts[0]}-file"
        )
    return value


class WithSettings(click.Command):
    """A command with all settings: its help begins with those that one needs first."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Settings": [], "More settings": []}
        for parameter in self.get_params(context):
            if (record := parameter.get_help_record(context)) is None:
                continue
            name = str(parameter.name)
            setting = name if name in Config.model_fields else name.removesuffix("_file")
            if setting in FIRST:
                sections["Settings"].append(record)
            else:
                sections["More settings" if setting in Config.model_fields else "Options"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def load(file: Path | None, given: Mapping[str, Any] | None = None) -> Config:
    """The settings, with logging set up for them. Raises ClickException where they are wrong."""
    values = {name: value for name, value in (given or {}).items() if value is not None}
    try:
        config = Config.load(file=file, **values)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    logs.configure(config)
    return config


def own_problem(config: Config) -> str | None:
    """Why the service of these settings is not ready, in a sentence; None where it is."""
    return problem(local(config.port, config.host), proxy_protocol=_announces(config))


def ask_own(config: Config, path: str) -> dict[str, Any]:
    """What the service of these settings answers its admin. Raises ClickException where it does not."""
    key = config.admin_key
    headers = {"X-API-Key": key.get_secret_value()} if key is not None else {}
    try:
        where = local(config.port, config.host)
        return ask(where, path, headers=headers, proxy_protocol=_announces(config))
    except NoAnswer as error:
        raise click.ClickException(str(error)) from None


def _announces(config: Config) -> bool:
    return config.proxy_protocol and is_within("127.0.0.1", config.trusted_networks)


def run(entry: Callable[[], Any]) -> Any:
    """Run `entry` under Trio; a failure ends with one clear line and exit code 1."""
    ends = list[BaseException]()
    try:
        return trio.run(entry)
    except* ServiceError as errors:
        error = _first(errors)
        assert isinstance(error, ServiceError)
        ends.append(click.ClickException(f"{error} ({error.code})"))
    except* (ConfigError, CannotListen, StartError) as errors:
        ends.append(click.ClickException(str(_first(errors))))
    except* OSError as errors:
        ends.append(click.ClickException(f"the system refuses: {_first(errors)}"))
    except* Exception as errors:
        log.critical("crashed", error=repr(_first(errors)), exc_info=errors)
        ends.append(SystemExit(1))
    raise ends[0] from None  # out here: Python 3.11.2 makes a group of what is raised above


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
