"""The solver: keeps the functions of the last few player scripts, each in a process of its own.

A script is identified by the digest of its bytes. It answers only jobs that bring these bytes, or the address
where a worker found them, so a script can spoil only its own answers. A new
script is fetched by one worker and prepared once, however many jobs wait for it, and even if none waits any
more. Preparation needs much memory, so only one script is prepared at a time. A process that hangs, dies or
gives an invalid answer is killed and its script forgotten; the next job that needs it fetches it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from .. import events
from ..wire import Challenges, Solution
from . import ejs, shapes
from .engine import Engine, EngineFailed, ScriptRejected, Starter, started
from .faults import Faults
from .script import LOAD, Question, Script, Unsteady, prepare
from .statistics import ScriptStatistics, SolverStatistics

KEPT = 3  # scripts; YouTube has one or two at a time
ADDRESSES = 64  # of these
FETCH = 8.0  # seconds in which another worker has to have fetched a script
CHECK_AGAIN = 60.0  # seconds until it is tried again whether it works at all
TRIES = 4  # times that a question is put where fetchers leave and processes die

Ask = Callable[[Challenges, bytes], Awaitable[Solution]]


@dataclass(eq=False, slots=True)
class _Fetch:
    """A script that a worker was sent for. Without a digest when done: it came back without."""

    owner: object
    done: trio.Event = field(default_factory=trio.Event)
    digest: str | None = None


class Solver:
    """Answers the challenges of all workers while `run` runs.

    Args:
        start: starts a process of the given mode.
    """

    def __init__(self, bus: events.Events, *, start: Starter = started) -> None:
        self._events = bus
        self._start = start
        self._ejs: ejs.Ejs | None = None
        self._problem: str | None = None
        self._checked = trio.Event()
        self._turn = trio.Lock()  # to take a script apart
        self._came, self._coming = trio.open_memory_channel[Script](KEPT)
        self._scripts: OrderedDict[str, Script] = OrderedDict()  # by digest, the latest used last
        self._addresses: dict[str, str] = {}  # where these were found, to their digests
        self._fetches: dict[str, _Fetch] = {}  # by address; at most one for each worker
        self._faults = Faults()
        self._pids: set[int] = set()
        self._solved = self._fetched = self._prepared = self._rejected = self._lost = 0

    def pids(self) -> frozenset[int]:
        """Children of this process that the solver's own tasks wait for."""
        return frozenset(self._pids)

    def statistics(self) -> SolverStatistics:
        """A snapshot."""
        now = trio.current_time()
        state = "checking" if not self._checked.is_set() else "unavailable" if self._problem else "ready"
        return SolverStatistics(
            state=state,
            problem=self._problem,
            ejs=self._ejs.name if self._ejs else None,
            solved=self._solved,
            fetches=self._fetched,
            prepared=self._prepared,
            rejected=self._rejected,
            lost=self._lost,
            scripts=tuple(
                ScriptStatistics(
                    digest=script.digest[:12],
                    state="ready" if script.ready else "preparing",
                    pid=script.pid,
                    solved=script.solved,
                    age=now - script.came,
                    rss=script.rss(now),
                )
                for script in self._scripts.values()
            ),
        )

    async def checked(self) -> None:
        """Return once it is known whether it works."""
        await self._checked.wait()

    # What jobs use.

    @contextmanager
    def visit(self) -> Iterator[Ask]:
        """What a job asks with: challenges, and the script where the last solution said to fetch it."""
        owner = object()
        try:
            yield partial(self._ask, owner)
        finally:
            for address in [each for each, fetch in self._fetches.items() if fetch.owner is owner]:
                self._fetches.pop(address).done.set()

    async def _ask(self, owner: object, challenges: Challenges, code: bytes) -> Solution:
        await self.checked()
        if (problem := self._problem or shapes.objection(challenges)) is not None:
            return Solution(problem=problem)
        if self._ejs is None or challenges.ejs != self._ejs.name:
            return Solution(problem="the worker has another yt-dlp-ejs")
        address = challenges.player
        digest = self._deliver(owner, address, code) if code else self._addresses.get(address)
        for _ in range(TRIES):
            if digest is None:
                fetch = self._fetches.get(address)
                if fetch is not None and fetch.owner is not owner:
                    with trio.move_on_after(FETCH):
                        await fetch.done.wait()
                    digest = fetch.digest
                if digest is None and self._fetches.get(address) in (None, fetch):
                    return self._send_out(owner, address)
            else:
                solution = await self._solve(digest, challenges, code)
                if solution is not None:
                    return solution
                digest = digest if code else self._addresses.get(address)
        return Solution(problem="the solver was lost repeatedly")

    def _send_out(self, owner: object, address: str) -> Solution:
        """Have the worker of `owner` fetch the script."""
        self._fetches[address] = _Fetch(owner)
        self._fetched += 1
        return Solution(fetch=True)

    def _deliver(self, owner: object, address: str, code: bytes) -> str:
        """The digest of a script that was fetched; the jobs that wait for it get it, too."""
        digest = hashlib.sha256(code).hexdigest()
        fetch = self._fetches.get(address)
        if fetch is not None and fetch.owner is owner:
            fetch.digest = digest
            self._fetches.pop(address).done.set()
        return digest

    async def _solve(self, digest: str, challenges: Challenges, code: bytes) -> Solution | None:
        """None where the script is not there, or is lost meanwhile."""
        if (word := self._faults.word(digest, trio.current_time())) is not None:
            return word
        script = self._scripts.get(digest)
        if script is None and not code:
            return None
        question = Question(challenges)
        try:
            script = script or self._take_in(digest, code)
            script.put(question)
        except trio.WouldBlock:
            return Solution(problem="too many scripts or challenges come at once")
        self._scripts.move_to_end(digest)
        if code and len(self._addresses) < ADDRESSES:
            self._addresses.setdefault(challenges.player, digest)
        await question.done.wait()
        if (solution := question.solution) is not None:
            self._solved += len(solution.n) + len(solution.sig)
        return solution

    def _take_in(self, digest: str, code: bytes) -> Script:
        """A new script, in the place of the one that was used least lately.

        Raises:
            trio.WouldBlock: none can go: all are being taken apart.
        """
        if len(self._scripts) >= KEPT:
            oldest = next((script for script in self._scripts.values() if script.ready), None)
            if oldest is None:
                raise trio.WouldBlock
            self._forget(oldest)
            oldest.close()
        script = Script(digest, code)
        self._came.send_nowait(script)
        self._scripts[digest] = script
        return script

    def _forget(self, script: Script) -> None:
        if self._scripts.get(script.digest) is script:
            del self._scripts[script.digest]
            for address in [each for each, digest in self._addresses.items() if digest == script.digest]:
                del self._addresses[address]

    # The processes.

    async def run(self) -> None:
        """Keep a process for each script; cancelled, it leaves none behind."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._check_until_it_works)
            async for script in self._coming:
                nursery.start_soon(self._keep, script)

    async def _check_until_it_works(self) -> None:
        while (problem := await self._check()) is not None:
            if problem != self._problem:
                self._events.emit(events.SolverUnavailable(problem))
            self._problem = problem
            self._checked.set()
            await trio.sleep(CHECK_AGAIN)
        self._problem = None
        self._checked.set()
        assert self._ejs is not None
        self._events.emit(events.SolverReady(self._ejs.name))

    async def _check(self) -> str | None:
        """What is wrong, or None: a known challenge shows whether yt-dlp-ejs still works as expected."""
        known = Challenges("", "", n=("abcdef",), sig=("ghijkl",))
        try:
            self._ejs = ejs.load()
            functions = await prepare(self._process, self._ejs, ejs.SAMPLE, within=LOAD)
            async with self._process("evaluate") as engine:
                await engine.ask(functions, within=LOAD)
                answer = await engine.ask(shapes.encode(known), within=LOAD)
            found = shapes.decode(answer, known)
        except (ejs.EjsMissing, EngineFailed, ScriptRejected, shapes.Misshapen) as error:
            return str(error)
        right = ({"abcdef": "fedcba"}, {"ghijkl": "ijkl"})
        return None if found == right else "a known challenge is solved wrongly"

    async def _keep(self, script: Script) -> None:
        """A script's life and its end."""
        assert self._ejs is not None
        word: Solution | None = None
        try:
            reason = await script.live(
                self._process, self._ejs, self._turn, prepared=partial(self._count_prepared, script)
            )
        except ScriptRejected as error:
            reason = "rejected"
            word = self._faults.rejected(script.digest, trio.current_time())
            self._rejected += 1
            self._events.emit(events.ScriptRejected(script.digest[:12], str(error)))
        except Unsteady as error:
            reason = "unsteady"
            word = self._faults.unsteady(script.digest, trio.current_time())
            self._rejected += 1
            self._events.emit(events.ScriptRejected(script.digest[:12], str(error)))
        except EngineFailed as error:
            reason = str(error)
            word = self._faults.lost(script.digest, trio.current_time(), ready=script.ready)
            self._lost += 1
        finally:
            self._forget(script)
            script.settle(word)
        self._events.emit(events.SolverEnded(script.digest[:12], script.pid, reason, script.solved))

    def _count_prepared(self, script: Script) -> None:
        self._prepared += 1
        seconds = trio.current_time() - script.came
        self._events.emit(events.ScriptPrepared(script.digest[:12], script.pid, seconds))

    @asynccontextmanager
    async def _process(self, mode: str) -> AsyncIterator[Engine]:
        pid = None
        try:
            async with self._start(mode) as engine:
                pid = engine.pid
                self._pids.add(pid)
                yield engine
        finally:
            self._pids -= {pid}
