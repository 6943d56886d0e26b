"""Contract: a fetch by the real pip from a folder or an index of wheels, with the real rehearsal."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.releases.fetch import Refused, Source, Unavailable, fetch, resolve
from service.releases.store import MANIFEST, ReleaseStore, StoreError
from tests.support.release_wheels import HANGS, RAISES, Wheels, tamper
from tests.support.running_service import PATIENCE, ROOT, eventually

GOOD, BROKEN = "2030.1.1", "2030.1.2"


def left(store: ReleaseStore) -> list[str]:
    """What is in the store's folder, its locks aside."""
    assert store.root is not None
    return sorted(path.name for path in store.root.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    wheels = Wheels(tmp_path_factory.mktemp("wheels"))
    wheels.add(GOOD)
    return wheels


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path / "releases")


def test_a_good_release_gets_its_folder_with_the_hash_of_each_file(
    store: ReleaseStore, wheels: Wheels
) -> None:
    source = Source(folder=wheels.folder)
    digest = hashlib.sha256((wheels.folder / f"yt_dlp-{GOOD}-py3-none-any.whl").read_bytes()).hexdigest()
    release = fetch(store, "latest", source, sha256=f"sha256:{digest}")
    assert (release.version, release.source) == (GOOD, str(wheels.folder))
    assert left(store) == [GOOD]
    assert store.get(GOOD) == release
    store.verify(release)
    assert release.path is not None
    manifest = json.loads((release.path / MANIFEST).read_text())
    assert manifest["wheels"]["yt-dlp"] == digest
    assert "yt_dlp/version.py" in manifest["files"]
    assert release.ejs == manifest["ejs"] == store.installed().ejs
    assert (release.path / "yt_dlp_ejs").is_dir()
    # It is there, so nothing is done: a rehearsal in no time would refuse it.
    assert fetch(store, GOOD, source, rehearsal=0) == release
    store.bar(GOOD, "it was worse")
    with pytest.raises(StoreError, match="barred: it was worse"):
        fetch(store, GOOD, source)


def test_a_broken_release_is_refused_and_leaves_nothing(store: ReleaseStore, tmp_path: Path) -> None:
    wheels = Wheels(tmp_path / "wheels")
    wheels.add(BROKEN, RAISES)
    with pytest.raises(Refused, match="broken at import") as refused:
        fetch(store, BROKEN, Source(folder=wheels.folder))
    assert refused.value.version == BROKEN
    assert left(store) == []


def test_a_wheel_without_the_named_hash_is_refused_before_its_code_runs(
    store: ReleaseStore, wheels: Wheels, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="the sha256 of its wheel is"):
        fetch(store, GOOD, Source(folder=wheels.folder), sha256="0" * 64)
    changed = Wheels(tmp_path / "wheels")
    wheel = changed.add(BROKEN)
    index = changed.index()
    assert resolve(BROKEN, Source(index=index)).version == BROKEN
    tamper(wheel)
    with pytest.raises(Refused, match="does not have the hash"):
        fetch(store, BROKEN, Source(index=index))
    assert left(store) == []


@pytest.mark.parametrize("wanted", ["2031.1.1", "nightly"])
def test_what_the_source_does_not_have_is_unavailable(
    store: ReleaseStore, tmp_path: Path, wanted: str
) -> None:
    with pytest.raises(Unavailable, match="No matching distribution"):
        fetch(store, wanted, Source(folder=tmp_path))
    assert left(store) == []


@pytest.mark.parametrize(
    ("wanted", "sha256", "why"),
    [
        ("2025.12.8", None, "too old"),
        ("newest", None, "not a version"),
        (GOOD, "md5:0", "must be the sha256"),
    ],
)
def test_what_makes_no_sense_is_refused_without_asking(
    store: ReleaseStore, tmp_path: Path, wanted: str, sha256: str | None, why: str
) -> None:
    with pytest.raises(StoreError, match=why):
        fetch(store, wanted, Source(folder=tmp_path), sha256=sha256)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_fetch_that_is_ended_leaves_nothing_visible_and_no_process(
    store: ReleaseStore, tmp_path: Path, number: signal.Signals
) -> None:
    """A release that hangs in its rehearsal, so that there is time to end the fetch."""
    wheels = Wheels(tmp_path / "wheels")
    wheels.add(BROKEN, HANGS)
    command = [sys.executable, "-m", "service", "releases", "--dir", str(store.root), "fetch", BROKEN]
    with subprocess.Popen(
        [*command, "--from", str(wheels.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert store.root is not None
        started = store.root / f"{BROKEN}.part/release/yt_dlp/__pycache__"
        try:
            eventually(started.exists, within=8 * PATIENCE)  # pip and the compiler have most of the work
            process.send_signal(number)
            process.communicate()
        finally:
            process.kill()
    assert process.returncode != 0
    assert store.available() == [store.installed()]
    if number == signal.SIGTERM:
        assert left(store) == []
    else:
        with pytest.raises(Unavailable):  # the next fetch clears it away, whatever it finds
            fetch(store, "2031.1.1", Source(folder=tmp_path))
        assert left(store) == []


ENDED_WHILE_IT_FORKS = """
import os, signal, sys, threading, time
from service.releases import fetch
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGTERM))
fetch._run([sys.executable, "-c", "import time; time.sleep(600)"], timeout=600)
"""


def test_a_signal_while_it_forks_is_not_lost_to_another_thread() -> None:
    command = [sys.executable, "-c", ENDED_WHILE_IT_FORKS]
    assert subprocess.run(command, cwd=ROOT, timeout=2 * PATIENCE).returncode == 3


def test_pip_sees_no_secret_of_the_service_and_one_source_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN_KEY", "SENTRY_DSN", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://other.example/simple")
    monkeypatch.setenv("PIP_CERT", "/a/bundle")
    own = Source().environment()
    assert "secret" not in own.values()
    assert own["PIP_EXTRA_INDEX_URL"] == "https://other.example/simple"
    private = Source(index="https://someone:secret@index.example/simple")
    assert "PIP_EXTRA_INDEX_URL" not in private.environment()
    assert private.environment()["PIP_CONFIG_FILE"] == os.devnull
    assert private.environment()["PIP_CERT"] == "/a/bundle"
    assert private.name == "https://index.example/simple"
