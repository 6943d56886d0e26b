"""The frozen Config: every setting, its default and its check, in one place.

The first source that has a setting wins: command line, environment (the upper-case name), TOML file
(the lower-case name); setting_sources.py reads the last two. Times named `*_ms` and `ytdlp_timeout` are
milliseconds, as existing deployments set them; the code below uses the properties in seconds.
"""

from __future__ import annotations

import functools
import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from .breaker.settings import EVERY_SITE, BreakerSettings
from .cluster.address import EngineAddress
from .egress.settings import EgressSettings, check_egresses, masked_proxy
from .hosts import Place, is_local, mode, places
from .keys import KeySettings, check_keys
from .setting_checks import WEB, is_url, sentence
from .setting_sites import breaker_from
from .setting_sources import ConfigError as ConfigError
from .setting_sources import Environment, read_file, refuse_look_alikes, with_secrets
from .setting_types import CommaSeparated, Hosts, OptionalPath, OptionalSecret, OptionalText, Origins, level
from .setting_ytdlp import masked, options_by_site
from .worker.egress import rules, sidecar_rules
from .ytdlp_options import YtdlpOptions

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SLOW_AFTER = 15.0  # seconds after which a call counts as slow; later where a request may take longer
SLOW_PART = 0.6  # of YTDLP_TIMEOUT


