"""Pure tests of the [egress] tables: what is refused, with which sentence, and what is masked."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.config import Config
from service.egress.egress import ROTATION, egresses_of, source_address
from service.egress.settings import masked_proxy, names_of, proxy_ports
from service.setting_sources import ConfigError

SECRET = "a very secret password"


def load(**tables: dict[str, Any]) -> Config:
    return Config.load(egress=tables)


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"fra1": {"proxy": "fra1.example:1080"}}, "EGRESS.FRA1.PROXY: it must look like http://host:port"),
        ({"fra1": {"source": "10.0.0.1/8"}}, "EGRESS.FRA1.SOURCE: it must be an address or a network"),
        ({"fra1": {"source": "ff02::1"}}, "nothing can be sent from such an address"),
        ({"fra1": {"proxy": "http://a:1", "source": "10.0.0.1"}}, "keep one of them"),
        ({"fra1": {"weight": 0}}, "EGRESS.FRA1.WEIGHT"),
        ({"fra1": {"max_rate": -1}}, "EGRESS.FRA1.MAX_RATE"),
        ({"fra1": {"class": "Berlin, DE"}}, "it must be up to 32 of a-z, 0-9, _ and -"),
        ({"fra1": {"klass": "de"}}, "is not a setting of an egress; those are proxy, source, class, weight"),
        ({"Fra 1": {}}, "is not a name for an egress"),
        ({"de": {}, "fra1": {"class": "de"}}, r"\[egress.de\] has the name of a class"),
        ({"fra1": {"sites": ["www.youtube.com"]}}, "'www.youtube.com' is not a site"),
        ({"fra1": {"sites": ["youtube.com"]}}, "every egress has `sites`"),
    ],
)
def test_what_is_wrong_is_named(tables: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(**tables)


def test_the_one_proxy_and_the_tables_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"EGRESS_PROXY and \[egress\] are both set"):
        Config.load(egress_proxy="http://a:1", egress={"fra1": {}})


def test_no_error_shows_the_credentials() -> None:
    with pytest.raises(ConfigError) as info:
        load(fra1={"proxy": f"gopher://user:{SECRET}@fra1.example:70"})
    assert SECRET not in str(info.value)


def test_the_settings_are_shown_without_credentials(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text(f'[egress.fra1]\nproxy = "socks5h://user:{SECRET}@fra1.example:1080"\nclass = "de"\n')
    config = Config.load(file=file)
    assert config.masked()["egress"] == {
        "fra1": {"proxy": "socks5h://***@fra1.example:1080", "class": "de"},
    }
    assert SECRET not in json.dumps(config.masked()) + repr(config) + repr(egresses_of(config.egress))
    assert masked_proxy("http://proxy.example:3128") == "http://proxy.example:3128"


def test_a_client_may_ask_for_names_and_classes() -> None:
    config = load(fra1={"class": "de"}, fra2={"class": "de"}, home={})
    assert names_of(config.egress) == ("fra1", "fra2", "home", "de")


def test_the_ports_of_the_proxies_are_known() -> None:
    config = load(
        a={"proxy": "socks5://a.example"},
        b={"proxy": "https://b.example"},
        c={"proxy": "http://c.example:3128"},
        d={"source": "10.0.0.1"},
    )
    assert proxy_ports(config.egress) == (443, 1080, 3128)


def test_a_site_takes_the_addresses_of_one_network_for_one_client() -> None:
    config = load(
        a={"source": "2001:db8:1:2::1"},
        b={"source": "2001:db8:1:2::2"},
        c={"source": "2001:db8:1:3::/64"},
        d={"source": "2001:db8:9::/48"},
        e={"source": "10.0.0.1"},
        f={"source": "10.0.0.2"},
    )
    identities = [egress.identity for egress in egresses_of(config.egress)]
    assert identities == [
        "2001:db8:1:2::/64",
        "2001:db8:1:2::/64",
        "2001:db8:1:3::/64",
        "2001:db8:9::/48",
        "e",
        "f",
    ]


@given(
    st.sampled_from(["2001:db8:77::/64", "2001:db8:77::/120", "10.1.0.0/16", "10.1.2.0/30", "10.1.2.3/32"]),
    st.text(max_size=20),
    st.floats(0, 1e6),
    st.binary(min_size=16, max_size=16),
)
def test_a_source_is_an_address_of_its_network_for_an_hour(
    network: str, site: str, now: float, secret: bytes
) -> None:
    within = ip_network(network)
    address = ip_address(source_address(within, site, now, secret))
    assert address in within
    assert within.num_addresses == 1 or address != within.network_address
    assert within.version == 6 or within.num_addresses == 1 or address != within.broadcast_address
    start = now // ROTATION * ROTATION
    assert source_address(within, site, start, secret) == str(address)


def test_another_hour_another_site_and_another_secret_have_another_address() -> None:
    network, secret = ip_network("2001:db8:77::/64"), b"s" * 16
    found = {
        source_address(network, site, now, key)
        for site in ("a.example", "b.example")
        for now in (0.0, ROTATION)
        for key in (secret, b"t" * 16)
    }
    assert len(found) == 8
