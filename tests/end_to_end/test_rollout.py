"""End-to-end: new yt-dlp releases under load: promoted or taken back, and no client sees a failure."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.releases.store import ReleaseStore
from tests.internet import Internet
from tests.support.release_wheels import BROKEN_YOUTUBE, RAISES, Edit, Wheels, unpack
from tests.support.running_service import ROOT, Service, eventually

CLIENTS = 10
VIDEO = "https://youtu.be/plain______"  # without a challenge: hundreds of extractions need CPU enough
PAUSE = 0.2  # seconds between a client's requests: comparing needs CPU too
LONG_PAUSE = 2.0  # seconds, while no release is on trial: fetching and warming need CPU, not jobs
WITHIN = 240.0  # seconds; generous, for machines that are busy with something else
SETTINGS = {"SCALING": "fixed:3", "MIN_WORKERS": 3, "YTDLP_CANARY_MS": 3000, "YTDLP_CANARY_SAMPLES": 60}
CRASHES_AT_TIMES = (
    Edit(
        "yt_dlp/extractor/common.py",
        "    def extract(self, url):\n",
        "    def extract(self, url):\n        import os, time\n"
        "        if '?t=' in url and time.time_ns() // 1000 % 2 == 0:\n            os._exit(9)\n",
    ),
)


@dataclass
class Load:
    """CLIENTS clients that ask one after another; what they got, by status and release."""

    service: Service
    statuses: Counter[int] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    pause: float = LONG_PAUSE

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        numbers = itertools.count()

        def client() -> None:
            while not stop.is_set():
                answer = self.service.extract(f"{VIDEO}?t={next(numbers)}")
                self.statuses[answer.status_code] += 1
                self.releases[answer.headers.get("X-Ytdlp-Version", "")] += 1
                stop.wait(self.pause)

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


@dataclass
class Stand:
    """A service with an empty store."""

    service: Service
    root: Path

    def releases(self) -> set[str]:
        """The releases of the workers."""
        return {str(worker["ytdlp"]) for worker in self.service.pool()["workers"]}

    def await_event(self, name: str, version: str) -> str:
        """The reason of the event, once it has come."""
        found: list[str] = []

        def came() -> bool:
            found.extend(
                str(each.get("reason", ""))
                for each in self.service.events(name)
                if each["version"] == version
            )
            return bool(found)

        eventually(came, WITHIN)
        return found[0]

    def await_verdict(self, name: str, version: str, load: Load) -> str:
        """The reason of the event that ends the trial of `version`, for which the clients hurry."""
        self.await_event("CanaryBegan", version)
        load.pause = PAUSE
        try:
            return self.await_event(name, version)
        finally:
            load.pause = LONG_PAUSE


def fetch(root: Path, folder: Path, version: str) -> None:
    """Fetch a release as an operator does, from a folder of wheels."""
    Wheels(folder).add(version)
    command = [sys.executable, "-m", "service", "releases", "fetch", version, "--from", str(folder)]
    environment = {"PATH": os.environ["PATH"], "YTDLP_DIR": str(root)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WITHIN)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def stand(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    root = tmp_path_factory.mktemp("releases")
    with Service.run(internet, settings={**SETTINGS, "YTDLP_DIR": root}) as service:
        yield Stand(service, root)


def test_a_good_release_is_fetched_and_promoted_under_load(stand: Stand, tmp_path: Path) -> None:
    load = Load(stand.service)
    with load.running():
        fetch(stand.root, tmp_path, "2027.1.1")
        stand.await_verdict("ReleasePromoted", "2027.1.1", load)
        eventually(lambda: load.releases["2027.1.1"])
    assert set(load.statuses) == {200}
    assert ReleaseStore(stand.root).state().active == "2027.1.1"
    eventually(lambda: stand.releases() == {"2027.1.1"})


def test_bad_releases_are_taken_back_under_load(stand: Stand) -> None:
    (serving,) = stand.releases()
    load = Load(stand.service)
    with load.running():
        unpack(stand.root, "2027.1.2", BROKEN_YOUTUBE)
        reason = stand.await_verdict("ReleaseRolledBack", "2027.1.2", load)
        assert "it failed where the old one answered: 0 pairs for it" in reason
        unpack(stand.root, "2027.1.3", CRASHES_AT_TIMES)
        stand.await_verdict("ReleaseRolledBack", "2027.1.3", load)
        unpack(stand.root, "2027.1.4", RAISES)
        assert "broken at import" in stand.await_event("ReleaseRolledBack", "2027.1.4")
    assert set(load.statuses) == {200}
    assert load.releases["2027.1.2"] == 0  # no answer was made by the broken extractor
    state = ReleaseStore(stand.root).state()
    assert set(state.barred) == {"2027.1.2", "2027.1.3", "2027.1.4"}
    eventually(lambda: stand.releases() == {serving})


def test_a_service_that_is_killed_comes_up_on_the_last_good_release(
    internet: Internet, tmp_path: Path
) -> None:
    unpack(tmp_path, "2027.1.1")
    ReleaseStore(tmp_path).activate("2027.1.1")
    unpack(tmp_path, "2027.1.2")
    settings = {**SETTINGS, "YTDLP_DIR": tmp_path, "YTDLP_CANARY_MS": 600_000}
    with Service.run(internet, settings=settings) as service:
        Stand(service, tmp_path).await_event("CanaryBegan", "2027.1.2")
        service.process.kill()
        service.process.wait()
    with Service.run(internet, settings=settings) as service:
        answer = service.extract("https://youtu.be/dQw4w9WgXcQ")
        assert answer.headers["X-Ytdlp-Version"] == "2027.1.1"


def test_an_active_release_that_cannot_start_leaves_the_installed_one(
    internet: Internet, tmp_path: Path
) -> None:
    unpack(tmp_path, "2027.1.1", RAISES)
    ReleaseStore(tmp_path).activate("2027.1.1")
    with Service.run(internet, settings={**SETTINGS, "YTDLP_DIR": tmp_path}) as service:
        answer = service.extract("https://youtu.be/dQw4w9WgXcQ")
        assert answer.headers["X-Ytdlp-Version"] == ReleaseStore(None).installed().version
        assert [event["version"] for event in service.events("ReleaseRolledBack")] == ["2027.1.1"]
