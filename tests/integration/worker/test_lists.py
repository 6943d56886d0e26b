"""Lists with failing parts: only those parts are lost (contract: a real worker and yt-dlp)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.codes import Code
from service.template_wire import WorkerSettings
from service.wire import Failure, Job, Kind, Success
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker
from tests.support.plugins import install_plugin

PLUGIN = """
from yt_dlp.extractor.common import InfoExtractor

class ListIE(InfoExtractor):
    _VALID_URL = r"https?://list[.]example/(?P<id>.+)"

    def _real_extract(self, url):
        how = self._match_id(url)
        return self.playlist_result(getattr(self, "_" + how)(), how, "A list")

    def _video(self, name, **more):
        return {"id": name, "title": name, "url": f"https://cdn.example/{name}.mp4", "ext": "mp4", **more}

    def _first_page(self):
        self._download_webpage("https://fail.example/404", "1")
        yield self._video("v0")

    def _defect(self):
        yield self._video("v0")
        raise LookupError("a defect of the extractor's")

    def _one_without_formats(self):
        return [self._video("v0"), self._video("v1", url=None, formats=[]), self._video("v2")]

    def _all_without_formats(self):
        return [self._video(name, url=None, formats=[]) for name in ("v0", "v1")]

    def _empty(self):
        return []
"""
CHANNEL = "https://www.youtube.com/@{}/videos"


@pytest.fixture(scope="module")
def worker(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneWorker]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file), plugin_dir=str(plugins))
    with LoneWorker.spawn(settings) as running:
        yield running


def success(worker: LoneWorker, url: str, **given: Any) -> Success:
    outcome = worker.run(Job(Kind.EXTRACT, url, **given))
    assert isinstance(outcome, Success), outcome
    return outcome


def ids(outcome: Success) -> list[str | None]:
    return [entry and entry["id"] for entry in json.loads(outcome.body)["entries"]]


@pytest.mark.parametrize("how", ["404", "500", "429"])
def test_a_page_that_fails(worker: LoneWorker, how: str) -> None:
    outcome = success(worker, CHANNEL.format(f"fails-{how}"), playlist=60)
    listed = ids(outcome)
    assert len([entry for entry in listed if entry]) == 30
    assert listed[30:] == [None]
    assert json.loads(outcome.body)["partial"] is True
    assert outcome.lifetime == 0, "the next request may get the rest"


def test_a_list_that_is_whole_says_nothing_of_it(worker: LoneWorker) -> None:
    outcome = success(worker, CHANNEL.format("someone"), playlist=60)
    assert len(ids(outcome)) == 60
    assert "partial" not in json.loads(outcome.body)
    assert outcome.lifetime is None
    first = success(worker, CHANNEL.format("fails-404"), playlist=20)
    assert "partial" not in json.loads(first.body), "the page that fails was not needed"


def test_partial_is_included_in_selected_fields_and_in_lines(worker: LoneWorker) -> None:
    url = CHANNEL.format("fails-404")
    assert set(json.loads(success(worker, url, playlist=60, fields=("title",)).body)) == {
        "ok",
        "title",
        "partial",
    }
    head, *entries = success(worker, url, playlist=60, lines=True).body.splitlines()
    assert json.loads(head)["partial"] is True
    assert (len(entries), entries[-1]) == (31, b"null")


def test_an_entry_that_fails(worker: LoneWorker) -> None:
    outcome = success(worker, "https://list.example/one_without_formats")
    assert ids(outcome) == ["v0", None, "v2"]
    assert json.loads(outcome.body)["partial"] is True


def test_a_defect_of_the_extractors(worker: LoneWorker) -> None:
    assert ids(success(worker, "https://list.example/defect")) == ["v0", None]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://list.example/first_page", Code.NOT_FOUND),
        ("https://list.example/all_without_formats", Code.NO_MEDIA),
        ("https://list.example/missing_method", Code.EXTRACTOR_BROKEN),
    ],
)
def test_where_nothing_is_left_the_first_error_is_the_jobs(worker: LoneWorker, url: str, code: Code) -> None:
    outcome = worker.run(Job(Kind.EXTRACT, url))
    assert isinstance(outcome, Failure)
    assert outcome.code is code


def test_an_empty_list_is_no_failure(worker: LoneWorker) -> None:
    outcome = success(worker, "https://list.example/empty")
    assert ids(outcome) == []
    assert "partial" not in json.loads(outcome.body)
