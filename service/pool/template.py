"""The keeper of the template process: starts it, lets it fork and reap workers, and restarts it.

The other side, and the protocol between the two, is `service/worker/template.py`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import site
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trio

from .. import events, package
from ..config import Config
from ..egress.settings import proxy_ports
from ..solver.solver import Solver
from ..template_wire import Warm, WorkerSettings
from ..worker.template import receive, send
from .backoff import Backoff
from .process import Process

# -P: nothing is imported from the working directory
COMMAND = (sys.executable, "-P", "-m", package.module("worker.template"))
WARMING = 60.0  # seconds
ANSWER = 5.0  # seconds for a fork or a reap, which take milliseconds
LAST_WORKERS = 10.0  # seconds at the end in which the pool ends its workers; more than TERM, grace and KILL
ENDING = 3.0  # seconds in which it must end by itself once its socket is closed
BUFFER = 1 << 20  # bytes of a socket's buffer, where the kernel allows; many answers have 400 KB
STABLE = 10.0  # seconds of life after which an end does not count as a failed start


class StartError(Exception):
    """The template process cannot be warmed; the text says why."""


class ForkFailed(Exception):
    """The template lives but could not fork a worker; the text says why."""


class _Gone(Exception):
    """This template process has ended, or does not answer and is being killed."""


class Template:
    """The template that workers are forked from, across restarts of its process.

    Args:
        command: starts the process; its control socket's number is added as the last argument.
        solver: solves the challenges that workers meet; None: they do so themselves.
        release: the folder of the yt-dlp to use; None: the installed one.
        version: what it is called; empty: what it calls itself.

    Attributes:
        optional: it ends with its process, and nobody waits for another one.
    """

    def __init__(
        self,
        config: Config,
        bus: events.Events,
        *,
        command: Sequence[str] = COMMAND,
        solver: Solver | None = None,
        release: Path | None = None,
        version: str = "",
    ) -> None:
        self.optional = False
        self._settings = WorkerSettings(
            proxy=config.egress_proxy,
            ca_file=str(config.egress_ca_file.absolute()) if config.egress_ca_file else None,
            plugin_dir=str(config.plugin_dir.absolute()) if config.plugin_dir else None,
            egress_allow=config.egress_allow,
            max_result=config.ytdlp_max_buffer,
            memory=config.worker_memory_mb << 20,
            solver=solver is not None,
            options=config.ytdlp_options,
            sidecars=config.sidecars,
            proxy_ports=proxy_ports(config.egress),
            only_proxies=bool(config.egress)
            and all(each.proxy is not None for each in config.egress.values()),
            sources=any(each.source is not None for each in config.egress.values()),
        )
        self.solver = solver
        self._command = command
        self._release = release
        self._version = version
        self._events = bus
        self._children: list[_Running] = []
        self._current: _Running | None = None
        self._came = trio.Event()
        self.warm: Warm | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a template running; started when the first one is warm. An optional one runs once.

        Cancelled, it stays until the last worker is reaped, so that the pool's slots may end with it.

        One that finds no room, descriptor or process is tried again, ever more slowly, as is a later one
        that does not get warm.

        Raises:
            StartError: the first one could not be warmed.
        """
        backoff = Backoff()
        while True:
            began = trio.current_time()
            try:
                await self._life(task_status)
            except (StartError, OSError) as error:
                if self.warm is None and (self.optional or isinstance(error, StartError)):
                    raise StartError(_problem(error)) from error
                delay = backoff.failed(trio.current_time(), began)
                self._events.emit(events.WorkerBootFailed(_problem(error), retry_in=delay))
            else:
                task_status = trio.TASK_STATUS_IGNORED
                if trio.current_time() - began > STABLE:
                    backoff.succeeded()
                delay = backoff.failed(trio.current_time(), began)
            if self.optional:
                return
            await trio.sleep(delay)

    async def _life(self, task_status: trio.TaskStatus[None]) -> None:
        """One template process, from its start to its end.

        Raises:
            StartError: it does not get warm.
            OSError: there is no room for its folder, no descriptor or no process to be had.
        """
        running = _Running(self._settings, self._command, self.solver, self._release)
        self._children.append(running)
        try:
            self.warm = await running.warm()
            self._current = running
            self._came.set()
            self._came = trio.Event()
            self._events.emit(events.TemplateStarted(running.pid, self.warm.ytdlp, self.warm.runtime))
            if self.warm.plugins:
                self._events.emit(
                    events.PluginsLoaded(self.warm.plugins, self.warm.providers, self.warm.broken)
                )
            self._events.emit(events.EgressLayers(self.warm.layers))
            task_status.started()
            await running.ended()
        finally:
            # Bounded by LAST_WORKERS, ENDING and a kill.
            with trio.CancelScope(shield=True):
                status = await running.close()
            self._current = None
            self._children.remove(running)
        self._events.emit(events.TemplateEnded(running.pid, status, self.version))

    @property
    def version(self) -> str:
        """The release, by its version; unknown before it is warm, where it was not told."""
        return self._version or (self.warm.ytdlp if self.warm else "")

    @property
    def alive(self) -> bool:
        """Whether it forks workers at the moment."""
        return self._current is not None and not self._current.gone

    def pids(self) -> frozenset[int]:
        """Children of this process that the template's own task waits for."""
        return frozenset(running.pid for running in self._children)

    async def spawn(self) -> Process:
        """A new worker, before its READY. Waits for a warm template where there is none.

        Raises:
            ForkFailed: the operating system refuses, or an optional template has ended.
        """
        while True:
            while self._current is None or self._current.gone:
                if self.optional:
                    raise ForkFailed(f"the template of {self.version} has ended")
                await self._came.wait()
            with contextlib.suppress(_Gone):
                return await self._current.spawn()


