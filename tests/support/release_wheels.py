"""Releases of yt-dlp for tests: wheels made from the installed one, with another version and a line changed.

    wheels = Wheels(tmp_path / "index")
    wheels.add("2026.12.1")                       a good release
    wheels.add("2026.12.2", RAISES)               one that raises at import

A folder of them is what `ytdlpd releases fetch --from` takes. `unpack` makes the folder of a release without
fetching it, for tests that begin where a fetch ends.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import struct
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from service.releases.release import Release, canonical
from service.releases.store import MANIFEST, digests, write

UNCHECKED = struct.pack("<LQ", 0b01, 0)  # byte code that is never compared with its source (PEP 552)
_TEMPORARY = ("__pycache__", "direct_url.json", "INSTALLER", "REQUESTED", "RECORD")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one file: `old` becomes `new`, once; an empty `old` puts `new` at the end."""

    file: str
    old: str
    new: str


RAISES = (Edit("yt_dlp/extractor/common.py", "", "\nraise RuntimeError('broken at import')\n"),)
HANGS = (Edit("yt_dlp/extractor/common.py", "", "\nimport time\ntime.sleep(3600)\n"),)
CRASHES_ONE_IN_FIVE = (
    Edit(
        "yt_dlp/extractor/generic.py",
        "    def _real_extract(self, url):\n",
        "    def _real_extract(self, url):\n"
        "        import itertools, os\n"
        "        jobs = vars(os).setdefault('jobs', itertools.count(1))\n"
        "        if 'rehearsal.example' not in url and next(jobs) == 5:\n"
        "            os._exit(9)\n",
    ),
)
LEAKS = (  # an object that is referred to once more than there are references, so nothing frees it
    Edit(
        "yt_dlp/extractor/generic.py",
        "    def _real_extract(self, url):\n",
        "    def _real_extract(self, url):\n"
        "        if 'rehearsal.example' not in url:\n"
        "            import ctypes\n"
        "            ctypes.pythonapi.Py_IncRef(ctypes.py_object(b'x' * (16 << 20)))\n",
    ),
)
BROKEN_GENERIC = (
    Edit(
        "yt_dlp/extractor/generic.py",
        "    def _real_extract(self, url):\n",
        "    def _real_extract(self, url):\n        raise ExtractorError('broken')\n",
    ),
)
BROKEN_YOUTUBE = (
    Edit(
        "yt_dlp/extractor/youtube/_video.py",
        "    def _real_extract(self, url):\n",
        "    def _real_extract(self, url):\n        raise KeyError('broken')\n",
    ),
)
BROKEN_CHALLENGES = (
    Edit(
        "yt_dlp/extractor/youtube/jsc/_builtin/ejs.py",
        "_SCRIPT_VERSION = vendor.VERSION",
        "_SCRIPT_VERSION = '9'",
    ),
)


@dataclass(frozen=True, slots=True)
class Wheels:
    """A folder of wheels; the yt-dlp-ejs that they pin is among them."""

    folder: Path

    def index(self) -> str:
        """The URL of a package index of these wheels as they are now, with the hash of each."""
        packages: dict[str, list[str]] = {"yt-dlp": [], "yt-dlp-ejs": []}
        for wheel in self.folder.glob("*.whl"):
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            link = f'<a href="../../{wheel.name}#sha256={digest}">{wheel.name}</a><br>'
            packages[wheel.name.partition("-")[0].replace("_", "-")].append(link)
        for package, links in packages.items():
            page = self.folder / "simple" / package / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text("\n".join(["<!DOCTYPE html>", *links]))
        return (self.folder / "simple").absolute().as_uri()

    def add(self, version: str, edits: tuple[Edit, ...] = ()) -> Path:
        """The wheel of a yt-dlp that says it is `version`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        installed = metadata.version("yt-dlp")
        ejs = metadata.version("yt-dlp-ejs")
        if not [*self.folder.glob("yt_dlp_ejs-*.whl")]:
            _pack(self.folder, "yt_dlp_ejs", ejs, _contents("yt-dlp-ejs", ejs, ejs))
        return _pack(self.folder, "yt_dlp", canonical(version), _yt_dlp(installed, version, edits))


def unpack(root: Path, version: str, edits: tuple[Edit, ...] = ()) -> Release:
    """The folder of a release below `root`, as a fetch leaves it."""
    version = canonical(version)
    folder = root / version
    ejs = metadata.version("yt-dlp-ejs")
    files = {**_contents("yt-dlp-ejs", ejs, ejs), **_yt_dlp(metadata.version("yt-dlp"), version, edits)}
    files |= _compiled({edit.file for edit in edits} | {"yt_dlp/version.py"})
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    fetched = time.time()
    write(
        folder / MANIFEST,
        {"version": version, "source": "test", "fetched": fetched, "ejs": ejs, "files": digests(folder)},
    )
    return Release(version, folder, "test", fetched, ejs)


def _compiled(edited: set[str]) -> dict[str, bytes]:
    """The installed byte code of unchanged files, marked as that of a fetched release, to save compiling."""
    found = {}
    for file in metadata.distribution("yt-dlp").files or ():
        name = file.as_posix()
        if name.startswith("yt_dlp/") and name.endswith(f".{sys.implementation.cache_tag}.pyc"):
            source = f"{name.rpartition('/__pycache__/')[0]}/{file.name.partition('.')[0]}.py"
            if source not in edited and Path(str(file.locate())).exists():
                found[name] = file.read_binary()[:4] + UNCHECKED + file.read_binary()[16:]
    return found


def tamper(wheel: Path) -> None:
    """Change a wheel after its hash was taken: one more comment, and every digest inside it is right."""
    changed = wheel.with_suffix(".tampered")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(changed, "w") as new:
        for item in old.infolist():
            new.writestr(item, old.read(item))
        new.comment = b"tampered"
    shutil.move(changed, wheel)


def _yt_dlp(installed: str, version: str, edits: tuple[Edit, ...]) -> Mapping[str, bytes]:
    files = dict(_contents("yt-dlp", installed, canonical(version)))
    for edit in (Edit("yt_dlp/version.py", "__version__ = '", f"__version__ = '{version}'  # '"), *edits):
        text = files[edit.file].decode()
        assert edit.old in text, f"{edit.file} has no {edit.old!r}"
        files[edit.file] = (text.replace(edit.old, edit.new, 1) if edit.old else text + edit.new).encode()
    return files


def _contents(name: str, installed: str, version: str) -> Mapping[str, bytes]:
    """The files of an installed package, those of its metadata under the name of `version`."""
    package = metadata.distribution(name)
    folder = name.replace("-", "_")
    files = {}
    for file in package.files or ():
        path = file.as_posix()
        if not path.startswith(f"{folder}") or any(part in path for part in _TEMPORARY):
            continue
        content = file.read_binary()
        if path.endswith("METADATA"):
            content = content.replace(
                f"\nVersion: {installed}\n".encode(), f"\nVersion: {version}\n".encode(), 1
            )
        files[path.replace(f"{folder}-{installed}.dist-info", f"{folder}-{version}.dist-info")] = content
    return files


def _pack(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    record = f"{name}-{version}.dist-info/RECORD"
    lines = [
        f"{each},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for each, data in files.items()
    ]
    with zipfile.ZipFile(path, "w") as wheel:
        for each, data in files.items():
            wheel.writestr(each, data)
        wheel.writestr(record, "\n".join([*lines, f"{record},,", ""]))
    return path
