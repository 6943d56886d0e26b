"""One worker process as the server sees it: wait for READY, run jobs, watch it, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Protocol

import trio

from ..solver.solver import Solver
from ..wire import (
    HEADER,
    MAX_HEAD,
    MAX_SCRIPT,
    Challenges,
    Job,
    Outcome,
    Permission,
    ProtocolError,
    Solution,
    decode_challenges,
    decode_outcome,
    decode_ready,
    decode_visit,
    encode_job,
    encode_permission,
    encode_solution,
    is_challenges,
    is_visit,
    lengths,
)
from .accounting import Cost, Meter, cost_below

AHEAD = 512  # bytes of the first read, which mostly returns header and head in one piece
CHUNK = 1 << 20
MAX_ASKED = 64  # times that a job may ask the solver: each video of it does so once or twice
MAX_MOVES = 500  # times that it may go from one endpoint to another: twice its requests
KILL_PATIENCE = 5.0  # seconds that a killed process may take to end; only a hung disk makes it take any


class Visits(Protocol):
    """Hears which endpoint a job asks, and says whether it may."""

    def begin(self) -> None:
        """A run of the job begins, at its own endpoint."""

    async def enter(self, endpoint: str) -> Permission:
        """Whether the job may ask `endpoint` from now on."""


class Anywhere:
    """Lets a job ask every endpoint."""

    def begin(self) -> None:
        """Do nothing."""

    async def enter(self, endpoint: str) -> Permission:
        """A permission."""
        return Permission()


class WorkerDied(Exception):
    """The worker ended, or closed its socket, before it answered."""


class ResultTooLarge(ProtocolError):
    """The worker announced a result over the bound; none of it was read."""


class Process:
    """A worker that the template has forked.

    Its owner must let `end` run to completion, once. `ready` and `run` are for one task at a time, `wait` and
    `end` too, and the two may be different tasks.

    Args:
        pidfd: refers to the process even if its pid is reused; closed by `end`.
        server: the server's end of the worker's socket; closed by `end`.
        born: when it was requested, on Trio's clock.
        max_result: bytes that one result may have.
        reap: has the template collect the dead process; gives its exit status, None where it is unknown.
        solver: solves the challenges that its jobs meet.

    Attributes:
        solving: seconds that the latest job has waited for the solver.
    """

    def __init__(
        self,
        pid: int,
        pidfd: int,
        server: socket.socket,
        *,
        born: float,
        max_result: int,
        reap: Callable[[int], Awaitable[int | None]],
        solver: Solver | None = None,
    ) -> None:
        self.pid = pid
        self.born = born
        self.ended = False
        self.solving = 0.0
        self._solver = solver
        self._pidfd = pidfd
        self._max_result = max_result
        self._reap = reap
        self._grace = trio.CancelScope()
        self._meter = Meter(pid)
        server.setblocking(False)
        self._server = server
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(server))

    async def ready(self) -> None:
        """Return when the worker has said READY.

        Raises:
            WorkerDied: it ended instead.
            ProtocolError: its first message is not READY.
        """
        head, _ = await self._frame()
        if decode_ready(head).pid != self.pid:
            raise ProtocolError("the worker is not who it says")

    async def run(self, job: Job, timeout: float, visits: Visits | None = None) -> Outcome:
        """Let the worker run `job`, in about `timeout` seconds; the caller sets the real deadline.
        `visits` says whether it may ask an endpoint that it is led to.

        After an exception the worker must not be used again.

        Raises:
            JobTooLarge: the job is over the bound.
            WorkerDied: it ended without a whole answer.
            ResultTooLarge: its answer is over the bound.
            ProtocolError: its answer is malformed.
        """
        self.solving = 0.0
        visits = visits or Anywhere()
        visits.begin()
        await self._send(encode_job(job, timeout))
        with self._solver.visit() if self._solver is not None else nullcontext(_unsolved) as ask:
            asked = moves = 0
            while asked < MAX_ASKED and moves < MAX_MOVES:
                head, body = await self._frame()
                if is_visit(head):
                    moves += 1
                    await self._send(encode_permission(await visits.enter(decode_visit(head))))
                    continue
                asked += 1
                if not is_challenges(head):
                    return decode_outcome(head, body)
                challenges, began = decode_challenges(head), trio.current_time()
                try:
                    solution = await ask(challenges, body)
                finally:
                    self.solving += trio.current_time() - began
                await self._send(encode_solution(solution))
        raise ProtocolError("the worker asks without end")

    def healthy(self) -> bool:
        """Whether an idle worker is alive and silent, as far as can be seen without waiting."""
        if self.ended:
            return False
        try:
            self._server.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # end of file, or unexpected bytes

    def cost(self, *, below: bool = False) -> Cost:
        """What it has used so far, and if `below` also its living children."""
        own = self._meter.read()
        return own + cost_below(self.pid) if below else own

    async def wait(self) -> None:
        """Return when the process has ended. What it has written can still be read, up to end of file."""
        await trio.lowlevel.wait_readable(self._pidfd)
        self.ended = True
        # A child that it left behind may hold the other end open; do not wait for that.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RD)

    async def end(self, grace: float) -> int | None:
        """TERM to the process group, `grace` seconds, KILL, reap. Returns the exit status, if known.

        Call it shielded: it takes at most `grace` + KILL_PATIENCE + the template's time to answer.
        """
        if not self.ended:
            self._signal(signal.SIGTERM)
            self._grace.deadline = min(self._grace.deadline, trio.current_time() + grace)
            with self._grace:
                await self.wait()
        self._signal(signal.SIGKILL)  # also to members of the group that outlived their leader
        with trio.move_on_after(KILL_PATIENCE):
            await self.wait()
        status = await self._reap(self.pid)
        self._stream.socket.close()
        self._meter.close()
        os.close(self._pidfd)
        return status

    def skip_grace(self) -> None:
        """Kill it without a grace, now or later."""
        self._grace.cancel()

    def _signal(self, number: int) -> None:
        # The group's id cannot be reused: the leader is not reaped yet. Only where the template and its
        # children are gone is the number free, and a reuse within that moment is not to be expected.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def _send(self, frame: bytes) -> None:
        try:
            await self._stream.send_all(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise WorkerDied from None

    async def _frame(self) -> tuple[bytes, bytes]:
        """Head and body of the next frame, the only one that there may be."""
        data = await self._more(b"", HEADER.size)
        head, body = lengths(data[: HEADER.size], max_head=MAX_HEAD, max_body=0xFFFFFFFF)
        if body > max(MAX_SCRIPT, self._max_result):  # whatever the head would say
            raise ResultTooLarge(body)
        start, end = HEADER.size + head, HEADER.size + head + body
        data = await self._more(data, start)
        if body > (MAX_SCRIPT if is_challenges(data[HEADER.size : start]) else self._max_result):
            raise ResultTooLarge(body)
        data = await self._more(data, end)
        if len(data) > end:
            raise ProtocolError("the worker says more than it was asked")
        return data[HEADER.size : start], data[start:]

    async def _more(self, data: bytes, size: int) -> bytes:
        """`data` and what follows, up to `size` bytes, or up to AHEAD where these are fewer."""
        chunks, missing = [data], size - len(data)
        while missing > 0:
            try:
                chunk = await self._stream.receive_some(min(max(missing, AHEAD), CHUNK))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise WorkerDied from None
            if not chunk:
                raise WorkerDied
            chunks.append(chunk)
            missing -= len(chunk)
        return b"".join(chunks)


async def _unsolved(challenges: Challenges, script: bytes) -> Solution:
    """The word of no solver at all."""
    return Solution(problem="there is no solver")
