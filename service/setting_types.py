"""The types of settings, and what their texts are turned into. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from .setting_checks import is_host, is_origin


def split(value: object) -> object:
    """A comma-separated string as a tuple; other values are left to the check of the type."""
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


def blank_is_none(value: object) -> object:
    return None if value == "" else value


def level(value: object) -> object:
    """A level as other programs write it, too: INFO, warn."""
    return {"warn": "warning"}.get(value.lower(), value.lower()) if isinstance(value, str) else value


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not is_origin(value):
            raise ValueError(f"{value!r} is not an origin; write it as https://example.com")
    return values


def _hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not is_host(value):
            raise ValueError(f"{value!r} is not a host; write it without scheme and port")
    return values


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
Origins = Annotated[CommaSeparated, AfterValidator(_origins)]
Hosts = Annotated[CommaSeparated, AfterValidator(_hosts)]
OptionalText = Annotated[str | None, BeforeValidator(blank_is_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(blank_is_none)]