class _Running:
    """One template process, from its start to its end.

    It is started by the thread that runs Trio: PR_SET_PDEATHSIG acts at the death of the thread that forked,
    so the end of a helper thread would end the template.
    """

    def __init__(
        self, settings: WorkerSettings, command: Sequence[str], solver: Solver | None, release: Path | None
    ) -> None:
        self.gone = False
        self._warm = False
        self._solver = solver
        self._settings = settings
        self._answers = trio.Lock()  # held for one answer at a time, in the order of the questions
        self._unreaped: set[int] = set()
        self._reaped = trio.Event()
        with contextlib.ExitStack() as undo:
            self._scratch = tempfile.mkdtemp(prefix="ytdlpd-")
            undo.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(self._control.close)
            self._control.setblocking(False)
            with theirs:
                self._process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=_environment(self._scratch, release),
                    start_new_session=True,  # a terminal's Ctrl-C is for the server, which then drains
                )
            undo.callback(self._process.wait)
            undo.callback(self._process.kill)
            self.pid = self._process.pid
            self._pidfd = os.pidfd_open(self.pid)
            undo.pop_all()

    async def warm(self) -> Warm:
        """The report of the warm template. Raises StartError where it does not get warm."""
        answer: dict[str, Any] = {"failed": f"it was not warm after {WARMING:g} s"}
        try:
            with trio.move_on_after(WARMING):
                send(self._control, {"settings": asdict(self._settings), "scratch": self._scratch})
                answer, _ = await self._receive()
        except (_Gone, OSError):
            answer = {"failed": "it ended while it was warming up"}
        if "failed" in answer:
            raise StartError(f"the template process cannot start: {answer['failed']}")
        self._warm = True
        report: dict[str, Any] = answer["warm"]
        report |= {name: tuple(each) for name, each in report.items() if isinstance(each, list)}
        return Warm(**report)

    async def ended(self) -> None:
        """Return when the process has ended."""
        await trio.lowlevel.wait_readable(self._pidfd)
        self.gone = True

    async def spawn(self) -> Process:
        """Raises ForkFailed or _Gone."""
        born = trio.current_time()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ForkFailed(f"socketpair: {error.strerror}") from None
        try:
            with theirs:
                # An answer then fits: the worker need not wait until the server reads.
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
                answer, fds = await self._ask({"spawn": True}, [theirs.fileno()])
            if "error" in answer:
                raise ForkFailed(answer["error"])
            self._unreaped.add(answer["spawned"])
            if not fds:  # the kernel drops a descriptor that finds no room here
                await self._reap(answer["spawned"])
                raise ForkFailed("too many open files")
        except BaseException:
            ours.close()
            raise
        pid, limit = answer["spawned"], self._settings.max_result
        return Process(pid, fds[0], ours, born=born, max_result=limit, reap=self._reap, solver=self._solver)

    async def close(self) -> int | None:
        """End it, after its last worker; returns its exit status. Call it shielded."""
        with trio.move_on_after(LAST_WORKERS):
            while self._unreaped and not self.gone:
                await self._reaped.wait()
        self.gone = True
        if not self._warm:
            self._process.kill()  # it has no workers yet, and would not see the end of file
        trio.lowlevel.notify_closing(self._control)
        self._control.close()
        with trio.move_on_after(ENDING):
            await trio.lowlevel.wait_readable(self._pidfd)
        self._process.kill()
        status = self._process.wait()
        os.close(self._pidfd)
        shutil.rmtree(self._scratch, ignore_errors=True)
        return status

    async def _reap(self, pid: int) -> int | None:
        """Let the template reap a dead worker; None where the template is gone and init has reaped it."""
        status: int | None = None
        with contextlib.suppress(_Gone):
            answer, _ = await self._ask({"reap": pid})
            status = answer["status"]
        self._unreaped.discard(pid)
        self._reaped.set()
        self._reaped = trio.Event()
        return status

    async def _ask(
        self, message: dict[str, Any], fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], list[int]]:
        """The answer to `message`. Raises _Gone.

        A question does not wait for earlier answers, so ten forks at once do not each cost a round trip.
        """
        if self.gone:
            raise _Gone
        # A requested worker needs an owner even after a cancellation. Bounded by ANSWER.
        with trio.CancelScope(shield=True):
            try:
                send(self._control, message, fds)
            except OSError:
                self._lose()
                raise _Gone from None
            async with self._answers:  # a FIFO lock, so answers match questions
                with trio.move_on_after(ANSWER):
                    return await self._receive()
        self._lose()  # a late answer would be taken for that to the next question
        raise _Gone

    async def _receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message. Raises _Gone where none will come."""
        while True:
            try:
                message, fds = receive(self._control)
            except BlockingIOError:
                with contextlib.suppress(trio.ClosedResourceError):
                    await trio.lowlevel.wait_readable(self._control)
                continue
            except OSError:
                message = None
            if message is None:
                self._lose()
                raise _Gone
            return message, fds

    def _lose(self) -> None:
        """Give this process up: kill it, and `run` starts another once it is dead."""
        self.gone = True
        self._process.kill()


def _problem(error: StartError | OSError) -> str:
    return str(error) if isinstance(error, StartError) else f"the template process cannot be made: {error}"


def _environment(scratch: str, release: Path | None) -> Mapping[str, str]:
    """All that the template sees of the server's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {
        **kept,
        **({"PYTHONDONTWRITEBYTECODE": "1"} if release else {}),  # its manifest names each file
        "HOME": scratch,
        "TMPDIR": scratch,
        # A release goes first: where the service is installed, the installed yt-dlp is in its own folder.
        "PYTHONPATH": package.python_path(*([str(release)] if release else [])),
        "PYTHONUSERBASE": site.getuserbase(),  # else it would follow HOME
    }
