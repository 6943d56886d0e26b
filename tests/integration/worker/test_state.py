"""A job leaves no state behind: invented modules (pure), and every module of yt-dlp (contract)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from yt_dlp import extractor

from service.worker.state import Snapshot

ROOT = Path(__file__).resolve().parents[3]
SITE = "yt_dlp.extractor.made_up"
HELPER = "yt_dlp.extractor.made_up_helper"
STRANGER = "yt_dlp.extractor.made_up_stranger"

SOURCES = {
    HELPER: """
class Store:
    token = None

def remember(token):
    Store.token = token
""",
    STRANGER: """
class StrangerIE:
    token = None
""",
    SITE: f"""
import collections, functools
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import Namespace
from {HELPER} import remember

TOKEN = None
SEEN = []
LOCATION = Namespace(country="DE", hosts={{}})

def counted(*, calls={{}}):
    return calls

def closed_over():
    memory = []
    return lambda: memory

memory = closed_over()

class SiteIE(InfoExtractor):
    _TESTS = [{{"url": "https://site.example/"}}]
    _TOKEN = "none"
    _HEADERS = {{"Origin": "site", "inner": {{"tokens": [1, 2]}}}}
    _IDS = {{1, 2}}
    _KEY = bytearray(b"key")
    _ORDER = collections.OrderedDict(a=1, b=2)
    _LATEST = collections.deque((1, 2), maxlen=2)
    _PAIR = ([], {{}})

    class Inner:
        token = None

    @staticmethod
    @functools.cache
    def chosen(value):
        return object()

    def method(self):
        pass
""",
}


@pytest.fixture
def site() -> Iterator[ModuleType]:
    """The module of an extractor, a module that it imports from, and an unrelated one."""
    for name, source in SOURCES.items():
        sys.modules[name] = module = ModuleType(name)
        exec(source, vars(module))
    yield sys.modules[SITE]
    for name in SOURCES:
        del sys.modules[name]


def _replace(site: Any) -> None:
    site.TOKEN = site.SiteIE._TOKEN = "T1"
    site.SiteIE.method = len


def _add(site: Any) -> None:
    site.NEW = site.SiteIE._NEW = site.SiteIE.Inner.new = "T1"


def _remove(site: Any) -> None:
    del site.TOKEN, site.SiteIE._TOKEN, site.SiteIE._HEADERS["Origin"]


def _mutate(site: Any) -> None:
    site.SEEN.append("T1")
    site.SiteIE._HEADERS["inner"]["tokens"].clear()
    site.SiteIE._IDS.discard(1)
    site.SiteIE._KEY.extend(b"T1")
    site.SiteIE._ORDER.move_to_end("a")
    site.SiteIE._LATEST.append(3)
    site.SiteIE._PAIR[1]["token"] = "T1"


def _replace_and_mutate(site: Any) -> None:
    site.SiteIE._HEADERS["inner"]["tokens"].append("T1")
    site.SiteIE._HEADERS["inner"] = {"tokens": ["T1"]}


def _reach(site: Any) -> None:
    site.remember("T1")
    site.LOCATION.country = "FR"
    site.LOCATION.hosts["a"] = "T1"
    site.SiteIE.Inner.token = "T1"


def _call(site: Any) -> None:
    site.counted()["token"] = "T1"
    site.memory().append("T1")


def state_of(site: Any) -> list[Any]:
    """All that the above can change, as text."""
    cls = site.SiteIE
    names = [sorted(vars(holder)) for holder in (site, cls, cls.Inner)]
    helper: Any = sys.modules[HELPER]
    values = [site.TOKEN, site.SEEN, vars(site.LOCATION), site.counted(), site.memory(), helper.Store.token]
    held = [cls._TOKEN, cls._HEADERS, cls._IDS, cls._KEY, cls._ORDER, cls._LATEST, cls._PAIR, cls.Inner.token]
    return [names, *map(repr, values), *map(repr, held), cls.method]


@pytest.mark.parametrize(
    "change", [_replace, _add, _remove, _mutate, _replace_and_mutate, _reach, _call], ids=lambda f: f.__name__
)
def test_the_changes_of_a_job_are_restored(site: Any, change: Callable[[Any], None]) -> None:
    before, objects = state_of(site), {**vars(site.SiteIE)}
    snapshot = Snapshot()
    for _ in range(2):  # the first job leaves the snapshot intact
        change(site)
        snapshot.restore([SITE])
        assert state_of(site) == before
    assert all(vars(site.SiteIE)[name] is value for name, value in objects.items())


def test_the_cache_of_a_function_is_cleared(site: Any) -> None:
    snapshot = Snapshot()
    first = site.SiteIE.chosen("a")
    snapshot.restore([SITE])
    assert site.SiteIE.chosen("a") is not first


def test_only_modules_in_reach_of_the_job_are_restored(site: Any) -> None:
    stranger: Any = sys.modules[STRANGER]
    snapshot = Snapshot()
    stranger.StrangerIE.token = "T1"
    snapshot.restore([SITE])
    assert stranger.StrangerIE.token == "T1", "a look at everything is too dear"
    snapshot.restore([SITE, STRANGER])
    assert stranger.StrangerIE.token is None


def test_a_plugin_is_looked_at_whatever_was_used() -> None:
    name = "yt_dlp_plugins.extractor.made_up"
    plugin: Any = ModuleType(name)
    plugin.TOKEN = None
    sys.modules[name] = plugin
    try:
        snapshot = Snapshot()
        plugin.TOKEN = "T1"
        snapshot.restore([])
        assert plugin.TOKEN is None
    finally:
        del sys.modules[name]


def test_a_module_that_a_job_was_the_first_to_import_is_imported_anew(site: Any) -> None:
    helper = sys.modules.pop(HELPER)
    snapshot = Snapshot()
    sys.modules[HELPER] = helper
    vars(sys.modules["yt_dlp.extractor"])["made_up_helper"] = helper
    try:
        snapshot.restore([SITE, HELPER])
        assert HELPER not in sys.modules
        assert not hasattr(sys.modules["yt_dlp.extractor"], "made_up_helper")
        snapshot.restore([SITE])
    finally:
        sys.modules[HELPER] = helper


def test_a_package_that_a_job_was_the_first_to_import(site: Any) -> None:
    snapshot = Snapshot()
    package = "yt_dlp_plugins.made_up"
    sys.modules |= {package: ModuleType(package), f"{package}.inner": ModuleType(f"{package}.inner")}
    snapshot.restore([SITE])
    assert not [name for name in sys.modules if name.startswith(package)]


def test_a_value_that_cannot_be_compared_is_an_error(site: Any) -> None:
    class Wicked:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None  # type: ignore[assignment]

    snapshot = Snapshot()
    site.TOKEN = Wicked()
    with pytest.raises(RuntimeError):
        snapshot.restore([SITE])


def test_extractors_come_from_the_downloader_only() -> None:
    """An extractor that makes instances of another by itself would have to be restored, too."""
    instance = re.compile(r"\b[A-Z]\w*IE\((?:self|cls|ydl|downloader)\b")
    sources = [*Path(*extractor.__path__).rglob("*.py")]
    assert len(sources) > 900
    assert not [path.name for path in sources if instance.search(path.read_text())]


def test_every_module_of_yt_dlp() -> None:
    """A separate process changes everything in the modules and classes, and reports what a restore misses."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.tampering"], cwd=ROOT, capture_output=True, check=True
    )
    report = json.loads(run.stdout)
    assert report["left"] == []
    assert report["modules"] > 900
    assert report["mutations"] > 1000
    assert report["rebinds"] > 10_000
