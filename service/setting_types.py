"""The types of settings, and what their texts are turned into before they are checked. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode


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


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]
OptionalText = Annotated[str | None, BeforeValidator(blank_is_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(blank_is_none)]
