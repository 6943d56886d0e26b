"""`ytdlpd size` and `ytdlpd extract`: one answer without a server, through the same pool and breaker.

What is asked is checked as over HTTP, by the same schemas, and an error has the same code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config import Config
from ..main import once
from ..web.api import cookies as cookie_files
from ..web.api import urls
from ..web.api.requests import ExtractRequest, SizeRequest, refusal
from ..web.errors import Refused
from ..wire import Job, Kind
from .common import config_option, load, run

M = TypeVar("M", bound=BaseModel)

COOKIES = click.option(
    "--cookies",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A cookie file in the Netscape format, as browsers' extensions export it.",
)
FORMAT = click.option(
    "--format", "-f", metavar="EXPR", help="Formats to choose, in yt-dlp's words: bv*[height<=720]+ba."
)


@click.command()
@click.argument("url")
@FORMAT
@click.option("--language", metavar="TAG", help="Of what is spoken, such as de; not given: the original.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@COOKIES
@click.option("--duration-hint", type=float, metavar="SECONDS", help="Used where the site tells no duration.")
@config_option
@click.pass_obj
def size(file: Path | None, /, *, as_json: bool, cookies: Path | None, **given: Any) -> None:
    """Print how big URL is in each resolution, as a table."""
    config = load(file)
    asked = _checked(SizeRequest, cookies=_jar(cookies), **given)
    job = Job(
        Kind.SIZE,
        _url(asked.url, config),
        duration_hint=asked.duration_hint,
        format=asked.format or "",
        language=asked.language or "",
        cookies=asked.cookies,
    )
    answer = _answer(config, job)
    if as_json:
        _print(answer)
    else:
        Console(highlight=False, soft_wrap=True).print(*table(answer), sep="\n")


@click.command()
@click.argument("url")
@click.option("--fields", metavar="NAMES", help="Only these top-level fields, separated by commas.")
@click.option("--playlist", type=int, metavar="N", help="List this many entries of a playlist.")
@click.option("--start", type=int, metavar="N", help="The first of them, from 1.")
@FORMAT
@COOKIES
@config_option
@click.pass_obj
def extract(file: Path | None, /, *, cookies: Path | None, **given: Any) -> None:
    """Print the metadata of URL as JSON, as yt-dlp gives it."""
    config = load(file)
    asked = _checked(ExtractRequest, cookies=_jar(cookies), **given)
    start, count = asked.page()
    job = Job(
        Kind.EXTRACT,
        _url(asked.url, config),
        fields=tuple(asked.fields),
        playlist=count,
        start=start,
        format=asked.format or "",
        cookies=asked.cookies,
    )
    _print(_answer(config, job))


def table(answer: Mapping[str, Any]) -> list[Text | Table]:
    """The title, and rows, or why there are none: each resolution, audio, the best of all, what is chosen."""
    human, accuracy, formats = (answer.get(name) or {} for name in ("human", "accuracy", "formats"))
    found = Table(box=None, header_style="bold", pad_edge=False)
    found.add_column("resolution")
    found.add_column("size", justify="right")
    found.add_column("accuracy")
    found.add_column("formats")
    for key, size_ in (answer.get("bytes") or {}).items():
        if size_ is not None and "_" not in key:  # variants of a codec are for programs
            texts = (key.removeprefix("s"), human.get(key), accuracy.get(key), formats.get(key))
            found.add_row(*map(_plain, texts))
    for name in ("audio", "best"):
        part = answer.get(name) or {}
        if part.get("bytes") is not None:
            ids = part.get("formats") or part.get("format")
            found.add_row(*map(_plain, (name, part["human"], part["accuracy"], ids)))
    if (chosen := answer.get("selection")) and chosen["bytes"] is not None:
        formats_of_it = "+".join(str(item.get("format_id")) for item in chosen["formats"])
        found.add_row(
            *map(_plain, (chosen["expression"], chosen["human"], chosen["accuracy"], formats_of_it))
        )
    facts = (answer.get("title"), answer.get("extractor"), human.get("duration"))
    heading = _plain(" · ".join(str(fact) for fact in facts if fact), style="bold")
    if found.row_count:
        return [heading, found]
    if answer.get("live"):
        why = "it is live; --duration-hint gives the sizes of so many seconds"
    else:
        why = answer.get("reason") or "the site tells none"
    return [heading, _plain(f"No sizes: {why}.")]


def _plain(value: object, style: str = "") -> Text:
    """Text of a site, without what a terminal would obey."""
    text = "" if value is None else str(value)
    return Text("".join(each for each in text if each.isprintable()), style=style)


def _checked(model: type[M], **given: Any) -> M:
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        refused = refusal(error, model.model_fields)
        raise click.ClickException(f"{refused} ({refused.code})") from None


def _url(url: str, config: Config) -> str:
    try:
        return urls.check(url, sites=config.sites)
    except Refused as error:
        raise click.ClickException(f"{error} ({error.code})") from None


def _jar(file: Path | None) -> str | None:
    """The good lines of a cookie file; what is left out is told on standard error."""
    try:
        jar, warnings = cookie_files.usable(None if file is None else file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise click.ClickException(f"{file} cannot be read: {reason}") from None
    except Refused as error:
        raise click.ClickException(f"{error} ({error.code})") from None
    for warning in warnings:
        click.echo(warning, err=True)
    return jar


def _answer(config: Config, job: Job) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(partial(once, config, job)))
    return answer


def _print(answer: Mapping[str, Any]) -> None:
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
