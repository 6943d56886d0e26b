"""Contract: the rehearsal of releases that are good, broken, slow or deadly, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.release_wheels import (
    BROKEN_CHALLENGES,
    BROKEN_GENERIC,
    CRASHES_ONE_IN_FIVE,
    HANGS,
    LEAKS,
    RAISES,
    Edit,
    unpack,
)

VERSION = "2030.1.1"
ROOT = Path(__file__).resolve().parents[3]


def rehearse(path: Path, limit: float = 120.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.releases.rehearsal", str(path), str(limit)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)


def test_a_good_release_passes_and_says_what_it_is(tmp_path: Path) -> None:
    release = unpack(tmp_path, VERSION)
    assert release.path is not None
    done = rehearse(release.path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ytdlp"] == VERSION
    assert report["lost"] == []


@pytest.mark.parametrize(
    ("edits", "limit", "why"),
    [
        (RAISES, 120, "broken at import"),
        (HANGS, 3, "did not pass its rehearsal within 3 s"),
        (BROKEN_GENERIC, 120, "it fails on page"),
        (BROKEN_CHALLENGES, 120, "challenge n is not solved"),
        (CRASHES_ONE_IN_FIVE, 120, "its worker died"),
        (LEAKS, 120, "its worker grew by"),
    ],
    ids=["raises", "hangs", "generic", "challenges", "crashes", "leaks"],
)
def test_one_that_is_broken_is_unfit(tmp_path: Path, edits: tuple[Edit, ...], limit: float, why: str) -> None:
    release = unpack(tmp_path, VERSION, edits)
    assert release.path is not None
    done = rehearse(release.path, limit)
    assert done.returncode == 1
    assert why in done.stderr.strip().splitlines()[-1]
