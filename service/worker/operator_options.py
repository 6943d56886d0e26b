"""The operator's options for yt-dlp, as its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from urllib3.util import connection
from yt_dlp.networking.impersonate import ImpersonateTarget

from ..ytdlp_options import ExtractorArgs, YtdlpOptions

_HAS_IPV6 = connection.HAS_IPV6

Arguments = Mapping[str, Mapping[str, Sequence[str]]]


def parameters(options: YtdlpOptions) -> dict[str, Any]:
    """yt-dlp's parameters for `options`; a new dict per call, because YoutubeDL changes it."""
    headers = {"User-Agent": options.user_agent, "Accept-Language": _accepted(options.language)}
    country = len(options.geo) == 2
    return {
        "extractor_args": options.extractor_args,
        "http_headers": {name: value for name, value in headers.items() if value},
        "geo_bypass": bool(options.geo),
        "geo_bypass_country": options.geo.upper() if country else None,
        "geo_bypass_ip_block": None if country else options.geo or None,
        "impersonate": ImpersonateTarget.from_str(options.impersonate) if options.impersonate else None,
        "sleep_interval_requests": options.sleep,
    }


def _accepted(language: str) -> str:
    """The Accept-Language of a browser whose user reads `language` (RFC 9110, 12.5.4)."""
    whole = language.partition("-")[0]
    return ",".join(dict.fromkeys((language, f"{whole};q=0.9", "en;q=0.5"))) if language else ""


def with_arguments(given: ExtractorArgs, needed: Arguments) -> dict[str, dict[str, list[str]]]:
    """The operator's arguments of extractors, and those that a job's scope needs besides."""
    found = {name: {key: list(values) for key, values in each.items()} for name, each in given.items()}
    for extractor, arguments in needed.items():
        for name, values in arguments.items():
            own = found.setdefault(extractor, {}).setdefault(name, [])
            own += [value for value in values if value not in own]
    return found


def use_addresses(options: YtdlpOptions) -> None:
    """Have urllib3 resolve names to IPv4 alone from now on, or to both again.

    yt-dlp would bind each socket to 0.0.0.0 instead, which Landlock refuses.
    """
    connection.HAS_IPV6 = _HAS_IPV6 and not options.ipv4_only
