"""What the kernel says of processes, asked so that one which ends in between is no error."""

from __future__ import annotations

import contextlib

import psutil


def gone(pid: int) -> bool:
    """Whether no process of that number runs; a zombie does not."""
    try:
        return not _runs(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [process for process in processes if _runs(process)]


def zombies(ancestor: psutil.Process) -> list[psutil.Process]:
    """Its descendants that ended and were not waited for."""
    found = []
    for child in ancestor.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
