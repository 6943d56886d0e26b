"""Pure: which releases the store has, what it decides about them, and what it makes of a damaged folder."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from service.releases.release import OLDEST, accepted, canonical, order
from service.releases.store import KEPT, MANIFEST, ReleaseStore, StoreError, StoreState, digests, write


def put(root: Path, version: str) -> Path:
    """A release of one small file."""
    folder = root / version
    (folder / "yt_dlp").mkdir(parents=True)
    (folder / "yt_dlp/version.py").write_text(f"__version__ = {version!r}\n")
    manifest = {"version": version, "source": "test", "fetched": 1.0, "ejs": "0.8.0"}
    write(folder / MANIFEST, {**manifest, "files": digests(folder)})
    return folder


def versions(store: ReleaseStore) -> list[str]:
    return [release.version for release in store.available()]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026.08.09", "2026.8.9"),
        ("2026.10.26", "2026.10.26"),
        ("2026.10.26.020202", "2026.10.26.20202.dev0"),  # as a nightly's code has it
        ("2026.10.26.20202.dev0", "2026.10.26.20202.dev0"),  # as its metadata do
        ("2026.02.04.1", "2026.2.4.1"),
    ],
)
def test_three_spellings_of_a_version_are_one(written: str, meant: str) -> None:
    assert canonical(written) == meant
    assert canonical(meant) == meant


@pytest.mark.parametrize(
    "wrong", ["", "latest", "../2026.1.1", "2026.1", "2026.1.1/x", "2026.1.1\n.1", "--pre"]
)
def test_what_is_no_version_never_becomes_a_path(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        canonical(wrong)
    with pytest.raises(StoreError, match="is not a version"):
        ReleaseStore(tmp_path).get(wrong)


def test_a_nightly_is_newer_than_the_release_of_its_day() -> None:
    assert order("2026.10.26") < order("2026.10.26.020202") < order("2026.10.27") < order("2026.11.01")


def test_the_oldest_accepted_version_is_the_one_that_the_package_requires() -> None:
    root = Path(__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert f"yt-dlp[default]>={OLDEST}" in project["dependencies"]
    assert accepted(OLDEST)
    assert not accepted("2026.03.16")


def test_without_a_folder_there_is_the_installed_release_alone() -> None:
    store = ReleaseStore(None)
    assert store.available() == [store.installed()]
    assert store.choose() == store.installed()
    assert store.state() == StoreState()
    with pytest.raises(StoreError, match="set YTDLP_DIR"):
        store.pin(store.installed().version)


def test_half_a_folder_and_one_under_anothers_name_are_no_releases(tmp_path: Path) -> None:
    put(tmp_path, "2030.1.2")
    (tmp_path / "2030.1.3/yt_dlp").mkdir(parents=True)  # no manifest
    put(tmp_path, "2030.1.4").rename(tmp_path / "2030.1.5")
    put(tmp_path, "2030.1.6").rename(tmp_path / "2030.1.6.part")
    put(tmp_path, "2025.1.1")  # older than what is accepted
    store = ReleaseStore(tmp_path)
    assert versions(store) == [store.installed().version, "2030.1.2"]
    store.clean()
    assert not (tmp_path / "2030.1.6.part").exists()


@pytest.mark.parametrize("damage", ["changed", "missing", "not in the manifest", "a symbolic link"])
def test_a_folder_that_was_tampered_with_is_found_and_never_chosen(tmp_path: Path, damage: str) -> None:
    put(tmp_path, "2030.1.1")
    folder = put(tmp_path, "2030.1.2")
    store = ReleaseStore(tmp_path)
    store.activate("2030.1.1")
    store.activate("2030.1.2")
    store.verify(store.get("2030.1.2"))
    file = folder / "yt_dlp/version.py"
    if damage == "changed":
        file.write_text(file.read_text().replace("2030", "2031"))
    elif damage == "missing":
        file.unlink()
    elif damage == "a symbolic link":
        (folder / "yt_dlp/more.py").symlink_to("/dev/null")
    else:
        (folder / "yt_dlp/more.py").touch()
    with pytest.raises(StoreError, match=damage):
        store.verify(store.get("2030.1.2"))
    assert store.choose().version == "2030.1.1"


def test_the_service_starts_with_the_pinned_then_the_active_then_the_last_good_release(
    tmp_path: Path,
) -> None:
    for version in ("2030.1.1", "2030.1.2", "2030.1.3"):
        put(tmp_path, version)
    store = ReleaseStore(tmp_path)
    assert store.choose() == store.installed()  # nothing else was ever promoted
    store.activate("2030.1.1")
    store.activate("2030.1.2")
    assert store.choose().version == "2030.1.2"
    store.pin("2030.01.03")
    assert ReleaseStore(tmp_path).choose().version == "2030.1.3"
    store.unpin()
    store.rollback("it was worse")
    assert store.state() == StoreState(barred={"2030.1.2": "it was worse"}, active="2030.1.1")
    assert store.choose().version == "2030.1.1"
    store.rollback("so was this")
    assert store.choose() == store.installed()
    with pytest.raises(StoreError, match="nothing to roll back"):
        store.rollback("again")


def test_the_newest_that_is_not_barred_is_the_next_to_try(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    serving = store.installed().version
    assert store.candidate(serving) is None
    for version in ("2026.3.17", "2030.1.1", "2030.1.2"):
        put(tmp_path, version)

    def candidate(serving: str) -> str | None:
        found = store.candidate(serving)
        return found.version if found else None

    assert candidate(serving) == "2030.1.2"
    store.bar("2030.1.2", "broken")
    assert candidate(serving) == "2030.1.1"
    with pytest.raises(StoreError, match="barred: broken"):
        store.activate("2030.1.2")
    assert candidate("2030.1.1") is None  # nothing older is tried by itself
    store.pin("2026.3.17")
    assert candidate("2030.1.1") == "2026.3.17"
    store.unpin()
    store.unbar("2030.1.2")
    assert candidate("2030.1.1") == "2030.1.2"


def test_the_oldest_folders_go_but_none_that_is_in_use(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    for day in range(1, KEPT + 4):
        put(tmp_path, f"2030.1.{day}")
    store.activate("2030.1.1")
    with pytest.raises(StoreError, match="in use"):
        store.remove("2030.1.1")
    assert store.prune() == ["2030.1.2", "2030.1.3"]
    assert versions(store)[1:] == ["2030.1.1", "2030.1.4", "2030.1.5", "2030.1.6"]
    store.remove("2030.1.4")
    assert not (tmp_path / "2030.1.4").exists()
    with pytest.raises(StoreError, match="came with the installation"):
        store.remove(store.installed().version)


def test_a_damaged_state_is_that_of_a_new_store_and_a_folder_that_is_a_file_says_so(tmp_path: Path) -> None:
    put(tmp_path, "2030.1.1")
    store = ReleaseStore(tmp_path)
    for text in ("", "[]", "{", json.dumps({"pinned": None, "more": 1})):
        (tmp_path / "state.json").write_text(text)
        assert store.state() == StoreState()
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreError, match="cannot be made"):
        ReleaseStore(file).writable()
    assert ReleaseStore(file).choose() == store.installed()


def test_two_fetches_do_not_run_at_once(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path)
    with store.locked("fetch", wait=False):
        with pytest.raises(StoreError, match="another fetch is under way"), store.locked("fetch", wait=False):
            pass
        with store.locked("state", wait=False):
            pass
    with store.locked("fetch", wait=False):
        pass
