"""End-to-end: the wheel, installed beside another project whose package is called `service`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import deno
import pytest

from tests.internet import Internet
from tests.support.running_service import PATIENCE, ROOT

OTHER = "BELONGS = 'another project'\n"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "service")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, copy = ROOT / name, folder / "source" / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(source, copy)
    _pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(folder / "source"))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a virtualenv with the wheel, the other project, and the dependencies of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (folder / "bin" / "deno").symlink_to(deno.find_deno_bin())
    (site / "service").mkdir()
    (site / "service" / "__init__.py").write_text(OTHER)
    _pip("--python", str(folder), "install", "--no-index", "--no-deps", "--ignore-installed", str(wheel))
    assert (site / "service" / "__init__.py").read_text() == OTHER
    return folder / "bin"


def test_the_wheel_has_one_package_with_every_file_of_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    files = [path for path in (ROOT / "service").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert packed == {f"ytdlpd/{path.relative_to(ROOT / 'service')}" for path in files}
    assert {"License-Expression: MIT", "License-File: LICENSE"} <= {*lines}


def test_the_command_works_and_each_process_finds_its_package(
    internet: Internet, scripts: Path, tmp_path: Path
) -> None:
    done = _run(
        scripts / "ytdlpd", "size", "--json", "https://youtu.be/dQw4w9WgXcQ", internet=internet, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["human"]["duration"] == "3:32"


def test_the_health_check_of_the_image_runs(scripts: Path, tmp_path: Path) -> None:
    done = _run(scripts / "python", "-P", "-m", "ytdlpd.probe", "http://127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("no answer from http://127.0.0.1:1")


def _run(
    *command: Path | str, cwd: Path, internet: Internet | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    if internet is not None:
        environment |= {"EGRESS_PROXY": internet.proxy, "EGRESS_CA_FILE": str(internet.ca_file)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=2 * PATIENCE
    )


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, timeout=4 * PATIENCE)
