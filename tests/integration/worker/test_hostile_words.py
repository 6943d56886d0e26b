"""What a site names is as long as the site likes, and neither ends a worker nor fills a header (contract: a
real worker and yt-dlp)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from service.codes import Code
from service.template_wire import WorkerSettings
from service.wire import MAX_HEAD, Failure, Job, Kind, Success
from service.worker.completion import MAX_LOCATION
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker
from tests.support.plugins import install_plugin

LONG = 2 * MAX_HEAD
PLUGIN = f"""
from yt_dlp.extractor.common import InfoExtractor

class WordyIE(InfoExtractor):
    _VALID_URL = r"https?://wordy[.]example/(?P<id>.+)"
    LONG = "x" * {LONG}
    FILE = {{"id": "1", "title": "A video", "url": "https://files.example/video.mp4", "ext": "mp4"}}
    DATA = [{{"ext": "vtt", "data": "1" * 1_000_000}}]

    def _real_extract(self, url):
        return getattr(self, "_" + self._match_id(url))()

    def _title(self):
        return self.playlist_from_matches(["https://a.example/1", "https://a.example/2"], "1", self.LONG)

    def _language(self):
        return {{**self.FILE, "language": self.LONG}}

    def _tag(self):
        return {{**self.FILE, "subtitles": {{self.LONG: self.DATA}}}}

    def _protocol(self):
        return {{**self.FILE, "protocol": self.LONG}}

    def _address(self):
        return {{**self.FILE, "url": "https://files.example/video.mp4?" + "x" * {MAX_LOCATION}}}

    def _digits(self):
        return {{**self.FILE, "subtitles": {{"en": self.DATA}}}}

    def _range(self):
        return {{**self.FILE, "url": "https://files.example/absurd-range.mp4"}}
"""


@pytest.fixture(scope="module")
def worker(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneWorker]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file), plugin_dir=str(plugins))
    with LoneWorker.spawn(settings) as running:
        yield running


@pytest.mark.parametrize(
    ("how", "kind", "given", "code"),
    [
        ("title", Kind.SIZE, {}, Code.IS_A_LIST),
        ("language", Kind.SIZE, {"language": "de"}, Code.FORMAT_NOT_AVAILABLE),
        ("tag", Kind.SUBTITLES, {"format": "txt", "language": "de"}, Code.NO_SUBTITLES),
        ("protocol", Kind.LOCATION, {}, Code.NO_DIRECT_URL),
        ("address", Kind.LOCATION, {}, Code.NO_DIRECT_URL),
        ("digits", Kind.SUBTITLES, {"format": "txt"}, Code.NO_SUBTITLES),
    ],
)
def test_a_refusal_is_short(
    worker: LoneWorker, how: str, kind: Kind, given: dict[str, Any], code: Code
) -> None:
    outcome = worker.run(Job(kind, f"https://wordy.example/{how}", **given))
    assert isinstance(outcome, Failure)
    assert outcome.code is code
    assert len(outcome.message) <= 1000
    assert len(str(outcome.about)) <= 5000


def test_a_size_that_is_absurd_is_none(worker: LoneWorker) -> None:
    outcome = worker.run(Job(Kind.SIZE, "https://wordy.example/range"))
    assert isinstance(outcome, Success), outcome
    assert b"does not tell its size" in outcome.body
