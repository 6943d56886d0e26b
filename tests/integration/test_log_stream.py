"""Contract: standard error without waiting, on real pipes and devices."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.log_stream import BACKLOG
from tests.support.running_service import PATIENCE, ROOT

LINE = "x" * 1000 + "\n"
MANY = 3 * BACKLOG // len(LINE)
WRITES = f"""
import sys
from service import log_stream
stream = log_stream.install()
for _ in range({MANY}):
    sys.stderr.write({LINE!r})
print(log_stream.dropped(), flush=True)
sys.stdin.readline()
stream.drain(30)
print(log_stream.dropped(), flush=True)
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A small pipe: the end to read, the end to write."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    yield ours, theirs
    for end in (ours, theirs):
        os.close(end)


def started(script: str, stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def test_a_reader_that_stops_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    """The lines beyond the bound are counted, and told once somebody reads again."""
    ours, theirs = pipe
    with started(WRITES, theirs) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        dropped = int(process.stdout.readline())
        assert MANY - 2 * BACKLOG // len(LINE) < dropped < MANY
        process.stdin.write("\n")
        process.stdin.flush()
        received = b""
        while b"dropped\n" not in received:
            received += os.read(ours, 65536)
        assert process.wait(PATIENCE) == 0
    lines = received.decode().splitlines(keepends=True)
    assert lines.pop() == f"{dropped} log lines were dropped\n"
    assert lines == [LINE] * (MANY - dropped)


def test_a_reader_that_never_returns_delays_no_exit(pipe: tuple[int, int]) -> None:
    script = "import sys; from service import log_stream; log_stream.install()\n"
    with started(f"{script}print('x' * 10_000, file=sys.stderr)\nsys.exit(7)", pipe[1]) as process:
        assert process.wait(PATIENCE) == 7


def test_a_closed_pipe_and_a_full_disk_cost_lines_alone() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for broken in (theirs, full):
            with started(WRITES, broken) as process:
                answers, _ = process.communicate("\n", PATIENCE)
            assert int(answers.split()[1]) == MANY
            assert process.returncode == 0
    finally:
        os.close(theirs)
        os.close(full)


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    os.set_blocking(theirs, False)
    script = "import sys; from service import log_stream; log_stream.install()\n"
    with started(f"{script}sys.stderr.write({LINE!r} * 50)", theirs) as process:
        received = b""
        while len(received) < 50 * len(LINE):
            received += os.read(ours, 65536)
        assert process.wait(PATIENCE) == 0
    assert received.decode() == LINE * 50


def test_a_closed_standard_error_takes_no_socket_s_place() -> None:
    script = """
import os, socket, sys
from service import log_stream
log_stream.install()
print("lost", file=sys.stderr)
print(socket.socket().fileno() > 2, os.readlink("/proc/self/fd/2"))
"""
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "True /dev/null\n")
