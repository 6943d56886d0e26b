"""Plugins and their sidecars, directly and past a proxy. Contract: a real worker."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from service.breaker.settings import EVERY_SITE
from service.codes import Code
from service.template_wire import WorkerSettings
from service.wire import Failure, Job, Kind, Outcome, Success
from service.ytdlp_options import YtdlpOptions
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker
from tests.support.origin import Site, origin
from tests.support.plugins import install_distribution, install_plugin

# An extractor that asks for what its query says, as a provider would, and reports what came of it.
PLUGIN = """
import json, urllib.parse
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.networking import Request

class ProviderIE(InfoExtractor):
    _VALID_URL = r'https://provider[.]example/[?](?P<id>.+)'

    def _real_extract(self, url):
        target = urllib.parse.unquote(self._match_id(url))
        seen = []
        for _ in range(2):
            try:
                request = Request(target, extensions={'timeout': 30.0}, proxies={'all': None})
                seen.append(self._downloader.urlopen(request).read().decode())
            except Exception as error:
                seen.append(f'{type(error).__name__}: {error}')
        return {'id': 'x', 'title': json.dumps(seen), 'url': url, 'ext': 'mp4'}
"""


class Sidecar(Site):
    """Answers, redirects to itself, fails, or drips without end."""

    asked: list[str] = []  # noqa: RUF012  # shared by the handlers of one server

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            try:
                for _ in range(200):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                return
        elif self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "https://site.example/text")
            self.end_headers()
        else:
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()
            self.wfile.write(b"pong")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with origin(Sidecar) as port:
        yield port


@pytest.fixture(scope="module")
def closed() -> Iterator[int]:
    """A port that nobody listens on, and nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.fixture(scope="module", params=["proxy", "direct"])
def worker(
    request: pytest.FixtureRequest,
    internet: Internet,
    port: int,
    closed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LoneWorker]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    settings = WorkerSettings(
        proxy=internet.proxy if request.param == "proxy" else None,
        ca_file=str(internet.ca_file),
        plugin_dir=str(plugins),
        sidecars=(f"127.0.0.1:{port}", f"127.0.0.1:{closed}"),
    )
    with LoneWorker.spawn(settings) as running:
        yield running


def test_without_the_setting_a_providers_job_goes_without_a_token(internet: Internet, tmp_path: Path) -> None:
    """The plugin asks for its default place, which is refused: that is not the client's fault."""
    arguments = {"youtube": {"player_client": ("tv_simply",), "fetch_pot": ("always",)}}
    settings = WorkerSettings(
        proxy=internet.proxy,
        ca_file=str(internet.ca_file),
        plugin_dir=str(install_distribution(tmp_path, "bgutil-ytdlp-pot-provider")),
        options={EVERY_SITE: YtdlpOptions(arguments)},
    )
    before = internet.counters().private_hits
    with LoneWorker.spawn(settings) as worker:
        outcome = worker.run(Job(Kind.EXTRACT, "https://www.youtube.com/watch?v=dQw4w9WgXcQ"))
    assert isinstance(outcome, Success), outcome
    assert outcome.usage.sidecars == (("127.0.0.1:4416", "it is not one of SIDECARS"),)
    assert internet.counters().private_hits == before


def asked(worker: LoneWorker, target: str) -> Outcome:
    return worker.run(Job(Kind.EXTRACT, f"https://provider.example/?{quote(target, safe='')}"))


def seen(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Success), outcome
    found: list[str] = json.loads(json.loads(outcome.body)["title"])
    return found


def test_a_plugin_reaches_a_sidecar_directly(worker: LoneWorker, port: int, internet: Internet) -> None:
    before = internet.counters().private_hits
    outcome = asked(worker, f"http://127.0.0.1:{port}/ping")
    assert seen(outcome) == ["pong", "pong"]
    assert (outcome.usage.requests, outcome.usage.statuses, outcome.usage.sidecars) == (0, (), ())
    assert internet.counters().private_hits == before


def test_nobody_else_does(worker: LoneWorker, port: int) -> None:
    """Neither a client, nor a page that leads there, nor a redirect of the sidecar to anywhere."""
    Sidecar.asked.clear()
    for url in (f"http://127.0.0.1:{port}/client", f"http://0x7f000001:{port}/client"):
        outcome = worker.run(Job(Kind.EXTRACT, url))
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.BLOCKED_TARGET
    assert Sidecar.asked == []
    assert seen(asked(worker, f"http://127.0.0.1:{port}/elsewhere"))[0].startswith("HTTPError")
    assert set(Sidecar.asked) == {"/elsewhere"}


def test_a_place_beside_it_stays_closed(worker: LoneWorker, port: int) -> None:
    for target in (f"http://127.0.0.2:{port}/", f"http://localhost:{port}/", f"ftp://127.0.0.1:{port}/"):
        outcome = asked(worker, target)
        assert isinstance(outcome, Failure)
        assert outcome.code is Code.BLOCKED_TARGET


def test_its_errors_are_the_plugins(worker: LoneWorker, port: int) -> None:
    outcome = asked(worker, f"http://127.0.0.1:{port}/broken")
    assert seen(outcome)[1].startswith("HTTPError: HTTP Error 500")
    assert outcome.usage.sidecars == ((f"127.0.0.1:{port}", "it answers 500"),)
    assert outcome.usage.statuses == ()


def test_a_dead_one_is_left_alone_and_the_job_goes_on(worker: LoneWorker, closed: int) -> None:
    first, second = (asked(worker, f"http://127.0.0.1:{closed}/ping") for _ in range(2))
    assert [each.startswith("TransportError") for each in seen(first) + seen(second)] == [True] * 4
    assert first.usage.sidecars == ((f"127.0.0.1:{closed}", "it cannot be reached"),)
    assert second.usage.sidecars == (), "it is not asked again so soon"


def test_a_hanging_one_costs_a_few_seconds_once(worker: LoneWorker, port: int) -> None:
    """The last test here: the worker then leaves the sidecar alone."""
    outcome = asked(worker, f"http://127.0.0.1:{port}/drip")
    place, problem = f"127.0.0.1:{port}", "it does not answer within 5 s"
    assert seen(outcome) == [
        f"TransportError: {place}: {problem}",
        f"TransportError: {place} has just failed",
    ]
    assert outcome.usage.sidecars == ((place, problem),)