class Config(BaseSettings):
    """The resolved settings of one service. Frozen; passed whole."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", case_sensitive=False, env_ignore_empty=True
    )

    host: str = Field(
        "127.0.0.1",
        description="Addresses to listen on, comma-separated: localhost is all of the loopback's, "
        "unix:/path a Unix socket.",
    )
    socket_mode: str = Field("660", description="Permissions of the Unix sockets, in octal.")
    port: int = Field(
        3000, ge=0, le=65535, description="Port to listen on; 0 picks a free one and prints it."
    )

    keep_alive_ms: int = Field(
        75_000,
        ge=1000,
        le=3_600_000,
        description="Time in ms that an idle connection stays open; longer than a proxy in front keeps it.",
    )

    min_workers: int = Field(2, ge=1, le=64, description="Warm floor: workers that are always ready.")
    max_workers: int = Field(10, ge=1, le=64, description="Ceiling of yt-dlp worker processes.")
    max_tasks_per_worker: int = Field(
        100, ge=0, description="Jobs after which a worker is replaced; 0: never, 1: a new process for each."
    )
    scaling: str = Field(
        "auto",
        pattern=r"^(auto|fixed:[1-9][0-9]?)$",
        description="How many workers: auto tunes itself between the two, fixed:N keeps N.",
    )
    worker_idle_ms: int = Field(
        120_000, ge=100, description="Idle time in ms after which a worker above the floor goes."
    )
    worker_memory_mb: int = Field(
        2048,
        ge=256,
        description="Memory in MB that one worker may use before its job is stopped. "
        "Below 768 it cannot solve YouTube's challenges where the solver does not.",
    )
    ytdlp_timeout: int = Field(25_000, ge=1000, le=600_000, description="Time in ms for one extraction.")
    ytdlp_max_buffer: int = Field(
        10_485_760, ge=1024, le=1 << 30, description="Bytes that one result may have."
    )
    queue_max: int = Field(100, ge=0, description="Waiting requests beyond which the answer is 503.")

    cache_max_bytes: int = Field(
        64 << 20, ge=0, le=1 << 36, description="Bytes of results that are kept to be given again; 0: none."
    )
    cache_ttl_ms: int = Field(
        300_000,
        ge=1,
        description="Time in ms that a kept result is good for; less where its media URLs expire sooner.",
    )

    cb_failure_threshold: int = Field(5, ge=1, description="Failures in the window that open a breaker.")
    cb_volume_threshold: int = Field(
        10, ge=1, description="Outcomes in the window; a breaker never opens before."
    )
    cb_success_threshold: int = Field(2, ge=1, description="Successes that close a half-open breaker.")
    cb_cooldown_ms: int = Field(60_000, ge=1, description="Time in ms that an open breaker waits.")

    site: dict[str, dict[str, Any]] = Field(
        {},
        repr=False,
        description="One site's breaker and concurrency, where they differ "
        '([site."example.com"] in TOML; [site."*"]: of all sites).',
    )

    sites: Literal["any", "youtube"] = Field(
        "any", description="Sites to accept: any that yt-dlp knows, or youtube alone."
    )
    plugin_dir: OptionalPath = Field(
        None,
        description="Directory of yt-dlp plugins: made by `pip install --target`, or a folder for each.",
    )
    ytdlp: dict[str, Any] = Field(
        {},
        repr=False,
        description='Options for yt-dlp, of all sites ([site."example.com".ytdlp]: of one): '
        "extractor_args, cookies_file, user_agent, impersonate, language, geo, ipv4_only, sleep.",
    )

    ytdlp_dir: OptionalPath = Field(
        None,
        description="Directory of fetched releases of yt-dlp; without it only the installed one is used.",
    )
    ytdlp_update: Literal["off", "notify", "stable", "nightly"] = Field(
        "notify",
        description="Newer yt-dlp: off; notify says that there is one; stable and nightly fetch it.",
    )
    ytdlp_update_interval: int = Field(
        21_600, ge=60, description="Seconds from one look for a newer yt-dlp to the next, spread by a fifth."
    )
    ytdlp_canary_ms: int = Field(
        3_600_000,
        ge=100,
        description="Time in ms for which a new yt-dlp is tried before it is promoted.",
    )
    ytdlp_canary_samples: int = Field(
        2000, ge=4, description="Jobs that it runs before it is promoted, unless there is little traffic."
    )

    require_auth: bool = Field(False, description="Ask every API request for X-API-Key.")
    api_key: OptionalSecret = Field(None, description="The key that clients send as X-API-Key.")
    admin_key: OptionalSecret = Field(None, description="The key for admin endpoints and details in /health.")
    keys: dict[str, KeySettings] = Field(
        {},
        description="API keys by name ([keys.alice] in TOML): hash, tier, rate, burst, share, admin.",
    )
    allowed_origins: Origins = Field(
        (), description="CORS origins: comma-separated, * or chrome-extension://…"
    )
    allowed_hosts: Hosts = Field(
        (),
        description="Names beside the loopback's that Host may have where admins need no key.",
    )
    rate_limit_window_ms: int = Field(60_000, ge=1000, description="Window of the rate limit in ms.")
    rate_limit_max_requests: int = Field(
        20, ge=0, description="Requests that one client may make per window; 0 turns the limit off."
    )
    trusted_proxies: CommaSeparated = Field(
        (), description="Addresses or networks whose X-Forwarded-For is believed."
    )

    proxy_protocol: bool = Field(
        False, description="TRUSTED_PROXIES begin each connection with a PROXY header (version 1 or 2)."
    )

    egress_proxy: OptionalText = Field(None, description="The proxy that yt-dlp uses: http://host:port.")
    egress: dict[str, EgressSettings] = Field(
        {}, description="Several ways out, by name ([egress.fra1] in TOML): proxy or source, class, weight …"
    )
    egress_ca_file: OptionalPath = Field(None, description="A CA bundle to trust in addition (PEM).")
    egress_allow: CommaSeparated = Field(
        (), description="Private networks, hosts or host:port that extraction may reach all the same."
    )

    sidecars: CommaSeparated = Field(
        (),
        description="host:port that plugins may ask, without EGRESS_PROXY: a PO-token provider.",
    )
    cluster_url: OptionalSecret = Field(
        None,
        description="The Valkey or Redis that instances share: redis://user:password@host:port/0, rediss:// "
        "with TLS, or sentinel://host:port,host:port/name, sentinels:// with TLS (needs the cluster extra).",
    )
    cluster_ca_file: OptionalPath = Field(None, description="A CA bundle to trust for it in addition (PEM).")

    drain_delay_ms: int = Field(
        0,
        ge=0,
        le=3_600_000,
        description="Time in ms after SIGTERM in which readiness says no and requests are still served, "
        "so that balancers notice.",
    )
    shutdown_grace_ms: int = Field(
        10_000, ge=0, le=86_400_000, description="Time in ms for running work after SIGTERM."
    )
    ui: bool = Field(True, description="A page for browsers at /; off: JSON for them, too.")
    sentry_dsn: OptionalSecret = Field(None, description="Report errors to Sentry (needs the sentry extra).")
    webhook_url: OptionalSecret = Field(
        None, description="POST events to this URL (needs the webhook extra); secret, as many such URLs are."
    )
    webhook_secret: OptionalSecret = Field(None, description="The key that signs them (HMAC-SHA256).")
    statsd_addr: OptionalText = Field(None, description="Send metrics to this StatsD (UDP), too: host:port.")
    otel_exporter_otlp_endpoint: OptionalText = Field(
        None, description="Send traces to this OTLP/HTTP collector (needs the otel extra)."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(level)] = Field(
        "info", description="What to log."
    )
    log_access: Literal["all", "errors", "none"] = Field(
        "all", description="Requests to log: all but good probes, only those with an error, or none."
    )
    log_format: Literal["json", "console", "auto"] = Field(
        "auto", description="Log lines as json, or for a console; auto: json when not on a terminal."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(init_settings, InitSettingsSource)
        file = init_settings.init_kwargs.pop("file", {})
        return init_settings, Environment(settings_cls), InitSettingsSource(settings_cls, file)

    @classmethod
    def load(cls, *, file: Path | None = None, **given: Any) -> Self:
        """The settings from command line (`given`), environment and TOML `file`.

        Raises:
            ConfigError: a setting is wrong, or a file cannot be read.
        """
        refuse_look_alikes(cls.model_fields)
        sources = {**with_secrets(given), "file": {} if file is None else read_file(file)}
        try:
            return cls(**sources)
        except ValidationError as error:
            lines = [sentence(detail, cls.model_fields) for detail in error.errors()]
            raise ConfigError("\n".join(lines)) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        places(self.host)  # raises ValueError, as the next
        mode(self.socket_mode)
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError(
                "PROXY_PROTOCOL is on but TRUSTED_PROXIES is not set; name the proxies that speak it"
            )
        if self.min_workers > self.max_workers:
            raise ValueError(f"MIN_WORKERS ({self.min_workers}) is over MAX_WORKERS ({self.max_workers})")
        if self.fixed_workers and not self.min_workers <= self.fixed_workers <= self.max_workers:
            raise ValueError(f"SCALING ({self.scaling}) is not between MIN_WORKERS and MAX_WORKERS")
        if self.cb_failure_threshold > self.cb_volume_threshold:
            raise ValueError(
                "CB_FAILURE_THRESHOLD is over CB_VOLUME_THRESHOLD: the breaker could never open; lower it"
            )
        if self.require_auth and self.api_key is None and not self.keys:
            raise ValueError("REQUIRE_AUTH is on but API_KEY is not set; set API_KEY or [keys]")
        check_keys(self.api_key, self.admin_key, self.keys)
        check_egresses(self.egress_proxy, self.egress)
        if self.webhook_url is not None and not is_url(self.webhook_url.get_secret_value(), WEB):
            raise ValueError("WEBHOOK_URL must look like https://host/path")
        collector = self.otel_exporter_otlp_endpoint
        if collector is not None and not is_url(collector, WEB):
            raise ValueError("OTEL_EXPORTER_OTLP_ENDPOINT must look like http://host:4318")
        if self.statsd_addr is not None:
            host, _, statsd_port = self.statsd_addr.rpartition(":")
            if not host or not statsd_port.isdigit() or not 0 < int(statsd_port) < 65536:
                raise ValueError("STATSD_ADDR must look like host:port")
        rules(self.egress_allow)  # raises ValueError where an entry is none
        sidecar_rules(self.sidecars)
        if self.cluster_url is not None:
            EngineAddress.parse(self.cluster_url.get_secret_value())  # raises ValueError
        for name, file in (("EGRESS", self.egress_ca_file), ("CLUSTER", self.cluster_ca_file)):
            if file is not None and not file.is_file():
                raise ValueError(f"{name}_CA_FILE {file} does not exist")
        if self.plugin_dir is not None and not self.plugin_dir.is_dir():
            raise ValueError(f"PLUGIN_DIR {self.plugin_dir} is not a directory")
        if self.ytdlp_update in ("stable", "nightly") and self.ytdlp_dir is None:
            raise ValueError(
                f"YTDLP_UPDATE is {self.ytdlp_update} but YTDLP_DIR is not set; it takes the releases"
            )
        for value in self.trusted_proxies:
            try:
                ipaddress.ip_network(value, strict=False)
            except ValueError:
                raise ValueError(f"TRUSTEDPROXIES: {value!r} is not an address or a network") from None
        for site in self.site:
            self._site_breaker(site)
        _ = self.ytdlp_options  # raises ValueError where a table is wrong
        return self

    def _site_breaker(self, site: str) -> BreakerSettings:
        """The breaker settings of `site`. Raises ValueError where its table is wrong."""
        base = self._built_in if site == EVERY_SITE else self.breaker
        return breaker_from(site, self.site.get(site, {}), base)

    @classmethod
    def command_line_names(cls) -> tuple[str, ...]:
        """The settings that a command-line option can set, secrets by their files; tables are for TOML."""
        return tuple(name for name, field in cls.model_fields.items() if field.default != {})

    @property
    def loopback_only(self) -> bool:
        """Whether only programs on this machine can connect."""
        return all(is_local(place) for place in self.places)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where to listen."""
        return places(self.host)

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(value, strict=False) for value in self.trusted_proxies)

    @property
    def keep_alive(self) -> float:
        """Seconds."""
        return self.keep_alive_ms / 1000

    @property
    def fixed_workers(self) -> int | None:
        """The number of workers where SCALING fixes it, else None."""
        return int(self.scaling.removeprefix("fixed:")) if self.scaling != "auto" else None

    @property
    def job_timeout(self) -> float:
        """Seconds for one request, from the moment it is accepted to its answer."""
        return self.ytdlp_timeout / 1000

    @property
    def cache_ttl(self) -> float:
        """Seconds."""
        return self.cache_ttl_ms / 1000

    @property
    def worker_idle(self) -> float:
        """Seconds."""
        return self.worker_idle_ms / 1000

    @property
    def cooldown(self) -> float:
        """Seconds."""
        return self.cb_cooldown_ms / 1000

    @property
    def breaker(self) -> BreakerSettings:
        """The settings of the breaker of each site that has none of its own."""
        return self._site_breaker(EVERY_SITE)

    @property
    def _built_in(self) -> BreakerSettings:
        return BreakerSettings(
            window_calls=self.cb_volume_threshold,
            minimum_calls=self.cb_volume_threshold,
            failure_rate=self.cb_failure_threshold / self.cb_volume_threshold,
            slow_after=max(SLOW_AFTER, SLOW_PART * self.job_timeout),
            slow_rate=self.cb_failure_threshold / self.cb_volume_threshold,
            success_threshold=self.cb_success_threshold,
            cooldown=self.cooldown,
        )

    def site_limit(self, site: str) -> int | None:
        """How many extractions of `site` may run at a time; None where that is not limited."""
        own, every = self.site.get(site, {}), self.site.get(EVERY_SITE, {})
        limit: int | None = own.get("concurrency", every.get("concurrency"))
        return limit

    @property
    def site_breakers(self) -> dict[str, BreakerSettings]:
        """The settings of sites that have their own."""
        return {site: self._site_breaker(site) for site in self.site if site != EVERY_SITE}

    @functools.cached_property
    def ytdlp_options(self) -> dict[str, YtdlpOptions]:
        """The operator's options for yt-dlp, by site. Raises ValueError where a table is wrong."""
        return options_by_site(self.ytdlp, self.site, timeout=self.job_timeout)

    @property
    def drain_delay(self) -> float:
        """Seconds."""
        return self.drain_delay_ms / 1000

    @property
    def shutdown_grace(self) -> float:
        """Seconds."""
        return self.shutdown_grace_ms / 1000

    def masked(self) -> dict[str, Any]:
        """The settings for people to read, with secrets and a proxy's credentials masked."""
        values = self.model_dump(mode="json")
        if self.egress_proxy is not None:
            values["egress_proxy"] = masked_proxy(self.egress_proxy)
        values["egress"] = {name: settings.masked() for name, settings in self.egress.items()}
        values["ytdlp"] = masked(self.ytdlp)
        for table in values["site"].values():
            if "ytdlp" in table:
                table["ytdlp"] = masked(table["ytdlp"])
        return values
