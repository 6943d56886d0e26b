"""The tables [site."example.com"] of the settings file: where a site differs from the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .settings import BreakerSettings
from .sites import site_of

EVERY_SITE = "*"  # the table with what holds for all

_BREAKER = TypeAdapter(BreakerSettings)


def site_breaker(site: str, table: Mapping[str, Any], base: BreakerSettings) -> BreakerSettings:
    """The settings of the breaker of `site`: those of `base`, but for what its table says.

    Raises:
        ValueError: the table is wrong.
    """
    if site != EVERY_SITE and site_of(f"https://{site}/") != site:
        raise ValueError(f"[site.{site!r}] is not a site; write its domain, as in example.com, or * for all")
    values = {**table}
    concurrency = values.pop("concurrency", None)
    if concurrency is not None and not (type(concurrency) is int and concurrency >= 1):
        raise ValueError(f"[site.{site!r}]: concurrency must be a whole number of at least 1")
    if unknown := values.keys() - {setting.name for setting in fields(BreakerSettings)}:
        known = ", ".join(sorted(("concurrency", *(setting.name for setting in fields(BreakerSettings)))))
        raise ValueError(
            f"[site.{site!r}]: {', '.join(sorted(unknown))} is not a setting of a site; there are {known}"
        )
    try:
        return _BREAKER.validate_python({**asdict(base), **values})
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise ValueError(f"[site.{site!r}]: {where} {detail['msg']}") from None
