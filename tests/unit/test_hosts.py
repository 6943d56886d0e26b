"""Pure: the places that HOST names."""

from __future__ import annotations

import pytest

from service.config import Config, ConfigError
from service.hosts import LOOPBACK, Address, UnixSocket, places


def test_several_addresses_of_both_families() -> None:
    assert places("127.0.0.1, [::1],fe80::1%eth0") == (
        Address("127.0.0.1"),
        Address("::1"),
        Address("fe80::1%eth0"),
    )


def test_localhost_is_every_address_of_the_loopback() -> None:
    assert places("localhost") == LOOPBACK
    assert places("LOCALHOST,127.0.0.1") == LOOPBACK  # each once


def test_a_unix_socket_is_on_this_machine() -> None:
    assert places("unix:/run/ytdlpd.sock") == (UnixSocket("/run/ytdlpd.sock"),)
    assert Config.load(host="unix:/run/ytdlpd.sock,::1").loopback_only
    assert not Config.load(host="unix:/run/ytdlpd.sock,0.0.0.0").loopback_only


@pytest.mark.parametrize(
    ("host", "advice"),
    [
        (" , ", "HOST is empty"),
        ("127.0.0.1:80", "without scheme and port"),
        ("http://127.0.0.1", "without scheme and port"),
        ("127.0.0.1 ::1", "several with commas"),
        ("unix:run.sock", "absolute path"),
        (f"unix:/{'x' * 107}", "at most 107 bytes"),
    ],
)
def test_what_is_no_place_is_refused_in_a_sentence(host: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        Config.load(host=host)


@pytest.mark.parametrize("mode", ["rw", "9", "66", "0o660", "07777"])
def test_a_mode_is_octal(mode: str) -> None:
    with pytest.raises(ConfigError, match="three octal digits"):
        Config.load(socket_mode=mode)


def test_a_proxy_header_is_for_trusted_proxies() -> None:
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES is not set"):
        Config.load(proxy_protocol=True)
