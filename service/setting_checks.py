"""Checks of single values of settings, and the sentence for each that is wrong. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic.fields import FieldInfo

from .setting_sources import hint

WEB = ("http", "https")
PROXIES = (*WEB, "socks5", "socks5h")

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s?#@]+/?", re.IGNORECASE)
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*|\[?[0-9a-f:]*:[0-9a-f:.]+\]?", re.IGNORECASE)
_TABLES = {"keys": "a key", "egress": "an egress"}
# What is said of a value, by pydantic's type of the error, where its own words are for programmers.
_PLAIN = {
    "int_parsing": "it is not a whole number",
    "int_from_float": "it is not a whole number",
    "bool_parsing": "it is neither true nor false",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "string_pattern_mismatch": "it is neither auto nor fixed:N",  # of SCALING
    "literal_error": "it must be {expected}",
}


def is_loopback(host: str) -> bool:
    """Whether `host` is the loopback's name or one of its addresses."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """Whether `text` is a name or an address, without scheme and port."""
    return _HOST.fullmatch(text) is not None


def is_origin(text: str) -> bool:
    """Whether `text` is an origin as CORS knows it, or a star for all."""
    return _ORIGIN.fullmatch(text) is not None


def is_url(text: str, schemes: Collection[str]) -> bool:
    """Whether `text` is a URL with one of `schemes`, a host, and no impossible port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is none
        return False


def sentence(detail: Any, settings: Mapping[str, FieldInfo]) -> str:
    """What is wrong, from pydantic's details of one error."""
    where = ".".join(str(part) for part in detail["loc"]).upper()
    if detail["type"] == "extra_forbidden":
        if (owner := _TABLES.get(detail["loc"][0])) is not None:
            _, table = get_args(settings[detail["loc"][0]].annotation)
            known = ", ".join(field.alias or name for name, field in table.model_fields.items())
            return f"{where} is not a setting of {owner}; those are {known}"
        return f"{where} is not a setting{hint(where, settings) or '; `ytdlpd serve --help` lists them'}"
    plain = _PLAIN.get(detail["type"])
    what = plain.format(**detail["ctx"]) if plain and "{" in plain else plain or str(detail["msg"])
    what = what.removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
