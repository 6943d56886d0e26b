"""End-to-end: a cleaner of /tmp that removes the files of the running service."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from tests.internet import Internet
from tests.support.running_service import Service, eventually


def test_extractions_go_on_after_the_scratch_folders_are_removed(internet: Internet, tmp_path: Path) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    with Service.run(internet, settings={"TMPDIR": str(tmp), "SCALING": "fixed:2"}) as service:
        (folder,) = tmp.glob("ytdlpd-*")
        shutil.rmtree(folder)
        for number in range(6):  # each of the two old workers ends after its next job
            answer = service.extract(f"https://html5.example/?{number}")
            assert answer.status_code == 200, answer.text
        eventually(lambda: service.pool()["activeWorkers"] == 2)
        assert not service.events("WorkerBootFailed")

        tmp.rename(tmp_path / "elsewhere")
        psutil.Process(service.process.pid).children()[0].kill()
        eventually(lambda: service.events("WorkerBootFailed"))
        assert service.get("/health/live").status_code == 200
        tmp.mkdir()
        assert service.extract("https://html5.example/?again").status_code == 200
