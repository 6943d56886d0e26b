"""End-to-end: without a proxy, workers resolve and connect themselves, and the guard checks each address.

A plugin replaces the name servers; its names lead to this machine, where one listener is a site that the
operator allows, and another stands for the private network.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from service.worker.egress import WEB_PORTS
from tests.support.origin import Site, origin
from tests.support.plugins import install_plugin
from tests.support.running_service import Service

RESOLVER = """
import itertools, socket
from yt_dlp.extractor.common import InfoExtractor

ADDRESSES = {
    "site.example": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "rebinding.example": ["127.0.0.2", "127.0.0.1"],
    "second.example": ["0.0.0.0", "127.0.0.1"],
    "six.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "six-to-four.example": ["2002:7f00:1::"],
    "carrier.example": ["100.64.0.1"],
    "metadata.example": ["169.254.169.254"],
    "private.example": ["10.0.0.1"],
    "local.example": ["fd00::1"],
    "link.example": ["fe80::1"],
    "many.example": ["239.0.0.1"],
    "none.example": ["0.0.0.0"],
}
turns = itertools.count()
asked = socket.getaddrinfo

def getaddrinfo(host, port, *args, **kwargs):
    if host not in ADDRESSES:
        return asked(host, port, *args, **kwargs)
    found = ADDRESSES[host]
    if host == "rebinding.example":  # another answer each time
        found = [found[next(turns) % 2]]
    six = lambda address: (socket.AF_INET6, (address, port, 0, 0))
    four = lambda address: (socket.AF_INET, (address, port))
    pairs = [six(address) if ":" in address else four(address) for address in found]
    return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in pairs]

socket.getaddrinfo = getaddrinfo

class UnknownIE(InfoExtractor):
    _VALID_URL = r"https?://unknown[.]example/"
"""

PRIVATE = """
    loopback rebinding second six mapped nat64 six-to-four carrier metadata private local link many none
"""


class SignpostSite(Site):
    """Leads to `host` and `port`, which its path names, in the way that its path names."""

    def do_GET(self) -> None:
        _, way, host, port = self.path.split("/")[:4]
        target = f"http://{host}:{port}/secret"
        kind, headers, text = "text/html", {}, "<html><title>A page</title><p>Nothing."
        if way == "redirect":
            headers["Location"] = target
        elif way == "refresh":
            text = f'<html><head><meta http-equiv="refresh" content="0; url={target}"></head></html>'
        elif way == "hls":
            kind = "application/vnd.apple.mpegurl"
            text = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x2\n{target}.m3u8\n"
        elif way == "source":
            text = f'<html><video><source src="{target}.m3u8" type="application/x-mpegURL"></video></html>'
        body = text.encode()
        self.send_response(302 if headers else 200)
        for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET


@dataclass(frozen=True)
class World:
    """A service without a proxy, the site that it may reach, and the private listener."""

    service: Service
    site: int
    private: socket.socket

    def code(self, url: str) -> str:
        return str(self.service.extract(url).json().get("code", "OK"))

    def reached(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self.private.accept()[0].close()
            return True
        return False


@pytest.fixture(scope="module", params=["", "chrome"], ids=["requests", "curl"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    plugins = install_plugin(tmp_path_factory.mktemp("resolver"), RESOLVER)
    with origin(SignpostSite) as site, listening_where_sites_do() as private:
        settings = {
            "PLUGIN_DIR": plugins,
            "EGRESS_ALLOW": f"site.example:{site}",
            "YTDLP": json.dumps({"impersonate": request.param}),
            "SCALING": "fixed:1",
            "MIN_WORKERS": 1,
            "CACHE_MAX_BYTES": 0,
            "CB_FAILURE_THRESHOLD": 1000,
            "CB_VOLUME_THRESHOLD": 1000,
        }
        with Service.run(settings=settings) as service:
            yield World(service, site, private)


@contextlib.contextmanager
def listening_where_sites_do() -> Iterator[socket.socket]:
    """A listener on a port that the policy allows."""
    for port in sorted(WEB_PORTS, reverse=True):
        with contextlib.suppress(OSError), socket.create_server(("", port), backlog=64) as listener:
            listener.setblocking(False)
            yield listener
            return
    pytest.skip("every port of sites is taken on this machine")


def test_the_site_that_is_allowed_is_reached(world: World) -> None:
    assert world.code(f"http://site.example:{world.site}/plain/-/0/") == "UNSUPPORTED_URL"


@pytest.mark.parametrize("host", [f"{name}.example" for name in PRIVATE.split()])
def test_the_address_really_connected_to_is_judged(world: World, host: str) -> None:
    port = world.private.getsockname()[1]
    for _ in range(2):
        assert world.code(f"http://{host}:{port}/secret") == "BLOCKED_TARGET"
    assert not world.reached()


@pytest.mark.parametrize("way", ["redirect", "refresh", "hls", "source"])
@pytest.mark.parametrize("host", ["loopback.example", "rebinding.example", "127.0.0.1", "[::ffff:127.0.0.1]"])
def test_at_every_hop(world: World, way: str, host: str) -> None:
    port = world.private.getsockname()[1]
    assert world.code(f"http://site.example:{world.site}/{way}/{host}/{port}/") == "BLOCKED_TARGET"
    assert not world.reached()


def test_a_port_that_sites_do_not_use(world: World) -> None:
    for port in (22, 25, 3306, 6379, 11211):
        assert world.code(f"http://loopback.example:{port}/") == "BLOCKED_TARGET"
        assert world.code(f"http://site.example:{port}/") == "BLOCKED_TARGET"
