"""Contract: `make venv` in an empty folder, with the real make and the real venv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Stand for other Pythons; the real one does what they are not asked about.
OLD = f"""#!/bin/sh
[ "$1" = -V ] && echo Python 3.10.13 && exit
exec {sys.executable} -c 'import sys; sys.version_info = (3, 10, 13); exec(sys.argv[1])' "$2"
"""
WITHOUT_VENV = f"""#!/bin/sh
[ "$1" = -m ] && mkdir -p .venv/bin && touch .venv/bin/python && echo apt install python3-venv && exit 1
exec {sys.executable} "$@"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, script in (("old", OLD), ("without-venv", WITHOUT_VENV)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def make(folder: Path, python: str) -> tuple[int, str]:
    done = subprocess.run(
        ["make", "-C", str(folder), "venv", f"PYTHON={python}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_an_old_python_is_named_before_anything_is_made(folder: Path) -> None:
    status, said = make(folder, "./old")
    assert status != 0
    assert "needs Python 3.11 or later, and ./old is Python 3.10.13; name another one" in said
    assert not (folder / ".venv").exists()


def test_a_python_that_is_not_there_is_named(folder: Path) -> None:
    status, said = make(folder, "./none")
    assert status != 0
    assert "there is no ./none here" in said


def test_without_python3_venv_nothing_is_left_of_the_attempt(folder: Path) -> None:
    status, said = make(folder, "./without-venv")
    assert status != 0
    assert said.rstrip().splitlines()[-1].startswith(("apt install", "make"))
    assert not (folder / ".venv").exists()


def test_a_half_made_venv_is_made_anew_and_a_whole_one_kept(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    assert make(folder, sys.executable)[0] == 0
    (kept,) = folder.glob(".venv/lib/python*/site-packages/pip")
    before = kept.stat().st_mtime_ns
    status, said = make(folder, "./old")  # not asked any more
    assert (status, "Making" in said) == (0, False)
    assert kept.stat().st_mtime_ns == before
