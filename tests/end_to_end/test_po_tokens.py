"""End-to-end: the plugin `bgutil-ytdlp-pot-provider` itself, a provider on loopback, and a YouTube."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.internet import Internet
from tests.support.direct_way import RESOLVER, direct_way
from tests.support.origin import Site, origin
from tests.support.plugins import install_distribution, install_plugin
from tests.support.running_service import Service, eventually

PLUGIN = "bgutil-ytdlp-pot-provider"
TOKEN = "dG9rZW4tb2YtdGhlLXByb3ZpZGVy"
YOUTUBE = "www.youtube.com"


class Provider(Site):
    """Answers as bgutil's server does, or not at all while it is not `awake`."""

    asked: list[dict[str, Any]] = []  # noqa: RUF012  # shared by the handlers of one server
    awake = threading.Event()

    def do_GET(self) -> None:
        self._answer({"version": "2.0.2", "server_uptime": 1})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(json.loads(body))
        self._answer({"poToken": TOKEN, "contentBinding": "x", "expiresAt": "2100-01-01T00:00:00Z"})

    def _answer(self, content: dict[str, Any]) -> None:
        self.awake.wait()
        body = json.dumps(content).encode()
        with suppress(OSError):  # whoever asked has left
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


@pytest.fixture(scope="module", params=["proxy", "direct"])
def service(
    request: pytest.FixtureRequest, internet: Internet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    plugins = tmp_path_factory.mktemp("plugins")
    Provider.awake.set()
    with ExitStack() as stack:
        provider = stack.enter_context(origin(Provider))
        stack.callback(Provider.awake.set)
        arguments = {
            "youtube": {"player_client": "tv_simply", "fetch_pot": "always"},
            "youtubepot-bgutilhttp": {"base_url": f"http://127.0.0.1:{provider}"},
        }
        settings: dict[str, object] = {
            "PLUGIN_DIR": plugins,
            "SIDECARS": f"127.0.0.1:{provider}",
            "YTDLP": json.dumps({"extractor_args": arguments}),
            "SCALING": "fixed:2",
            "CACHE_MAX_BYTES": 0,
        }
        if request.param == "direct":
            port = stack.enter_context(direct_way(internet, YOUTUBE))
            install_distribution(plugins / "bgutil", PLUGIN)
            install_plugin(plugins, RESOLVER.format(host=YOUTUBE, port=port))
            settings |= {"EGRESS_ALLOW": f"127.0.0.1:{port}", "EGRESS_CA_FILE": internet.ca_file}
        else:
            install_distribution(plugins, PLUGIN)
        within = internet if request.param == "proxy" else None
        yield stack.enter_context(Service.run(within, settings=settings))


def formats(service: Service, video: str) -> list[str]:
    """The addresses of the video's formats."""
    answer = service.extract(f"https://{YOUTUBE}/watch?v={video}")
    assert answer.status_code == 200, answer.text
    return [each["url"] for each in answer.json()["formats"] if "googlevideo" in each["url"]]


def test_a_line_at_the_start_names_the_providers(service: Service) -> None:
    (line,) = service.events("PluginsLoaded")
    assert "bgutil:http" in line["providers"]
    assert "extractor.getpot_bgutil_http" in line["names"]
    assert line["broken"] == []


def test_the_token_is_in_the_player_request_and_in_media_urls(
    service: Service, internet: Internet, request: pytest.FixtureRequest
) -> None:
    before = internet.counters()
    Provider.asked.clear()
    found = formats(service, "dQw4w9WgXcQ")
    assert found
    assert [url for url in found if f"pot={TOKEN}" not in url and f"pot/{TOKEN}" not in url] == []
    after = internet.counters()
    assert after.of(YOUTUBE, "player with token") > before.of(YOUTUBE, "player with token")
    assert after.private_hits == before.private_hits
    way = internet.proxy if request.node.callspec.params["service"] == "proxy" else None
    assert {each["proxy"] for each in Provider.asked} == {way}, "a token is made the way it is used"


def test_a_provider_that_hangs_fails_no_job(service: Service) -> None:
    """The last test here: workers then leave it alone."""
    Provider.awake.clear()
    try:
        for video in ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"):
            assert formats(service, video)
    finally:
        Provider.awake.set()
    eventually(lambda: service.events("SidecarFailed"))
    line, *_ = service.events("SidecarFailed")
    assert line["problem"] == "it does not answer within 5 s"
    assert line["level"] == "warning"
