"""End-to-end: `make demo`, and what is left when its terminal is closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil

from tests.support.running_service import PATIENCE, ROOT


def test_the_end_of_its_terminal_ends_all_of_it() -> None:
    command = [sys.executable, "-m", "tests.internet.demo"]
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        try:
            assert demo.stdout is not None
            said: list[str] = []
            while not said or "Ctrl-C ends it" not in said[-1]:
                said.append(demo.stdout.readline())
                assert said[-1], "it ended by itself"
            assert any("/dashboard " in line for line in said)
            assert any("/api/v1/docs " in line for line in said)
            family = psutil.Process(demo.pid).children(recursive=True)
            assert len(family) > 3  # the small internet, the service, its template, workers
            os.killpg(demo.pid, signal.SIGHUP)
            assert demo.wait(PATIENCE) == 128 + signal.SIGHUP
            _, left = psutil.wait_procs(family, timeout=PATIENCE)
            assert left == []
        finally:
            demo.kill()
