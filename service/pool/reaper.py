"""The duty of process 1: reap the orphans that it inherits, and no other children."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import trio


async def reap_orphans(spared: Callable[[], Collection[int]] = tuple) -> None:
    """Reap inherited processes until cancelled; of use to process 1 and to a child subreaper.

    Args:
        spared: children in sessions of their own that other tasks wait for.
    """
    with trio.open_signal_receiver(signal.SIGCHLD) as signals:
        while True:
            reap(spared())
            await anext(signals)


def reap(spared: Collection[int] = ()) -> list[int]:
    """Reap every dead child that was inherited; returns their pids.

    A child in this process's own session was started here, and its starter waits for it. Inherited ones come
    from a worker or from another command in the container, each in a session of its own. A waitpid(-1) would
    take both.
    """
    here = os.getsid(0)
    reaped = []
    for pid, session in _dead_children():
        if session != here and pid not in spared:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
                reaped.append(pid)
    return reaped


def _dead_children() -> Iterator[tuple[int, int]]:
    """The zombies among the children of this process: pid and session."""
    me = os.getpid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if state == "Z" and int(parent) == me:
                    yield int(entry.name), int(session)
