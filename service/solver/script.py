"""One player script's life: taken apart in a process that ends with it, then kept in another, and asked."""

from __future__ import annotations

import contextlib
import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import trio

from ..pool.accounting import ResidentMemory
from ..wire import Challenges, Solution
from . import shapes
from .ejs import Ejs
from .engine import LONG, Engine, EngineFailed, ScriptRejected, Starter

IDLE = 900.0  # seconds without a question after which a script ends
PREPARE = 60.0  # seconds of patience; it takes 2 on an idle core
LOAD = 20.0  # 0.4
ANSWER = 5.0  # 0.0005
WAITING = 128  # questions at a time; no more than two come from each worker


# Asked at first, and again after each question: if a challenge, or the script itself, has changed the
# process, this answer shows it before a job gets a wrong one.
CONTROL = Challenges("", "", n=("wYr4Tq8_KzL2-vB0",), sig=(string.ascii_letters + string.digits,))


class Unsteady(Exception):
    """The script does not answer alike twice; in a process of its own for each job it may do."""


@dataclass(eq=False, slots=True)
class Question:
    """Challenges that wait for their script. Without a solution when done: the script's process was lost."""

    challenges: Challenges
    done: trio.Event = field(default_factory=trio.Event)
    solution: Solution | None = None

    def settle(self, solution: Solution | None) -> None:
        self.solution = solution
        self.done.set()


async def prepare(start: Starter, ejs: Ejs, code: bytes, *, within: float = PREPARE) -> bytes:
    """What yt-dlp-ejs makes of a script: one whose functions can be called. Raises as Script.live."""
    async with start("prepare") as engine:
        return await engine.ask(ejs.lib, ejs.core, code, within=within, longest=LONG)


class Script:
    """One script, from its coming until its process is gone.

    Attributes:
        pid: of its process, once it has one.
        ready: it is taken apart.
        solved: challenges that it has answered.
    """

    def __init__(self, digest: str, code: bytes) -> None:
        self.digest = digest
        self.came = trio.current_time()
        self.pid: int | None = None
        self.ready = False
        self.solved = 0
        self._resident: ResidentMemory | None = None  # of its process
        self._code = code  # until it is taken apart
        self._current: Question | None = None
        self._control: Solution | None = None
        self._ask, self._asked = trio.open_memory_channel[Question](WAITING)

    def rss(self, now: float) -> int:
        """Bytes resident of its process, as they were at most RSS_AGE seconds before `now`."""
        return self._resident.bytes(now) if self._resident is not None else 0

    def put(self, question: Question) -> None:
        """Have `question` settled in its turn. Raises trio.WouldBlock where too many wait."""
        self._ask.send_nowait(question)

    def close(self) -> None:
        """Take no more questions; the life ends with the last that waits."""
        self._ask.close()

    def settle(self, solution: Solution | None) -> None:
        """Give up: all that wait get this, and no more are taken."""
        self.close()
        if self._current is not None:
            self._current.settle(solution)
        with contextlib.suppress(trio.EndOfChannel):
            while True:
                self._asked.receive_nowait().settle(solution)

    async def live(self, start: Starter, ejs: Ejs, turn: trio.Lock, prepared: Callable[[], None]) -> str:
        """Run the script; returns why it ended normally. The caller settles the questions that still wait.

        Args:
            turn: held while it is taken apart.
            prepared: is called when it is.

        Raises:
            ScriptRejected: it cannot be used.
            Unsteady: its process cannot be kept.
            EngineFailed: its process is to be doubted.
        """
        async with turn:
            functions = await prepare(start, ejs, self._code)
        async with start("evaluate") as engine:
            self.pid = engine.pid
            self._resident = ResidentMemory(engine.pid)
            await engine.ask(functions, within=LOAD)
            self._code = functions = b""
            for _ in range(2):
                await self._solve(engine, Challenges("", ""))
            if self._control is None or not (self._control.n or self._control.sig):
                raise ScriptRejected("it has no function for challenges")
            self.ready = True
            prepared()
            end: str | Exception = EngineFailed("it ended")
            async with trio.open_nursery() as nursery:

                async def converse() -> None:
                    nonlocal end
                    end = await self._converse(engine)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(converse)
                await engine.ended()
                nursery.cancel_scope.cancel()
        if isinstance(end, Exception):
            raise end
        return end

    async def _converse(self, engine: Engine) -> str | Exception:
        """Put the questions; why there are no more."""
        while True:
            question = None
            with trio.move_on_after(IDLE):
                try:
                    question = await self._asked.receive()
                except trio.EndOfChannel:
                    return "evicted"
            if question is None:
                return "idle"
            self._current = question
            try:
                solution = await self._solve(engine, question.challenges)
            except (EngineFailed, Unsteady) as error:
                return error
            self._current = None
            self.solved += len(solution.n) + len(solution.sig)
            question.settle(solution)

    async def _solve(self, engine: Engine, challenges: Challenges) -> Solution:
        """The answers to `challenges`, as long as those to CONTROL are what they were.

        Raises:
            Unsteady: they are not.
            EngineFailed: there are none that can be.
        """
        asked = replace(challenges, n=challenges.n + CONTROL.n, sig=challenges.sig + CONTROL.sig)
        try:
            answers = shapes.decode(await engine.ask(shapes.encode(asked), within=ANSWER), asked)
        except (ScriptRejected, shapes.Misshapen) as error:
            raise EngineFailed(f"it is not to be trusted: {error}") from error
        control = shapes.solution(answers, CONTROL)
        self._control = self._control or control
        if control != self._control:
            raise Unsteady("it does not answer alike twice")
        return shapes.solution(answers, challenges)
