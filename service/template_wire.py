"""What the server tells the template as it starts it, and what the template reports once it is warm. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .ytdlp_options import YtdlpOptions, decoded


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the template and its workers need to know; sent over the control socket, never as arguments.

    Attributes:
        proxy: the proxy URL yt-dlp uses, with its credentials, or None.
        ca_file: a CA bundle to trust in addition, or None.
        plugin_dir: a directory of yt-dlp plugins, or None for none at all.
        egress_allow: private networks, hosts or host:port that may be reached all the same.
        max_result: bytes that one result may have.
        memory: bytes of private memory (RLIMIT_DATA) that a worker may use, on top of the template's own.
        solver: the server answers CHALLENGES.
        options: the operator's for yt-dlp, by site.
        sidecars: host:port that plugins may ask directly.
        proxy_ports: those of all egresses, where there are several; each job then has its route.
        only_proxies: every egress is a proxy.
        sources: some egress sends from an address of its own.
    """

    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    plugin_dir: str | None = None
    egress_allow: tuple[str, ...] = ()
    max_result: int = 10_485_760
    memory: int = 2 << 30
    solver: bool = False
    options: Mapping[str, YtdlpOptions] = field(default_factory=dict, hash=False, repr=False)
    sidecars: tuple[str, ...] = ()
    proxy_ports: tuple[int, ...] = ()
    only_proxies: bool = False
    sources: bool = False


@dataclass(frozen=True, slots=True)
class Warm:
    """What a warmed template reports: yt-dlp's version, the JavaScript runtime's ("deno 2.9.8") or None.

    Attributes:
        layers: what keeps its workers from reaching, reading or starting what they may not, in words.
        lost: patches of yt-dlp that do not fit this version, so that its extractions cost more.
        plugins, providers, broken: what PLUGIN_DIR holds; see worker/plugins.py.
    """

    ytdlp: str
    runtime: str | None
    layers: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def decode_settings(values: Mapping[str, Any]) -> WorkerSettings:
    """The settings from the JSON of their fields."""
    lists = {name: tuple(values[name]) for name in ("egress_allow", "sidecars", "proxy_ports")}
    return WorkerSettings(**{**values, **lists, "options": decoded(values["options"])})
