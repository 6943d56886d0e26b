"""Contract: the server's child that fetches: a real process, its report, and its end when it is cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from service.releases import child
from service.releases.child import Report, ask
from service.releases.store import ReleaseStore
from tests.support.release_wheels import HANGS, Wheels

VERSION = "2030.1.1"


async def test_it_reports_what_there_is_and_why_there_is_nothing(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path / "wheels")
    wheels.add(VERSION)
    here = ("--from", str(wheels.folder))
    assert await ask(None, ("--check", "latest", *here)) == Report(VERSION)
    report = await ask(None, (VERSION, *here))
    assert report.version is None
    assert "set YTDLP_DIR" in report.problem
    report = await ask(tmp_path / "releases", (VERSION, "--hash", "0" * 64, *here))
    assert report.version == VERSION
    assert "is refused: the sha256" in report.problem


async def test_cancelled_it_deletes_what_it_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "GRACE", 60.0)  # the machine may be busy
    wheels, root = Wheels(tmp_path / "wheels"), tmp_path / "releases"
    wheels.add(VERSION, HANGS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, root, (VERSION, "--from", str(wheels.folder)))
        with trio.fail_after(120):
            while not (root / f"{VERSION}.part").exists():  # noqa: ASYNC110 - it is another process's folder
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    assert [path.name for path in root.iterdir() if not path.name.endswith(".lock")] == []
    assert ReleaseStore(root).available() == [ReleaseStore(None).installed()]
