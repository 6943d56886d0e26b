"""The tables [ytdlp] and [site."…".ytdlp]: their checks, and how they are shown.

They are the operator's. Nothing that a client sends gets near them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from . import cookie_file
from .breaker.settings import EVERY_SITE
from .breaker.sites import site_of
from .ytdlp_options import NONE, YtdlpOptions, merged

SLEEP_PART = 0.1  # of YTDLP_TIMEOUT: a job makes up to ten requests
PLAIN = frozenset(("player_client", "player_skip", "webpage_skip", "skip", "lang", "formats", "fetch_pot"))

_NAME = re.compile(r"[a-z0-9_+-]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_TARGET = re.compile(r"[a-z]+(?:-[\w.]+)?(?::[a-z]+(?:-[\w.]+)?)?")  # chrome, chrome-131:windows-10
_KNOWN = tuple(sorted(each.name for each in fields(YtdlpOptions)))


def _values(value: object) -> object:
    """Values as yt-dlp splits them on its command line: at commas without a backslash."""
    if isinstance(value, str):
        return tuple(part.replace(r"\,", ",").strip() for part in re.split(r"(?<!\\),", value))
    return value


_Values = Annotated[tuple[str, ...], BeforeValidator(_values)]
_ARGS = TypeAdapter(dict[str, dict[str, _Values]])
_OPTIONS = TypeAdapter(YtdlpOptions)


def options_from(
    table: object, where: str, *, site: str = EVERY_SITE, base: YtdlpOptions = NONE, timeout: float
) -> YtdlpOptions:
    """The options of `table`, on top of those of every site.

    Args:
        where: names the table.
        timeout: seconds that a job has.

    Raises:
        ValueError: something in it is wrong; the text is a sentence that says what.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} is a table: extractor_args, cookies_file and others, each on its line")
    if unknown := sorted(table.keys() - set(_KNOWN)):
        raise ValueError(f"{where}: {', '.join(unknown)} is no option; there are {', '.join(_KNOWN)}")
    try:
        arguments = _ARGS.validate_python(table.get("extractor_args", {}))
    except ValidationError as error:
        named = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ValueError(
            f'{where}: extractor_args.{named}: write extractor_args.youtube.player_client = "web,tv"; '
            "values are strings"
        ) from None
    try:
        given = _OPTIONS.validate_python({**asdict(NONE), **table, "extractor_args": {}})
    except ValidationError as error:
        detail = error.errors()[0]
        named = ".".join(str(part) for part in detail["loc"])
        raise ValueError(f"{where}: {named}: {detail['msg']}") from None
    normal = {
        name.strip().lower(): {_normal(key): tuple(value) for key, value in each.items()}
        for name, each in arguments.items()
    }
    try:
        _check(replace(given, extractor_args=normal), site, timeout)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    own = {name: getattr(given, name) for name in table if name != "extractor_args"}
    if "cookies_file" in own:
        own["cookies_file"] = str(Path(given.cookies_file).absolute()) if given.cookies_file else ""
        own.setdefault("cookies_shared", False)  # said of another file
    return replace(base, **own, extractor_args=merged(base.extractor_args, normal))


def options_by_site(
    general: object, sites: Mapping[str, Mapping[str, Any]], *, timeout: float
) -> dict[str, YtdlpOptions]:
    """The options of every site, from [ytdlp], and of those with a table of their own.

    Args:
        sites: the tables [site."…"].
        timeout: seconds that a job has.

    Raises:
        ValueError: a table is wrong.
    """
    every = options_from(general, "[ytdlp]", timeout=timeout)
    if "ytdlp" in sites.get(EVERY_SITE, {}):
        raise ValueError('[site."*".ytdlp]: the options of all sites are in [ytdlp]')
    own = {
        site: options_from(table["ytdlp"], f"[site.{site!r}.ytdlp]", site=site, base=every, timeout=timeout)
        for site, table in sites.items()
        if "ytdlp" in table
    }
    return {EVERY_SITE: every, **own}


def _normal(name: str) -> str:
    """The name of an argument as yt-dlp looks it up."""
    return name.strip().lower().replace("-", "_")


def _check(given: YtdlpOptions, site: str, timeout: float) -> None:
    for extractor, arguments in given.extractor_args.items():
        for name in (extractor, *arguments):
            if not _NAME.fullmatch(name):
                raise ValueError(f"extractor_args: {name!r} is no name of an extractor or of its argument")
    if not (given.user_agent.isascii() and given.user_agent.isprintable()):
        raise ValueError("user_agent is one line of ASCII")
    if given.language and not _LANGUAGE.fullmatch(given.language):
        raise ValueError(f"language {given.language!r} is not a tag; write it as in de or pt-BR")
    if given.impersonate and not _TARGET.fullmatch(given.impersonate):
        raise ValueError(
            f"impersonate {given.impersonate!r} is no browser; write it as in chrome or safari-18.0"
        )
    if given.geo and not _is_country(given.geo) and not _is_network(given.geo):
        raise ValueError(f"geo {given.geo!r} is neither a country's two letters nor a network (192.0.2.0/24)")
    if not 0 <= given.sleep <= SLEEP_PART * timeout:
        raise ValueError(
            f"sleep must be from 0 to {SLEEP_PART * timeout:g} seconds, a tenth of YTDLP_TIMEOUT, "
            "or no job with ten requests would end in time"
        )
    if given.cookies_shared and not given.cookies_file:
        raise ValueError("cookies_shared is said of a cookies_file, and there is none")
    if given.cookies_file:
        found = cookie_file.read(Path(given.cookies_file))
        if site not in (EVERY_SITE, *(site_of(f"https://{domain}/") for domain in found.domains)):
            raise ValueError(f"cookies_file {given.cookies_file} has no cookie of {site}")


def _is_country(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{2}", text) is not None


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return "/" in text


def masked(table: Mapping[str, Any]) -> dict[str, Any]:
    """`table` for people to read, without arguments of extractors that may be tokens."""
    shown = dict(table)
    if isinstance(arguments := table.get("extractor_args"), Mapping):
        shown["extractor_args"] = {
            extractor: {name: value if _normal(name) in PLAIN else "***" for name, value in given.items()}
            for extractor, given in arguments.items()
        }
    return shown
