"""For every test: its kind as a marker, and a check that it leaves no process, thread or descriptor behind.

A test cannot leave tasks behind, because it runs in its own nursery.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from tests.internet import EASY, Internet
from tests.support import effort
from tests.support.browser import browser, tab
from tests.support.kinds import kind_of

effort.register()
os.environ["YTDLP_NO_PLUGINS"] = "1"  # the installed plugin is for the tests that name it

REPETITIVE = ("_simulation", "_machine", "_fuzz", "_upgrades")  # ends of files' names
SETTLING = 5.0  # seconds that the kernel may take to finish what a test has ended
PR_SET_CHILD_SUBREAPER = 36

# Orphans of a test's processes become children of this process, where the check finds them.
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(scope="session", autouse=True)
def loggers_are_not_cached() -> Iterator[None]:
    """A cached logger would keep the processors of the test that used it first."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            structlog, "configure", lambda **given: configure(**given | {"cache_logger_on_first_use": False})
        )
        yield


class _Module(pytest.Module):
    """A file of tests, marked with the kind that its docstring names.

    Where the same lines run a million times, coverage is not measured: it triples the time, and other tests
    run those lines.
    """

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            self.add_marker(kind_of(self.path))
        except ValueError as error:
            raise self.CollectError(str(error)) from error
        if self.path.stem.endswith(REPETITIVE):
            self.add_marker("no_cover")
        return super().collect()


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return _Module.from_parent(parent, path=module_path)


def _processes(known: Collection[int] = ()) -> dict[int, str]:
    """Every living descendant that is not below a `known` one; orphaned zombies are reaped."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                if not any(parent.pid in known for parent in child.parents()):
                    found[child.pid] = " ".join(child.cmdline())
            elif child.ppid() == os.getpid():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)
    return found


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor that lists the directory
    return {fd: name for fd, name in found.items() if name != _UUID_CLOCK}


# libuuid opens this once and keeps it open.
_UUID_CLOCK = "/var/lib/libuuid/clock.txt"


def _threads() -> set[threading.Thread]:
    # Trio keeps idle threads of its cache for ten seconds; they hold nothing.
    return {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


class _Forks:
    """Counts the processes that this one starts; the check only searches where there are new ones."""

    def __init__(self) -> None:
        self.number = 0
        self._seen = -1
        self._processes: dict[int, str] = {}
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _: object) -> None:
        self.number += event in ("subprocess.Popen", "os.fork", "os.posix_spawn")

    def processes(self) -> dict[int, str]:
        """The processes that run before a test."""
        if self._seen != self.number:
            self._processes, self._seen = _processes(), self.number
        return self._processes


_forks = _Forks()


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    processes, descriptors, threads = _forks.processes(), _descriptors(), _threads()
    forked = _forks.number
    yield
    deadline = time.monotonic() + SETTLING
    while True:
        born = _processes(processes) if _forks.number != forked else {}
        left = [
            *(f"process {pid}: {name}" for pid, name in born.items() if pid not in processes),
            *(f"fd {fd}: {target}" for fd, target in _descriptors().items() if fd not in descriptors),
            *(f"thread {thread.name}" for thread in _threads() - threads),
        ]
        if not left:
            return
        if time.monotonic() > deadline:
            pytest.fail("left behind:\n" + "\n".join(left))
        gc.collect()  # only now: it takes longer than most tests
        time.sleep(0.02)


@pytest.fixture(scope="session")
def internet() -> Iterator[Internet]:
    """The small internet, shared by the tests that use it; they undo their changes.

    At the end of the suite no request may have reached its private side.
    """
    with Internet.spawn(settings=EASY) as running:
        yield running
        counters = running.counters()
        assert counters.private_ever == 0, counters.private


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(str(tmp_path_factory.mktemp("profile"))) as running:
        yield running


@pytest.fixture
def driver(chromium: Any) -> Iterator[Any]:
    """The browser, in a tab of the test's own."""
    with tab(chromium) as running:
        yield running
