"""Where settings come from: the environment, the file .env, the TOML file, and a file for each secret.

A variable may have the prefix YTDLPD_, which wins over the name without it: other programs have a HOST, too.
A secret may stand in a file of its own, as Docker and Kubernetes mount it. ADMIN_KEY_FILE in the
environment, `admin_key_file` in the TOML file, or --admin-key-file names that file. A variable whose name is
almost that of a setting is refused, because a service with a mistyped ADMIN_KEY would be one without.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

SECRETS = (
    *("api_key", "admin_key", "egress_proxy", "cluster_url"),
    *("sentry_dsn", "webhook_url", "webhook_secret"),
)
MAX_SECRET = 65_536  # bytes of a secret's file

_ALIKE = 0.88  # of difflib: APIKEY is API_KEY, but APP_KEY is a name of its own
DOTENV = Path(".env")  # in the working directory
_PREFIX = "YTDLPD_"
_OTHERS = frozenset(
    f"{_PREFIX}{name}" for name in ("CONFIG", "URL", "KEY")
)  # the command line's, the examples'


class ConfigError(Exception):
    """One or more settings are wrong; the text has a line for each, which says what to do."""


def variables() -> dict[str, str]:
    """The variables that are not blank, those of the environment before those of .env, by upper-case name.

    Raises:
        ConfigError: .env cannot be read.
    """
    return {**_named(_dotenv()), **_named(os.environ)}


def _named(source: Mapping[str, str | None]) -> dict[str, str]:
    given = {name.upper(): value for name, value in source.items() if value}
    # Kubernetes sets YTDLPD_PORT=tcp://… in every pod beside a service that is called ytdlpd.
    own = {
        name.removeprefix(_PREFIX): value
        for name, value in given.items()
        if name.startswith(_PREFIX) and name not in _OTHERS and "://" not in (value if "PORT" in name else "")
    }
    return {**given, **own}


def _dotenv() -> Mapping[str, str | None]:
    if not DOTENV.is_file():
        return {}
    try:
        return dotenv_values(DOTENV, interpolate=False)
    except OSError as error:
        raise ConfigError(f"{DOTENV.absolute()} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise ConfigError(f"{DOTENV.absolute()} is not text") from None


class Environment(EnvSettingsSource):
    """The environment and .env. A blank variable is one that is not set."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in variables().items()}

    def __call__(self) -> dict[str, Any]:
        files = {f"{name}_file": self.env_vars.get(f"{name}_file") for name in SECRETS}
        return with_secrets({**super().__call__(), **{name: file for name, file in files.items() if file}})

    def prepare_field_value(
        self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool
    ) -> Any:
        try:
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        except ValueError:
            raise ConfigError(
                f"{field_name.upper()}: a table in the environment is written as JSON, for example "
                f"{field_name.upper()}='{{\"example\": {{}}}}'; unset it where another program means it"
            ) from None


def read_file(file: Path) -> dict[str, Any]:
    """The settings of a TOML file.

    Raises:
        ConfigError: it cannot be read.
    """
    if not file.exists():
        raise ConfigError(f"the settings file {file} does not exist")
    if file.is_dir():
        raise ConfigError(f"the settings file {file} is a directory; name the file in it")
    try:
        return with_secrets(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"the settings file {file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"the settings file {file} is not valid TOML: {error}") from None


def with_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one source, with each file of a secret replaced by the secret in it.

    Raises:
        ConfigError: a file cannot be read or is empty, or the source has the secret as well.
    """
    found = dict(values)
    for name in SECRETS:
        file = found.pop(f"{name}_file", None)
        if file in (None, ""):
            continue
        if found.get(name) not in (None, ""):
            raise ConfigError(f"{name.upper()} and {name.upper()}_FILE are both set; keep one of them")
        found[name] = _secret(f"{name.upper()}_FILE", Path(str(file)))
    return found


def _secret(setting: str, file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_SECRET + 1)
        secret = content.decode().strip()
    except OSError as error:
        raise ConfigError(f"{setting}: {file} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise ConfigError(f"{setting}: {file} is not text") from None
    if not secret or len(content) > MAX_SECRET:
        raise ConfigError(f"{setting}: {file} is {'empty' if not secret else 'too long for a secret'}")
    return secret


def refuse_look_alikes(settings: Collection[str]) -> None:
    """Refuse variables whose names are almost those of `settings`, given in lower case.

    Raises:
        ConfigError: with a line for each variable.
    """
    known = {name.upper() for name in settings} | {f"{name.upper()}_FILE" for name in SECRETS}
    # A short name of one word, such as HOST, has neighbours that mean something else.
    typical = [name for name in known if "_" in name]
    wrong = []
    found = variables()
    for name in found:
        plain = name.removeprefix(_PREFIX)
        if plain in known or name in _OTHERS or name.startswith("OTEL_") or f"{_PREFIX}{name}" in found:
            continue
        if meant := difflib.get_close_matches(plain, typical, 1, _ALIKE):
            wrong.append(f"{name} in the environment is not a setting; did you mean {meant[0]}?")
    if wrong:
        raise ConfigError("\n".join(sorted(wrong)))


def hint(name: str, settings: Collection[str]) -> str:
    """The question that names the setting which `name` was perhaps meant to be; empty where none is alike."""
    meant = difflib.get_close_matches(name.lower(), [*settings, *(f"{each}_file" for each in SECRETS)], 1)
    return f"; did you mean {meant[0].upper()}?" if meant else ""
