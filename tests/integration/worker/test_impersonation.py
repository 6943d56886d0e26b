"""Sites that let only browsers in, for extractors that ask to pass for one. Contract: a real worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.breaker.classification import call_result_of
from service.codes import CallResult, Code
from service.template_wire import WorkerSettings
from service.wire import Failure, Job, Kind
from service.worker import impersonation
from service.worker.cold import ColdTemplate
from service.ytdlp_options import YtdlpOptions
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker
from tests.support.plugins import install_plugin

PLUGIN = """
import sys
from yt_dlp.extractor.common import InfoExtractor

class PickyIE(InfoExtractor):
    _VALID_URL = r'https://fail[.]example/(?P<id>403|429|500|404|text)[?](?P<mode>ask|need)'

    def _real_extract(self, url):
        needed = self._match_valid_url(url)['mode'] == 'need'
        page = self._download_webpage(url, 'x', impersonate=True, require_impersonation=needed)
        return {'id': 'x', 'title': 'x', 'url': self._search_regex('<video src="(.+)"', page, 'video')}
"""
CASES = {
    "403?ask": Code.IMPERSONATION_NEEDED,
    "429?ask": Code.IMPERSONATION_NEEDED,
    "text?need": Code.IMPERSONATION_NEEDED,
    "500?ask": Code.UPSTREAM_ERROR,
    "404?ask": Code.NOT_FOUND,
    "403": Code.FORBIDDEN,  # nobody asked
}


def test_without_the_extra_each_refusal_has_its_code(internet: Internet, tmp_path: Path) -> None:
    plugins = str(install_plugin(tmp_path, f"{PLUGIN}\nsys.modules['curl_cffi'] = None"))
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file), plugin_dir=plugins)
    with LoneWorker.spawn(settings) as worker:
        found = {path: worker.run(Job(Kind.EXTRACT, f"https://fail.example/{path}")) for path in CASES}
    codes = {path: outcome.code for path, outcome in found.items() if isinstance(outcome, Failure)}
    assert codes == CASES
    refused = found["403?ask"]
    assert call_result_of(refused) is CallResult.UNDECIDED
    assert isinstance(refused, Failure)
    assert "ytdlpd[impersonate]" in refused.message, "it says what can be done"


def test_what_the_operator_asks_for_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(browser: str) -> None:
        impersonation.check([YtdlpOptions(), YtdlpOptions(impersonate=browser)])

    asked("chrome")
    asked("safari-18.4:ios")
    with pytest.raises(ColdTemplate, match=r"'netscape': there is no such browser; there are chrome, edge"):
        asked("netscape")
    monkeypatch.setattr(impersonation, "handlers", tuple)
    with pytest.raises(ColdTemplate, match=r"pip install 'ytdlpd\[impersonate\]'"):
        asked("chrome")
