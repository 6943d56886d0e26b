"""Load on a service, from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ._generator import Load, Samples

ROOT = Path(__file__).resolve().parents[1]


class Running:
    """A generator at work; its samples are there once it has ended."""

    def __init__(self, process: subprocess.Popen[str], reader: threading.Thread, output: list[str]) -> None:
        self._process = process
        self._reader = reader
        self._output = output

    @property
    def ended(self) -> bool:
        return not self._reader.is_alive()

    def stop(self) -> None:
        """End it before its time."""
        self._process.terminate()

    def samples(self) -> Samples:
        """Waits for the end. Raises RuntimeError where the generator failed."""
        self._reader.join()
        if self._process.wait() != 0:
            raise RuntimeError(f"the load generator failed with status {self._process.returncode}")
        return Samples(**json.loads(self._output[0]))


@contextmanager
def running(load: Load) -> Iterator[Running]:
    """Start `load`; it has begun when this is entered, and is ended at exit at the latest."""
    command = [sys.executable, "-m", "bench._generator"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdout, output = process.stdout, list[str]()
        json.dump(asdict(load), process.stdin)
        process.stdin.close()
        try:
            if stdout.readline() != "ready\n":
                raise RuntimeError("the load generator did not start")
            reader = threading.Thread(target=lambda: output.append(stdout.read()), daemon=True)
            reader.start()
            yield Running(process, reader, output)
        finally:
            process.kill()
            reader.join()
