"""One player script's life: taken apart in a process that ends with it, then kept in another, and asked."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from ..pool.accounting import RSS_AGE, cost_of
from ..wire import Challenges, Solution
from . import shapes
from .ejs import Ejs
from .engine import Engine, EngineFailed, ScriptRejected, Starter

IDLE = 900.0  # seconds after which nobody needs a script any more
PREPARE = 60.0  # seconds of patience; it takes 2 on an idle core
LOAD = 20.0  # 0.4
ANSWER = 5.0  # 0.0005
WAITING = 128  # questions at a time; no more than two come from each worker


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
        return await engine.ask(ejs.lib, ejs.core, code, within=within)


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
        self._rss, self._rss_until = 0, -math.inf
        self._code = code  # until it is taken apart
        self._current: Question | None = None
        self._ask, self._asked = trio.open_memory_channel[Question](WAITING)

    def rss(self, now: float) -> int:
        """Bytes resident of its process, as they were at most RSS_AGE seconds before `now`."""
        if self.pid is not None and now >= self._rss_until:
            self._rss, self._rss_until = cost_of(self.pid).rss, now + RSS_AGE
        return self._rss

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
        """The life; why it is over, where nothing is wrong. Whoever calls it settles what waits then.

        Args:
            turn: held while it is taken apart.
            prepared: is called when it is.

        Raises:
            ScriptRejected: it cannot be used.
            EngineFailed: its process is to be doubted.
        """
        async with turn:
            functions = await prepare(start, ejs, self._code)
        async with start("evaluate") as engine:
            self.pid = engine.pid
            await engine.ask(functions, within=LOAD)
            self._code = functions = b""
            self.ready = True
            prepared()
            end: str | EngineFailed = EngineFailed("it ended")
            async with trio.open_nursery() as nursery:

                async def converse() -> None:
                    nonlocal end
                    end = await self._converse(engine)
                    nursery.cancel_scope.cancel()

                nursery.start_soon(converse)
                await engine.ended()
                nursery.cancel_scope.cancel()
        if isinstance(end, EngineFailed):
            raise end
        return end

    async def _converse(self, engine: Engine) -> str | EngineFailed:
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
                answer = await engine.ask(shapes.encode(question.challenges), within=ANSWER)
                solution = shapes.decode(answer, question.challenges)
            except EngineFailed as error:
                return error
            except (ScriptRejected, shapes.Misshapen) as error:
                return EngineFailed(f"it is not to be trusted: {error}")
            self._current = None
            self.solved += len(solution.n) + len(solution.sig)
            question.settle(solution)
