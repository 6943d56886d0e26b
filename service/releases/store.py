"""The store: a folder for each release, and the file that says which of them are pinned, barred and in use.

    YTDLP_DIR/2026.10.26/    yt_dlp, yt_dlp_ejs, plugins, and manifest.json: source, time, sha256 of each file
    YTDLP_DIR/state.json     written by renaming, under a lock; a reader needs none

A folder is complete or it is not there: `service/releases/fetch.py` fills one under another name and renames
it. The release that came with the installation is always there as the last resort.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from .release import Release, accepted, canonical, order

MANIFEST = "manifest.json"
PART = ".part"  # ends the name of a folder that is being filled
KEPT = 3  # folders, besides those in use

_STATE = "state.json"
_CHUNK = 1 << 20


class StoreError(Exception):
    """The store refuses, or cannot do it; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """What was decided about releases; it outlives the service.

    Attributes:
        pinned: the only version to use, whatever else there is.
        barred: versions that are never used until an admin says otherwise, and why.
        active: the version that was promoted last.
        last_good: the one before it, which a rollback returns to.
    """

    pinned: str | None = None
    barred: Mapping[str, str] = field(default_factory=dict)
    active: str | None = None
    last_good: str | None = None

    def roles(self, version: str) -> list[str]:
        """The fields that name `version`."""
        return [name for name in ("pinned", "active", "last_good") if getattr(self, name) == version]


