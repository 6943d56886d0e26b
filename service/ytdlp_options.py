"""The operator's options for yt-dlp, as both the server and its workers know them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from .breaker.settings import EVERY_SITE

ExtractorArgs = Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class YtdlpOptions:
    """What the operator gives yt-dlp for the jobs of a site.

    Attributes:
        extractor_args: values by argument by extractor, as behind `--extractor-args`.
        cookies_file: a Netscape cookie file; the server reads it, and a job carries the cookies.
        cookies_shared: results that were got with these cookies may be cached and shared between clients.
        user_agent: of every request, in place of yt-dlp's.
        impersonate: a browser that every request passes for, such as "chrome".
        language: the tag that sites are asked for by Accept-Language.
        geo: the country, or network, that X-Forwarded-For claims where an extractor may claim one.
        ipv4_only: nothing is connected to by IPv6.
        sleep: seconds between the requests of an extractor.
    """

    extractor_args: ExtractorArgs = field(default_factory=dict, repr=False)
    cookies_file: str = ""
    cookies_shared: bool = False
    user_agent: str = ""
    impersonate: str = ""
    language: str = ""
    geo: str = ""
    ipv4_only: bool = False
    sleep: float = 0.0

    @property
    def in_force(self) -> tuple[str, ...]:
        """The names of those that are set, each argument of an extractor with its own."""
        arguments = (
            f"extractor_args.{extractor}.{name}"
            for extractor, given in self.extractor_args.items()
            for name in given
        )
        others = (
            each.name for each in fields(self) if each.name != "extractor_args" and getattr(self, each.name)
        )
        return (*arguments, *others)


NONE = YtdlpOptions()
NO_OPTIONS: Mapping[str, YtdlpOptions] = MappingProxyType({})


def options_of(options: Mapping[str, YtdlpOptions], site: str) -> YtdlpOptions:
    """The options of `site`: its own, or else those of every site."""
    return options.get(site) or options.get(EVERY_SITE) or NONE


def merged(general: ExtractorArgs, particular: ExtractorArgs) -> dict[str, dict[str, tuple[str, ...]]]:
    """All arguments of both; where both name one, that of `particular` holds."""
    return {name: {**general.get(name, {}), **particular.get(name, {})} for name in {**general, **particular}}


def decoded(values: Mapping[str, Mapping[str, Any]]) -> dict[str, YtdlpOptions]:
    """Options by site, from the JSON of their fields."""
    return {
        site: YtdlpOptions(
            **{
                **given,
                "extractor_args": {
                    extractor: {name: tuple(value) for name, value in arguments.items()}
                    for extractor, arguments in given["extractor_args"].items()
                },
            }
        )
        for site, given in values.items()
    }
