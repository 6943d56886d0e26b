"""Fetches a release: pip downloads and unpacks it, a rehearsal tries it, and only then it gets its name.

All of it happens below YTDLP_DIR/<version>.part, so a failure, a full disk or a kill leaves no half of a
release; the next fetch deletes what is left. The server runs this in a process of its own, and so do people
and cron: `ytdlpd releases fetch`. The wheels are named with their hashes before one byte of them is used, and
none runs code before the rehearsal.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import package
from ..worker.template import die_with_parent
from .release import OLDEST, Release, accepted, canonical
from .store import MANIFEST, PART, ReleaseStore, StoreError, digests, write

LATEST, NIGHTLY = "latest", "nightly"
DOWNLOAD = 300.0  # seconds for one run of pip
REHEARSAL = 120.0  # seconds
_MARGIN = 30.0  # more seconds, after which a rehearsal that does not end by itself is killed

_EJS = re.compile(r"yt-dlp-ejs==([\w.]+)")
_HASH = re.compile(r"(?:sha256[:=])?([0-9a-f]{64})")
# What pip may see of the environment: its settings, the way out, and whom to trust; no key of the service.
_KEPT = re.compile(
    r"PATH|HOME|USER|LANG|LC_\w+|TZ|PIP_\w+|XDG_CONFIG_\w+|NETRC|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY"
)
_SOURCES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT")


class Unavailable(StoreError):
    """There is no such release to be had, or no way to it; the text says which."""


class Tampered(Unavailable):
    """A wheel is not the one that its source, or whoever asked, has named."""


class Refused(StoreError):
    """The release was fetched but is not fit to serve, or is not the one that was asked for."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(f"yt-dlp {version} is refused: {reason}")
        self.version = version
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Source:
    """Where wheels come from: pip's own configuration, one index, or one folder of wheels.

    With an index or a folder, nothing else is asked: pip's configuration files are not read then, but its
    environment is, except for the names of other sources.
    """

    index: str | None = None
    folder: Path | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        if self.folder is not None:
            return "--no-index", "--find-links", str(self.folder.absolute())
        return ("--index-url", self.index) if self.index is not None else ()

    @property
    def name(self) -> str:
        """For people; without the credentials that an index's URL may have."""
        if self.folder is not None:
            return str(self.folder)
        return re.sub(r"//[^/@]*@", "//", self.index) if self.index is not None else "index"

    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
        if self.arguments:
            kept = {name: value for name, value in kept.items() if name not in _SOURCES}
            kept["PIP_CONFIG_FILE"] = os.devnull
        return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel that a source offers."""

    package: str
    version: str
    sha256: str
    requires: tuple[str, ...]

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"


def resolve(wanted: str, source: Source) -> Wheel:
    """The yt-dlp that `wanted` ("latest", "nightly" or a version) means; nothing is installed.

    Raises:
        StoreError: the version is malformed, or too old to be used.
        Unavailable: the source does not have it, or does not answer.
    """
    if wanted in (LATEST, NIGHTLY):
        return _resolve("yt-dlp", f">={OLDEST}", source, pre=wanted == NIGHTLY)
    try:
        version = canonical(wanted)
    except ValueError as error:
        raise StoreError(str(error)) from None
    if not accepted(version):
        raise StoreError(f"yt-dlp {version} is too old; the oldest that can be used is {OLDEST}")
    return _resolve("yt-dlp", f"=={version}", source)


def fetch(
    store: ReleaseStore,
    wanted: str,
    source: Source,
    *,
    sha256: str | None = None,
    rehearsal: float = REHEARSAL,
) -> Release:
    """Fetch, rehearse and keep a release; one that is there already is given back as it is.

    Args:
        sha256: of yt-dlp's wheel, from someone who is trusted more than the source.
        rehearsal: seconds that the rehearsal may take.

    Raises:
        Unavailable: it cannot be had.
        Refused: it was had and is unfit.
        StoreError: the store cannot take it, or has barred it.
    """
    expected = _digest(sha256)
    with store.locked("fetch", wait=False):
        store.clean()
        try:
            wheel = resolve(wanted, source)
        except Tampered as error:
            raise Refused(wanted, str(error)) from error
        version = canonical(wheel.version)
        if reason := store.state().barred.get(version):
            raise StoreError(f"yt-dlp {version} is barred: {reason}; `ytdlpd releases unbar` allows it")
        root = store.writable()
        if (found := _present(store, version)) is not None:
            return found
        part = root / f"{version}{PART}"
        try:
            release = _fill(part, root / version, wheel, source, expected, rehearsal)
        except Tampered as error:
            raise Refused(version, str(error)) from error
        except OSError as error:  # the disk is full, mostly
            raise StoreError(f"yt-dlp {version} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        store.prune()
        return release


def _present(store: ReleaseStore, version: str) -> Release | None:
    """The release where it is there and whole, so that nothing need be done; a damaged one makes room."""
    for release in store.available():
        if release.version == version:
            try:
                store.verify(release)
            except StoreError:
                assert release.path is not None
                shutil.rmtree(release.path)
                return None
            return release
    return None


def _fill(
    part: Path, final: Path, wheel: Wheel, source: Source, expected: str | None, rehearsal: float
) -> Release:
    """Build the release below `part` and give it its name at the end."""
    version, folder = final.name, part / "release"
    (part / "tmp").mkdir(parents=True)
    if expected is not None and expected != wheel.sha256:
        raise Tampered(f"the sha256 of its wheel is {wheel.sha256}, not {expected}")
    wheels = [wheel]
    if (pinned := _pinned_ejs(wheel)) is not None:
        wheels.append(_resolve("yt-dlp-ejs", f"=={pinned}", source))
    requirements = part / "requirements.txt"
    requirements.write_text("".join(f"{each.requirement}\n" for each in wheels))
    # --no-compile: the byte code is made below, in a form that does not depend on the files' times.
    target = ("--no-deps", "--no-compile", "--target", str(folder))
    _pip("install", "--require-hashes", *target, "-r", str(requirements), source=source, tmp=part / "tmp")
    compiled = ("--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", str(final))
    _run([sys.executable, "-m", "compileall", "-qq", *compiled, str(folder)], timeout=DOWNLOAD)
    _rehearse(version, folder, rehearsal)
    fetched = time.time()
    written = {"version": version, "source": source.name, "fetched": fetched, "ejs": pinned}
    write(
        folder / MANIFEST,
        {**written, "wheels": {w.package: w.sha256 for w in wheels}, "files": digests(folder)},
    )
    folder.rename(final)
    return Release(version, final, source.name, fetched, pinned)


def _rehearse(version: str, folder: Path, limit: float) -> None:
    """Raises Refused."""
    command = [sys.executable, "-P", "-m", package.module("releases.rehearsal"), str(folder), str(limit)]
    kept = {name: value for name in ("PATH", "TMPDIR") if (value := os.environ.get(name))}
    kept["PYTHONPATH"] = package.python_path()
    try:
        done = _run(command, timeout=limit + _MARGIN, env=kept)
    except subprocess.TimeoutExpired:
        raise Refused(version, f"its rehearsal did not end within {limit:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"its rehearsal ended with {done.returncode}"]
        raise Refused(version, lines[-1])


def _resolve(package: str, specifier: str, source: Source, *, pre: bool = False) -> Wheel:
    """What pip would install, with its hash. Raises Unavailable."""
    report = _pip(
        "install",
        *("--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"),
        *(("--pre",) if pre else ()),
        f"{package}{specifier}",
        source=source,
    )
    try:
        (item,) = json.loads(report)["install"]
        info: dict[str, Any] = item["metadata"]
        sha256 = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if not sha256:  # a folder names none
            raise Unavailable(f"{source.name} names no hash of {package} {info['version']}")
        return Wheel(package, info["version"], sha256, tuple(info.get("requires_dist", ())))
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"pip's report on {package} cannot be read: {error!r}") from error


def _pinned_ejs(wheel: Wheel) -> str | None:
    for requirement in wheel.requires:
        if found := _EJS.match(requirement):
            return found[1]
    return None


def _pip(command: str, *arguments: str, source: Source, tmp: Path | None = None) -> str:
    """Run pip; what it prints. Raises Unavailable or Tampered, with its last error."""
    whole = [sys.executable, "-P", "-m", "pip", command, "--only-binary", ":all:", "--no-cache-dir"]
    environment = {**source.environment(), **({"TMPDIR": str(tmp)} if tmp is not None else {})}
    try:
        done = _run([*whole, *source.arguments, *arguments], timeout=DOWNLOAD, env=environment)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pip took over {DOWNLOAD:g} s") from None
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise Tampered("its wheel does not have the hash that its source names")
    if done.returncode != 0:
        lines = [
            line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR:")
        ]
        raise Unavailable((lines or done.stderr.strip().splitlines() or ["pip failed and says nothing"])[-1])
    return done.stdout


def _run(
    command: Sequence[str], *, timeout: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A child that does not outlive this process, however this ends. Called by the main thread."""
    pipe = subprocess.PIPE
    # While it forks, Python drops what a handler raises, and a SIGTERM would be lost. To block the signal is
    # not enough: another thread takes it, such as the log's.
    came: list[int] = []
    handler = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=env,
            preexec_fn=die_with_parent,
        )
    except Exception:
        signal.signal(signal.SIGTERM, handler)
        raise
    with process:
        try:
            signal.signal(signal.SIGTERM, handler)
            if came:
                signal.raise_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=timeout)
        finally:
            process.kill()  # where it has not ended
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _digest(given: str | None) -> str | None:
    if given is None:
        return None
    found = _HASH.fullmatch(given.strip().lower())
    if found is None:
        raise StoreError("--hash must be the sha256 of yt-dlp's wheel, as sha256:<64 hexadecimal digits>")
    return found[1]
