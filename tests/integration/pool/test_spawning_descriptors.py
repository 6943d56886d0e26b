"""Contract: real processes. A fork that finds no free file descriptor here fails, and the next one works."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import trio

from service import events
from service.config import Config
from service.pool.template import ForkFailed, Template
from tests.support.scripted_pool import command


@contextmanager
def descriptors(free: int) -> Iterator[None]:
    """This process may open `free` more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 8, hard))
    taken = list[int]()
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(free):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


async def test_whichever_step_finds_none_nothing_is_left_behind(tmp_path: Path) -> None:
    template = Template(Config.load(), events.Events(), command=command(tmp_path))
    async with trio.open_nursery() as nursery:
        await nursery.start(template.run)
        (pid,) = template.pids()
        for free in (0, 1, 2, 3):  # none for a socket, one end of it, none for the process, just enough
            with descriptors(free):
                if free < 3:
                    with pytest.raises(ForkFailed):
                        await template.spawn()
                else:
                    process = await template.spawn()
            assert len(psutil.Process(pid).children()) == (free == 3)
        await process.ready()
        await process.end(grace=2)
        nursery.cancel_scope.cancel()
