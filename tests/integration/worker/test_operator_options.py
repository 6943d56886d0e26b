"""The operator's options for yt-dlp, in what a worker asks a site. Contract: a real worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.breaker.settings import EVERY_SITE
from service.template_wire import WorkerSettings
from service.wire import Job, Kind, Success
from service.ytdlp_options import YtdlpOptions
from tests.support.lone_worker import LoneWorker
from tests.support.origin import Site, origin
from tests.support.plugins import install_plugin

PLUGIN = """
import json, time
from urllib3.util.connection import allowed_gai_family
from yt_dlp.extractor.common import InfoExtractor

class EchoIE(InfoExtractor):
    _VALID_URL = r'http://[^/]+/echo'

    def _real_extract(self, url):
        slept, sleep = [], time.sleep
        time.sleep = slept.append
        try:
            sent = [self._download_json(url, 'x') for _ in range(2)][0]
        finally:
            time.sleep = sleep
        seen = {
            'headers': sent, 'slept': slept, 'family': allowed_gai_family().name,
            'arguments': self._configuration_arg('lang', casesense=True),
            'skipped': self._configuration_arg('player_skip', ie_key='Youtube'),
        }
        return {'id': 'x', 'title': json.dumps(seen), 'url': url + '.mp4', 'ext': 'mp4'}
"""
OPTIONS = {
    EVERY_SITE: YtdlpOptions(user_agent="ours/1", extractor_args={"youtube": {"player_skip": ("js",)}}),
    "127.0.0.1": YtdlpOptions(
        extractor_args={"echo": {"lang": ("De", "fr")}},
        language="pt-BR",
        geo="192.0.2.0/31",
        ipv4_only=True,
        sleep=1.5,
    ),
}


class Echo(Site):
    """Answers with the headers that were sent."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with origin(Echo) as port:
        yield port


@pytest.fixture(scope="module")
def worker(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneWorker]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    allow = (f"127.0.0.1:{port}", f"localhost:{port}")
    settings = WorkerSettings(plugin_dir=str(plugins), egress_allow=allow, options=OPTIONS)
    with LoneWorker.spawn(settings) as running:
        yield running


def seen(worker: LoneWorker, port: int, host: str, kind: Kind = Kind.EXTRACT) -> dict[str, Any]:
    outcome = worker.run(Job(kind, f"http://{host}:{port}/echo"))
    assert isinstance(outcome, Success), outcome
    found: dict[str, Any] = json.loads(json.loads(outcome.body)["title"])
    return found


def test_a_sites_own_options_hold_for_it(worker: LoneWorker, port: int) -> None:
    found = seen(worker, port, "127.0.0.1")
    headers = found.pop("headers")
    assert headers["Accept-Language"] == "pt-BR,pt;q=0.9,en;q=0.5"
    assert headers["X-Forwarded-For"] in ("192.0.2.0", "192.0.2.1")
    assert headers["User-Agent"].startswith("Mozilla/")
    assert found == {"slept": [1.5], "family": "AF_INET", "arguments": ["De", "fr"], "skipped": []}


def test_those_of_every_site_hold_for_others(worker: LoneWorker, port: int) -> None:
    """Also behind a job of a site with its own: none is left over."""
    seen(worker, port, "127.0.0.1")
    found = seen(worker, port, "localhost")
    headers = found.pop("headers")
    assert headers["User-Agent"] == "ours/1"
    assert headers["Accept-Language"].startswith("en-us")
    assert "X-Forwarded-For" not in headers
    assert found == {"slept": [], "family": "AF_UNSPEC", "arguments": [], "skipped": ["js"]}


def test_what_a_size_skips_comes_besides(worker: LoneWorker, port: int) -> None:
    assert seen(worker, port, "localhost", Kind.SIZE)["skipped"] == ["js", "initial_data"]


def test_a_country_is_claimed_by_one_of_its_addresses(port: int, tmp_path: Path) -> None:
    plugins = install_plugin(tmp_path, PLUGIN)
    allow = (f"127.0.0.1:{port}",)
    options = {EVERY_SITE: YtdlpOptions(geo="ch")}
    settings = WorkerSettings(plugin_dir=str(plugins), egress_allow=allow, options=options)
    with LoneWorker.spawn(settings) as worker:
        assert seen(worker, port, "127.0.0.1")["headers"]["X-Forwarded-For"]
