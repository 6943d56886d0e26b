"""The settings of the `[egress]` tables and their checks. Pure.

[egress.fra1]
proxy = "socks5h://user:password@fra1.example:1080"   # or `source`; with neither it is the direct way
class = "de"                # a country, or a provider
weight = 2.0                # twice the jobs of others
sites = ["youtube.com"]     # only these; not given: all
max_rate = 5.0              # jobs per second

[egress.home6]
source = "2001:db8:77::/64"   # one random address of it for each site and hour
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ..breaker.sites import site_of
from ..setting_checks import PROXIES, is_url

Network = IPv4Network | IPv6Network

NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
_SHAPE = "it must be up to 32 of a-z, 0-9, _ and -"


class EgressSettings(BaseModel):
    """The settings of one egress."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    proxy: SecretStr | None = Field(None, description="http://host:port, https, socks5 or socks5h.")
    source: str | None = Field(None, description="The address to send from, or a network to take one of.")
    class_: str = Field("", alias="class", description="Its country or provider.")
    weight: float = Field(1.0, gt=0, le=1000, description="Its part of the jobs, against others.")
    sites: tuple[str, ...] = Field((), description="The only sites that it takes; not given: all.")
    max_rate: float | None = Field(None, gt=0, description="Jobs per second at most.")

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_url(value.get_secret_value(), PROXIES):
            raise ValueError("it must look like http://host:port; https, socks5 and socks5h do as well")
        return value

    @field_validator("source")
    @classmethod
    def _is_source(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            network = ip_network(value)
        except ValueError as error:
            raise ValueError(f"it must be an address or a network: {error}") from None
        if network.is_multicast or network.network_address.is_unspecified:
            raise ValueError("nothing can be sent from such an address")
        return value

    @field_validator("class_")
    @classmethod
    def _is_class(cls, value: str) -> str:
        if value and not re.fullmatch(NAME, value):
            raise ValueError(_SHAPE)
        return value

    @field_validator("sites")
    @classmethod
    def _are_sites(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for site in value:
            if site_of(f"https://{site}/") != site:
                raise ValueError(f"{site!r} is not a site; write its domain, as in example.com")
        return value

    @model_validator(mode="after")
    def _goes_one_way(self) -> EgressSettings:
        if self.proxy is not None and self.source is not None:
            raise ValueError("it has a proxy and a source; keep one of them")
        return self

    @property
    def network(self) -> Network | None:
        """The addresses that it sends from; None where it has no `source`."""
        return None if self.source is None else ip_network(self.source)

    def masked(self) -> dict[str, object]:
        """For people to read, with the proxy's credentials masked."""
        values = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if self.proxy is not None:
            values["proxy"] = masked_proxy(self.proxy.get_secret_value())
        return values


def masked_proxy(url: str) -> str:
    """A proxy's URL without its credentials."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else url


def check_egresses(egress_proxy: str | None, egresses: Mapping[str, EgressSettings]) -> None:
    """Check what concerns more than one egress.

    Raises:
        ValueError: something is wrong; the text says what to do.
    """
    if egress_proxy is not None and not is_url(egress_proxy, PROXIES):
        raise ValueError("EGRESS_PROXY must look like http://host:port")
    if not egresses:
        return
    if egress_proxy is not None:
        raise ValueError("EGRESS_PROXY and [egress] are both set; give the proxy a table of its own")
    classes = {settings.class_ for settings in egresses.values()}
    for name in egresses:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"[egress.{name!r}] is not a name for an egress: {_SHAPE}")
        if name in classes:
            raise ValueError(f"[egress.{name}] has the name of a class; a client could mean either")
    if all(settings.sites for settings in egresses.values()):
        raise ValueError(
            "[egress]: every egress has `sites`, so other sites could not be reached; leave it out in one"
        )


def names_of(egresses: Mapping[str, EgressSettings]) -> tuple[str, ...]:
    """What a client may ask for: the names, then the classes."""
    classes = dict.fromkeys(settings.class_ for settings in egresses.values() if settings.class_)
    return (*egresses, *classes)


def proxy_ports(egresses: Mapping[str, EgressSettings]) -> tuple[int, ...]:
    """The ports of the proxies."""
    urls = [each.proxy.get_secret_value() for each in egresses.values() if each.proxy is not None]
    return tuple(sorted({proxy_address(url)[1] for url in urls}))


def proxy_address(url: str) -> tuple[str, int]:
    """The host and the port of a proxy."""
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
