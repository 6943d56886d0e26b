"""The check of [site."…"]: one site's breaker, beside what other modules read of the same table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .breaker.settings import EVERY_SITE, BreakerSettings
from .breaker.sites import site_of

OTHERS = ("concurrency", "ytdlp")  # keys that are not the breaker's

_BREAKER = TypeAdapter(BreakerSettings)
_KNOWN = tuple(setting.name for setting in fields(BreakerSettings))


def breaker_from(site: str, table: Mapping[str, Any], base: BreakerSettings) -> BreakerSettings:
    """The breaker settings of `site`, on top of `base`. Raises ValueError where its table is wrong."""
    if site != EVERY_SITE and site_of(f"https://{site}/") != site:
        raise ValueError(f"[site.{site!r}] is not a site; write its domain, as in example.com, or * for all")
    concurrency = table.get("concurrency", 1)
    if not (type(concurrency) is int and concurrency >= 1):
        raise ValueError(f"[site.{site!r}]: concurrency must be a whole number of at least 1")
    values = {name: value for name, value in table.items() if name not in OTHERS}
    if unknown := values.keys() - set(_KNOWN):
        known = ", ".join(sorted((*OTHERS, *_KNOWN)))
        raise ValueError(
            f"[site.{site!r}]: {', '.join(sorted(unknown))} is not a setting of a site; there are {known}"
        )
    try:
        return _BREAKER.validate_python({**asdict(base), **values})
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in detail["loc"])
        raise ValueError(f"[site.{site!r}]: {where} {detail['msg']}") from None