class ReleaseStore:
    """The releases below `root`; with None there is only the installed one, and nothing can be changed."""

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def installed(self) -> Release:
        """What came with the installation, without importing it."""
        version = canonical(metadata.version("yt-dlp"))
        try:
            ejs: str | None = metadata.version("yt-dlp-ejs")
        except metadata.PackageNotFoundError:
            ejs = None
        return Release(version, None, "installed", None, ejs)

    def available(self) -> list[Release]:
        """All releases, newest last. A folder without a manifest is none; neither is one too old to use."""
        installed = self.installed()
        found = {installed.version: installed}
        for folder in self._folders():
            if (release := _read(folder)) is not None and accepted(release.version):
                found.setdefault(release.version, release)
        return sorted(found.values(), key=lambda release: order(release.version))

    def get(self, version: str) -> Release:
        """The release of that version.

        Raises:
            StoreError: there is none.
        """
        wanted = _canonical(version)
        for release in self.available():
            if release.version == wanted:
                return release
        raise StoreError(f"there is no release {wanted} here; fetch it first")

    def verify(self, release: Release) -> None:
        """Compare each file of `release` with its manifest; it reads some 25 MB.

        Raises:
            StoreError: a file is missing, changed, or not in the manifest.
        """
        if release.path is None:
            return
        try:
            listed = _manifest(release.path)["files"]
            found = digests(release.path)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"release {release.version} cannot be read: {error}") from error
        for name in sorted({*listed, *found}):
            if listed.get(name) != found.get(name):
                what = (
                    "missing" if name not in found else "changed" if name in listed else "not in the manifest"
                )
                raise StoreError(f"release {release.version} was tampered with: {name} is {what}")

    def state(self) -> StoreState:
        """The state as it was written last; that of a new store where there is none or it is unreadable."""
        if self.root is None:
            return StoreState()
        try:
            values = json.loads((self.root / _STATE).read_bytes())
            return StoreState(**{**values, "barred": dict(values.get("barred", {}))})
        except (OSError, ValueError, TypeError):
            return StoreState()

    def choose(self) -> Release:
        """What the service starts with: pinned, else active, else the last good one, else the installed one.

        One that is barred, missing or tampered with is passed over.
        """
        state = self.state()
        for version in (state.pinned, state.active, state.last_good):
            if version is None or version in state.barred:
                continue
            with contextlib.suppress(StoreError):
                release = self.get(version)
                self.verify(release)
                return release
        return self.installed()

    def candidate(self, serving: str) -> Release | None:
        """What to try in the place of `serving`: the pinned release, or the newest of those newer than it."""
        state = self.state()
        for release in reversed(self.available()):
            if release.version in state.barred or release.version == serving:
                continue
            if release.version == state.pinned:
                return release
            if state.pinned is None and order(release.version) > order(serving):
                return release
        return None

    def pin(self, version: str) -> StoreState:
        """Use only `version`. Raises StoreError where it is not here."""
        release = self.get(version)
        return self._change(lambda state: replace(state, pinned=release.version))

    def unpin(self) -> StoreState:
        """Use whatever is newest again."""
        return self._change(lambda state: replace(state, pinned=None))

    def bar(self, version: str, reason: str) -> StoreState:
        """Never use `version` again; one that is not here yet can be barred, too."""
        barred = _canonical(version)

        def change(state: StoreState) -> StoreState:
            kept = {
                name: None for name in ("pinned", "active", "last_good") if getattr(state, name) == barred
            }
            return replace(state, barred={**state.barred, barred: reason}, **kept)

        return self._change(change)

    def unbar(self, version: str) -> StoreState:
        """Allow `version` again."""
        allowed = _canonical(version)
        return self._change(
            lambda state: replace(
                state, barred={each: why for each, why in state.barred.items() if each != allowed}
            )
        )

    def activate(self, version: str) -> StoreState:
        """Note that `version` serves all jobs from now on; the one before it becomes the last good one.

        Raises:
            StoreError: it is not here, or barred.
        """
        release = self.get(version)

        def change(state: StoreState) -> StoreState:
            if release.version in state.barred:
                raise StoreError(f"release {release.version} is barred: {state.barred[release.version]}")
            if state.active == release.version:
                return state
            return replace(state, active=release.version, last_good=state.active)

        return self._change(change)

    def rollback(self, reason: str) -> StoreState:
        """Bar the active release and return to the last good one. Raises StoreError where none is active."""
        active = self.state().active
        if active is None:
            raise StoreError("no release was activated, so there is nothing to roll back")
        before = self.state().last_good
        self.bar(active, reason)
        return self._change(lambda state: replace(state, active=before, last_good=None))

    def remove(self, version: str) -> None:
        """Delete the folder of `version`. Raises StoreError where it is in use, or installed."""
        release = self.get(version)
        if release.path is None:
            raise StoreError(f"release {release.version} came with the installation and stays")
        if release.version in self._used():
            raise StoreError(f"release {release.version} is in use; activate or pin another one first")
        discard(release.path)

    def prune(self) -> list[str]:
        """Delete the oldest folders beyond KEPT, except those in use; returns their versions."""
        folders = [release for release in self.available() if release.path is not None]
        spare = [release for release in folders[:-KEPT] if release.version not in self._used()]
        for release in spare:
            assert release.path is not None
            discard(release.path)
        return [release.version for release in spare]

    def clean(self) -> None:
        """Delete what a killed fetch or removal has left. Only while no fetch runs."""
        if self.root is not None:
            for folder in self.root.glob(f"*{PART}"):
                shutil.rmtree(folder, ignore_errors=True)

    def writable(self) -> Path:
        """The root, made where it is missing.

        Raises:
            StoreError: there is none, or nothing can be written to it.
        """
        if self.root is None:
            raise StoreError("there is no folder for releases; set YTDLP_DIR")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"YTDLP_DIR {self.root} cannot be made: {error.strerror}") from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StoreError(f"YTDLP_DIR {self.root} cannot be written to")
        return self.root

    @contextlib.contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the store's lock of that name; the kernel frees it when the holder dies.

        Raises:
            StoreError: it is taken, where `wait` is false; or nothing can be written.
        """
        path = self.writable() / f".{name}.lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        except BlockingIOError:
            raise StoreError(f"another {name} is under way in {self.root}") from None
        finally:
            os.close(lock)

    def _change(self, change: Callable[[StoreState], StoreState]) -> StoreState:
        with self.locked("state"):
            before = self.state()
            if (changed := change(before)) != before:
                write(self.writable() / _STATE, asdict(changed))
        return changed

    def _used(self) -> frozenset[str | None]:
        state = self.state()
        return frozenset((state.pinned, state.active, state.last_good))

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if path.is_dir()] if self.root is not None else []
        except OSError:
            return []


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file below `folder` but its manifest. A link is an error: it leads out of it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise OSError(f"{name} is a symbolic link")
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def write(path: Path, value: Any) -> None:
    """Write `value` as JSON so that a reader, or a crash, sees the old text or the new one, never a part."""
    part = path.with_name(f"{path.name}{PART}")
    try:
        with part.open("w") as file:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def discard(folder: Path) -> None:
    """Delete a release; renamed first, so that no half of one is ever visible."""
    try:
        gone = folder.rename(folder.with_name(f"{folder.name}.old{PART}"))
        shutil.rmtree(gone)
    except OSError as error:
        raise StoreError(f"{folder} cannot be deleted: {error.strerror}") from error


def _canonical(version: str) -> str:
    try:
        return canonical(version)
    except ValueError as error:
        raise StoreError(str(error)) from None


def _manifest(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / MANIFEST).read_bytes())
    if not isinstance(found, dict):
        raise ValueError("its manifest is not an object")
    return found


def _read(folder: Path) -> Release | None:
    """The release in `folder`; None where there is none, or the folder has another's name."""
    try:
        found = _manifest(folder)
        version = canonical(folder.name)
        if version != found["version"] or version != folder.name:
            return None
        return Release(version, folder, str(found["source"]), float(found["fetched"]), found["ejs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
