"""Runs `ytdlpd releases fetch` for the server, in a process of its own: only that needs pip and an index."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import trio

from .. import package

LIMIT = 900.0  # seconds; pip and the rehearsal have limits of their own, which are shorter
GRACE = 10.0  # seconds in which it deletes what it has begun


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it.

    Attributes:
        version: what is available, was fetched, or was refused; None where it came to none.
        problem: why there is nothing; empty where all went well.
    """

    version: str | None
    problem: str = ""


async def ask(root: Path | None, arguments: Sequence[str]) -> Report:
    """Run `ytdlpd releases fetch` with `arguments`; cancelled, it ends the process and waits for that."""
    with tempfile.TemporaryFile() as output:
        try:
            process = _start(root, arguments, output)
        except OSError as error:
            return Report(None, f"it cannot be started: {error}")
        pidfd = os.pidfd_open(process.pid)
        try:
            with trio.move_on_after(LIMIT):
                await trio.lowlevel.wait_readable(pidfd)
        finally:
            # Bounded by GRACE and a kill.
            with trio.CancelScope(shield=True):
                await _end(process, pidfd)
            os.close(pidfd)
        output.seek(0)
        return _parse(output.read(65536), process.returncode)


def _start(root: Path | None, arguments: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Called by the thread that runs Trio: the process ends when the thread ends that started it."""
    where = ("--dir", str(root)) if root is not None else ()
    return subprocess.Popen(
        [sys.executable, "-P", "-m", package.NAME, "releases", *where, "fetch", "--json", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": package.python_path()},
    )


async def _end(process: subprocess.Popen[bytes], pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)  # nothing where it has ended, as it is not reaped
    with trio.move_on_after(GRACE):
        await trio.lowlevel.wait_readable(pidfd)
    process.kill()
    process.wait()


def _parse(output: bytes, status: int) -> Report:
    try:
        return Report(**json.loads(output))
    except (ValueError, TypeError):
        return Report(None, f"it ended with {status} and says nothing")
