"""Requests that pass for a browser's: as guarded as others. Contract: a real worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.breaker.settings import EVERY_SITE
from service.codes import Code
from service.template_wire import WorkerSettings
from service.wire import Failure, Job, Kind, Success
from service.worker.job_record import MAX_BYTES
from service.ytdlp_options import YtdlpOptions
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker
from tests.support.origin import Site, origin
from tests.support.plugins import install_plugin
from tests.support.running_service import eventually

from .test_extraction import FAILURES, SITE, extract, failure

BROWSER = {EVERY_SITE: YtdlpOptions(impersonate="chrome")}


@pytest.fixture(scope="module")
def worker(internet: Internet) -> Iterator[LoneWorker]:
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file), options=BROWSER)
    with LoneWorker.spawn(settings) as running:
        yield running


@pytest.mark.parametrize("url", FAILURES)
def test_each_failure_has_the_code_that_it_has_otherwise(
    url: str, worker: LoneWorker, internet: Internet
) -> None:
    found = failure(worker, url)
    assert found.code is FAILURES[url], found
    assert internet.counters().private_hits == 0


def test_timeouts(worker: LoneWorker) -> None:
    outcome = worker.run(Job(Kind.EXTRACT, "https://fail.example/hang"), timeout=0.5)
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.UPSTREAM_TIMEOUT


def test_no_more_than_the_budget_is_read(worker: LoneWorker, internet: Internet) -> None:
    before = internet.counters().bytes_sent
    assert failure(worker, "https://fail.example/enormous").code is Code.BUDGET_EXCEEDED
    eventually(lambda: internet.counters().open_requests == 0)
    assert internet.counters().bytes_sent - before < 2 * MAX_BYTES


def test_every_hop_is_counted(worker: LoneWorker) -> None:
    usage = worker.run(Job(Kind.EXTRACT, f"{SITE}/redirect")).usage
    assert usage.requests == len(usage.statuses) > 1
    assert usage.statuses[0] == 302


def test_cookies_are_the_jobs(worker: LoneWorker) -> None:
    cookies = ".video.example\tTRUE\t/\tFALSE\t0\tsession\ts3cr3t\n"
    assert "session=s3cr3t" in extract(worker, f"{SITE}/cookies", cookies=cookies)["title"]
    assert "s3cr3t" not in extract(worker, "https://other.example/cookies", cookies=cookies)["title"]
    assert "cookies: none" in extract(worker, f"{SITE}/cookies")["title"]


def test_a_worker_keeps_no_connection_and_no_thread(worker: LoneWorker) -> None:
    process = psutil.Process(worker.process.pid)
    extract(worker, f"{SITE}/html5")
    eventually(lambda: not [c for c in process.net_connections("inet") if c.status != psutil.CONN_CLOSE_WAIT])
    assert process.num_threads() == 1


# Asks in each way that there is, and reports what the site has seen.
PLUGIN = """
import json
from yt_dlp.extractor.common import InfoExtractor

class AskIE(InfoExtractor):
    _VALID_URL = r'(?P<site>http://[^/]+)/ask'

    def _real_extract(self, url):
        site = self._match_valid_url(url)['site']
        ask = lambda path, **options: self._download_json(site + path, 'x', **options)
        secret = {'Authorization': 'SECRET', 'X-Ours': ''}
        seen = {
            'plain': ask('/echo'),
            'browser': ask('/echo?a=ä b', impersonate=True, headers=secret),
            'safari': ask('/echo', impersonate='safari'),
            'posted': ask('/echo', impersonate=True, data=b'a=b'),
            'kept': ask('/to/127.0.0.1/307', impersonate=True, data=b'a=b', headers=secret),
            'turned': ask('/to/127.0.0.1/302', impersonate=True, data=b'a=b'),
            'elsewhere': ask('/to/localhost/302', impersonate=True, headers=secret),
        }
        return {'id': 'x', 'title': json.dumps(seen), 'url': url + '.mp4', 'ext': 'mp4'}
"""


class Echo(Site):
    """Answers with what was asked, or leads to where it does; sets a cookie."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        seen = {
            "method": self.command,
            "path": self.path,
            "body": self.rfile.read(length).decode(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        body = json.dumps(seen).encode()
        if self.path.startswith("/to/"):
            _, _, host, status = self.path.split("/")
            self.send_response(int(status))
            self.send_header("Location", f"//{host}:{self.server.server_port}/echo")  # type: ignore[attr-defined]
        else:
            self.send_response(200)
        self.send_header("Set-Cookie", "site=own")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


def test_what_the_site_sees_of_a_browser(tmp_path: Path) -> None:
    """Only where an extractor asks for one."""
    plugins = install_plugin(tmp_path, PLUGIN)
    with origin(Echo) as port:
        allow = (f"127.0.0.1:{port}", f"localhost:{port}")
        with LoneWorker.spawn(WorkerSettings(plugin_dir=str(plugins), egress_allow=allow)) as worker:
            outcome = worker.run(Job(Kind.EXTRACT, f"http://127.0.0.1:{port}/ask"))
    assert isinstance(outcome, Success), outcome
    seen: dict[str, dict[str, Any]] = json.loads(json.loads(outcome.body)["title"])
    headers = {name: each["headers"] for name, each in seen.items()}
    assert "sec-ch-ua" not in headers["plain"]
    assert "Chrome/" in headers["browser"]["user-agent"]
    assert "sec-ch-ua" in headers["browser"]
    assert "Version/" in headers["safari"]["user-agent"]
    assert seen["browser"]["path"] == "/echo?a=%C3%A4%20b"
    assert headers["browser"]["authorization"] == "SECRET"
    assert headers["browser"]["x-ours"] == ""
    assert headers["posted"]["cookie"] == "site=own"
    assert headers["posted"]["content-type"] == "application/x-www-form-urlencoded"
    told = {name: (each["method"], each["body"]) for name, each in seen.items()}
    assert told["posted"] == told["kept"] == ("POST", "a=b")
    assert told["turned"] == ("GET", "")
    assert headers["kept"]["authorization"] == "SECRET"
    assert "authorization" not in headers["elsewhere"]
    assert "expect" not in headers["posted"]
    assert "content-type" not in headers["turned"]
