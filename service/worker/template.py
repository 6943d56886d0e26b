"""The template process: warms yt-dlp once, then forks a worker whenever the server asks for one.

It has one thread, no event loop and no Trio, so a fork copies only what the workers need. The server talks to
it over a SOCK_SEQPACKET socket: one JSON message per datagram, with file descriptors attached.

    server → template   {"settings": {…}, "scratch": path}    first
                        {"spawn": true} + the worker's socket
                        {"reap": pid}
    template → server   {"warm": {…}} or {"failed": "why"}     answers the settings
                        {"spawned": pid} + a pidfd, or {"error": "why"}
                        {"reaped": pid, "status": n}

A worker is reaped only when the server says so. Until then the dead leader keeps its pid and the id of its
process group from reuse, so the server may signal the group without a race.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from ..template_wire import Warm, WorkerSettings, decode_settings
from .cold import ColdTemplate
from .scratch import RUNTIME_CACHE, have_scratch

Warmer = Callable[[WorkerSettings], Warm]
Work = Callable[[socket.socket, WorkerSettings], None]

MESSAGE = 64 * 1024  # bytes of the longest message
NICENESS = 5  # below the server, which then stays fast when every core is busy
GROUP_NICENESS = 10  # ten workers together weigh about as much as the server
OOM_SCORE = 500  # the kernel kills workers before the server when memory runs out
OPEN_FILES = 1024
FILE_SIZE = 256 << 20

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def send(control: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one message with `fds` attached."""
    data = json.dumps(message).encode()
    if fds:
        socket.send_fds(control, [data], fds)
    else:
        control.send(data)


def receive(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """One message and its descriptors; None at the end of file."""
    fds = array.array("i")
    space = socket.CMSG_SPACE(4 * fds.itemsize)
    # Not socket.recv_fds: it drops its flags, so a child of this process could inherit the descriptors.
    data, ancillary, _, _ = control.recvmsg(MESSAGE, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    return (json.loads(data) if data else None), fds.tolist()


def serve(control: socket.socket, warm: Warmer, work: Work) -> None:
    """Warm up, then fork workers until the server closes its end; end every worker before returning.

    Args:
        warm: does once what every fork would have to do; raises where it cannot.
        work: a worker's whole life, on its socket; its process ends when it returns.
    """
    die_with_parent()  # while warming up it cannot see the end of file
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A service manager may signal all processes; the server alone decides when to drain.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    first, _ = receive(control)
    if first is None:
        return
    settings = decode_settings(first["settings"])
    try:
        report = warm(settings)
    except ColdTemplate as error:
        _last_word(control, {"failed": str(error)})
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        _last_word(control, {"failed": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    try:
        send(control, {"warm": asdict(report)})
    except BrokenPipeError:  # the server has ended meanwhile
        return
    # From here on the end of file ends it, which leaves time to end the workers' own children.
    _libc.prctl(_PR_SET_PDEATHSIG, 0)
    _Workers(control, settings, Path(first["scratch"]), work).run_slot()


def _last_word(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the server has ended meanwhile
        send(control, message)


class _Workers:
    """The template's children that are not reaped yet, and the loop that serves the server's requests."""

    def __init__(self, control: socket.socket, settings: WorkerSettings, scratch: Path, work: Work) -> None:
        self._control = control
        self._settings = settings
        self._scratch = scratch
        self._work = work
        self._workers: set[int] = set()

    def run_slot(self) -> None:
        """Serve requests until the server closes its end; then end the workers and remove their files."""
        try:
            while True:
                message, fds = receive(self._control)
                if message is None:
                    return
                if "spawn" in message:
                    self._spawn(*fds)
                else:
                    pid = message["reap"]
                    send(self._control, {"reaped": pid, "status": self._reap(pid)})
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            for pid in list(self._workers):
                self._reap(pid)
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _spawn(self, worker_socket: int) -> None:
        template = os.getpid()
        try:
            have_scratch(self._scratch)
            pid = os.fork()
        except OSError as error:  # too many processes, too little memory, no room for files
            os.close(worker_socket)
            send(self._control, {"error": f"fork: {error}"})
            return
        if pid == 0:
            _live(worker_socket, self._settings, self._scratch, template, self._work)
        os.close(worker_socket)
        self._workers.add(pid)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            self._reap(pid)
            send(self._control, {"error": f"pidfd_open: {error.strerror}"})
            return
        try:
            send(self._control, {"spawned": pid}, [pidfd])
        finally:
            os.close(pidfd)

    def _reap(self, pid: int) -> int:
        """Kill the rest of the worker's group, collect its exit status, remove its files."""
        for kill in (os.kill, os.killpg):  # it may have died before it made its group
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        self._workers.discard(pid)
        shutil.rmtree(self._scratch / str(pid), ignore_errors=True)
        return os.waitstatus_to_exitcode(status)


def _live(worker_socket: int, settings: WorkerSettings, scratch: Path, template: int, work: Work) -> NoReturn:
    """Run the forked child until it exits. Never returns into the template's code."""
    status = 1
    try:
        _isolate(worker_socket, template, scratch / str(os.getpid()), settings.memory)
        with socket.socket(fileno=worker_socket) as server:
            work(server, settings)
        status = 0
    finally:
        os._exit(status)  # also on an exception: the template's handlers must not run here


def _isolate(worker_socket: int, template: int, scratch: Path, memory: int) -> None:
    """Give this process its own session, its own files, and limits; have it die with the template."""
    os.setsid()
    die_with_parent()
    if os.getppid() != template:  # the template died before the line above
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)

    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(3, worker_socket)
    os.closerange(worker_socket + 1, os.sysconf("SC_OPEN_MAX"))

    scratch.mkdir(mode=0o700)
    os.chdir(scratch)
    os.umask(0o077)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        os.environ[name] = str(scratch)
    os.environ["DENO_DIR"] = str(scratch / RUNTIME_CACHE)

    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # with autogroups, niceness only counts inside a session
        Path("/proc/self/autogroup").write_text(str(GROUP_NICENESS))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    # Not RLIMIT_AS: a JavaScript runtime reserves far more address space than it uses.
    limit(resource.RLIMIT_DATA, _data_size() + memory)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    limit(resource.RLIMIT_FSIZE, FILE_SIZE)


def limit(what: int, value: int) -> None:
    """Lower a limit; a tighter one stays."""
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _data_size() -> int:
    """Bytes inherited from the template that already count against RLIMIT_DATA."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmData")


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def main() -> None:
    """Entry point: `python -m service.worker.template [self-test] FD`."""
    *tests, control_fd = sys.argv[1:]

    # Imported late: yt-dlp reads the environment at import, and `serve` reports a broken yt-dlp.
    def warm(settings: WorkerSettings) -> Warm:
        from . import runner

        report = runner.warm(settings)
        if tests:
            from . import self_test

            self_test.solve(settings)
        return report

    def work(server: socket.socket, settings: WorkerSettings) -> None:
        from . import runner

        runner.work(server, settings)

    with socket.socket(fileno=int(control_fd)) as control:
        serve(control, warm, work)


if __name__ == "__main__":
    main()
