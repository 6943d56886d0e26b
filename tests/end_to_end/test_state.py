"""End-to-end: two jobs in one worker, whose extractors keep data of the first job."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.internet import Internet
from tests.support.plugins import install_plugin
from tests.support.running_service import Service, eventually

PLUGIN = """
import json
from yt_dlp.extractor.common import InfoExtractor

TOKEN = None

class Wicked:
    def __eq__(self, other):
        raise RuntimeError("I am not to be compared")

class CarelessIE(InfoExtractor):
    _VALID_URL = r"https?://careless[.]example/(?P<id>[^?]+)"
    _TOKEN = None
    _CACHE = {"tokens": {"seen": []}}

    def _real_extract(self, url):
        global TOKEN
        token = self._match_id(url)
        seen = [TOKEN, self._TOKEN, *self._CACHE["tokens"]["seen"]]
        TOKEN = CarelessIE._TOKEN = Wicked() if token == "wicked" else token
        self._CACHE["tokens"]["seen"].append(token)
        return {"id": "c", "title": json.dumps(seen), "url": "https://careless.example/v.mp4", "ext": "mp4"}
"""
DAILYMOTION = "https://www.dailymotion.com/video/x5kesuj"
TOKENS = "graphql.api.dailymotion.com"


@pytest.fixture(scope="module")
def service(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    plugins = install_plugin(tmp_path_factory.mktemp("plugins"), PLUGIN)
    with Service.run(
        internet, settings={"PLUGIN_DIR": plugins, "MIN_WORKERS": 1, "MAX_WORKERS": 1, "CACHE_MAX_BYTES": 0}
    ) as running:
        yield running


def test_nothing_of_one_job_is_seen_by_the_next(service: Service) -> None:
    destroyed = service.pool()["workersDestroyed"]
    answers = [service.extract(f"https://careless.example/{token}").json() for token in ("T1", "T2", "T3")]
    assert [json.loads(answer["title"]) for answer in answers] == [[None, None]] * 3
    assert service.pool()["workersDestroyed"] == destroyed, "one worker ran them all"


def test_a_token_that_the_site_no_longer_takes_is_not_used(service: Service, internet: Internet) -> None:
    internet.reset()
    destroyed = service.pool()["workersDestroyed"]
    try:
        assert service.extract(DAILYMOTION).status_code == 200
        internet.set(token="T2")
        before = internet.counters()
        assert service.extract(DAILYMOTION).status_code == 200
        after = internet.counters()
    finally:
        internet.reset()
    assert after.of(TOKENS, "token") - before.of(TOKENS, "token") == 1
    assert after.of(TOKENS, "unauthorized") == 0
    assert service.pool()["workersDestroyed"] == destroyed, "one worker ran both"


def test_a_worker_whose_state_cannot_be_put_back_is_replaced(service: Service) -> None:
    destroyed = service.pool()["workersDestroyed"]
    assert service.extract("https://careless.example/wicked").status_code == 200
    eventually(lambda: service.pool()["workersDestroyed"] == destroyed + 1)
    answer = service.extract("https://careless.example/T4").json()
    assert json.loads(answer["title"]) == [None, None]
    assert service.events("WorkerEnded")[-1]["reason"] == "died"
