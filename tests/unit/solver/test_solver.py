"""Collaboration: jobs that ask the solver, over fake processes and a mock clock.

A fake process answers a challenge n with its reverse. The script's bytes select its behaviour.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from service import events
from service.solver import ejs
from service.solver.engine import EngineFailed, ScriptRejected
from service.solver.script import ANSWER, IDLE
from service.solver.solver import CHECK_AGAIN, FETCH, KEPT, Solver
from service.wire import Challenges, Solution
from tests.support.scripted_pool import eventually

TAKES = 2.0  # seconds to take a script apart
EJS = ejs.load().name


def player(number: int = 0) -> str:
    return f"https://www.youtube.com/s/player/{number:08x}/base.js"


class FakeEngine:
    """Prepares a script by returning it, and answers challenges as the script's bytes say."""

    def __init__(self, fake: Fake, mode: str, pid: int) -> None:
        self.pid = pid
        self.script = b""
        self.asked = 0
        self.dead = trio.Event()
        self._fake = fake
        self._mode = mode

    async def ask(self, *messages: bytes, within: float, longest: int = 0) -> bytes:
        with trio.move_on_after(within):
            return await self._answer(messages[-1])
        raise EngineFailed("it did not answer in time")

    async def _answer(self, message: bytes) -> bytes:
        if self._mode == "prepare":
            self._fake.prepared.append(message)
            if message != ejs.SAMPLE:
                await trio.sleep(TAKES)
            if b"gibberish" in message:
                raise ScriptRejected("SyntaxError")
            if b"crashes" in message:
                raise EngineFailed("it ended")
            return message
        if not self.script:
            self.script = message
            return b""
        asked: dict[str, Any] = json.loads(message)
        if b"unknown" in self.script:
            return json.dumps({kind: [None for _ in each] for kind, each in asked.items()}).encode()
        self.asked += len(asked["n"])
        if (b"forgetful" in self.script and self.asked > 1) or "spoil" in asked["n"]:
            return json.dumps({**asked, "n": ["x" for _ in asked["n"]]}).encode()
        for challenge in asked["n"]:
            if challenge == "hang" and b"hangs" in self.script:
                await trio.sleep_forever()
            if challenge == "lie" and b"lies" in self.script:
                return b'{"n": ["a&b"], "sig": []}'
            if challenge == "die":
                self.dead.set()
                raise EngineFailed("it ended")
        return json.dumps(
            {"n": [each[::-1] for each in asked["n"]], "sig": [each[2:] for each in asked["sig"]]}
        ).encode()

    async def ended(self) -> None:
        await self.dead.wait()


class Fake:
    """Starts fake processes, and remembers them."""

    def __init__(self) -> None:
        self.prepared: list[bytes] = []
        self.living: list[FakeEngine] = []
        self.broken = False
        self.pids = 0
        self.most = 0  # taken apart at a time

    @asynccontextmanager
    async def start(self, mode: str) -> AsyncIterator[Any]:
        if self.broken:
            raise EngineFailed("it cannot be started: no memory")
        self.pids += 1
        engine = FakeEngine(self, mode, self.pids)
        self.living.append(engine)
        self.most = max(self.most, sum(each._mode == "prepare" for each in self.living))
        try:
            yield engine
        finally:
            self.living.remove(engine)


class Stand:
    """A solver over fake processes, and its events."""

    def __init__(self) -> None:
        self.fake = Fake()
        self.log: list[events.Event] = []
        self.fetched = 0
        bus = events.Events()
        bus.subscribe(self.log.append)
        self.solver = Solver(bus, start=self.fake.start)

    async def job(
        self, script: bytes, *challenges: str, address: str = player(), takes: float = 0.1
    ) -> Solution:
        """A worker's job: it asks, and fetches the script where the solver says so."""
        asked = Challenges(address, EJS, n=challenges)
        with self.solver.visit() as ask:
            solution = await ask(asked, b"")
            if solution.fetch:
                self.fetched += 1
                await trio.sleep(takes)
                solution = await ask(asked, script)
        return solution

    def reasons(self) -> list[str]:
        return [event.reason for event in self.log if isinstance(event, events.SolverEnded)]


@pytest.fixture
def stand(nursery: trio.Nursery) -> Stand:
    stand = Stand()
    nursery.start_soon(stand.solver.run)
    return stand


async def test_ten_jobs_and_one_new_script_one_fetch_and_one_preparation(
    autojump_clock: MockClock, stand: Stand
) -> None:
    solutions: list[Solution] = []

    async def job(number: int) -> None:
        solutions.append(await stand.job(b"script", f"abc{number}"))

    async with trio.open_nursery() as jobs:
        for number in range(10):
            jobs.start_soon(job, number)
    assert [solution.problem for solution in solutions] == [""] * 10
    assert {tuple(solution.n.values()) for solution in solutions} == {(f"{n}cba",) for n in range(10)}
    assert stand.fetched == 1
    assert stand.fake.prepared == [ejs.SAMPLE, b"script"]
    assert stand.solver.statistics().solved == 10


async def test_a_deadline_kills_the_job_and_not_the_preparation(
    autojump_clock: MockClock, stand: Stand
) -> None:
    with trio.move_on_after(TAKES / 2) as deadline:
        await stand.job(b"script", "abc")
    assert deadline.cancelled_caught
    began = trio.current_time()
    assert (await stand.job(b"script", "abc")).n == {"abc": "cba"}
    assert trio.current_time() - began < TAKES
    assert stand.fetched == 1
    assert stand.fake.prepared == [ejs.SAMPLE, b"script"]


async def test_where_the_fetcher_leaves_another_fetches(
    autojump_clock: MockClock, stand: Stand, nursery: trio.Nursery
) -> None:
    left = trio.CancelScope()

    async def leaves() -> None:
        with left:
            await stand.job(b"script", "abc", takes=100)

    nursery.start_soon(leaves)
    await wait_all_tasks_blocked()
    left.deadline = trio.current_time() + 1
    began = trio.current_time()
    assert (await stand.job(b"script", "abc")).n
    assert stand.fetched == 2
    assert trio.current_time() - began < FETCH


async def test_where_the_fetcher_is_slow_one_other_fetches(
    autojump_clock: MockClock, stand: Stand, nursery: trio.Nursery
) -> None:
    async def slow() -> None:
        await stand.job(b"script", "abc", takes=100)

    nursery.start_soon(slow)
    await wait_all_tasks_blocked()
    async with trio.open_nursery() as jobs:
        for _ in range(5):
            jobs.start_soon(stand.job, b"script", "abc")
    assert stand.fetched == 2
    nursery.cancel_scope.cancel()


async def test_two_new_scripts_are_taken_apart_one_after_the_other(
    autojump_clock: MockClock, stand: Stand
) -> None:
    async with trio.open_nursery() as jobs:
        for number in range(3):
            jobs.start_soon(partial(stand.job, b"%d" % number, "abc", address=player(number)))
    assert stand.fake.most == 1
    assert len(stand.fake.living) == 3


async def test_the_least_recently_used_script_is_evicted(autojump_clock: MockClock, stand: Stand) -> None:
    for number in range(KEPT):
        await stand.job(b"%d" % number, "abc", address=player(number))
    await stand.job(b"0", "abc", address=player(0))
    await stand.job(b"new", "abc", address=player(99))
    await eventually(lambda: stand.reasons() == ["evicted"])
    assert sorted(engine.script for engine in stand.fake.living) == [b"0", b"2", b"new"]
    fetched = stand.fetched
    await stand.job(b"0", "abc", address=player(0))
    assert stand.fetched == fetched
    await stand.job(b"1", "abc", address=player(1))
    assert stand.fetched == fetched + 1


async def test_scripts_that_all_come_at_once_are_refused_beyond_the_places(
    autojump_clock: MockClock, stand: Stand
) -> None:
    solutions: list[Solution] = []

    async def job(number: int) -> None:
        solutions.append(await stand.job(b"%d" % number, "abc", address=player(number)))

    async with trio.open_nursery() as jobs:
        for number in range(KEPT + 2):
            jobs.start_soon(job, number)
    refused = [solution for solution in solutions if solution.problem]
    assert len(refused) == 2
    assert not any(solution.final for solution in refused)  # their workers may solve by themselves


async def test_one_script_at_two_addresses_is_one_script(autojump_clock: MockClock, stand: Stand) -> None:
    assert (await stand.job(b"script", "abc", address=player(1))).n
    assert (await stand.job(b"script", "abc", address=player(2))).n
    assert (await stand.job(b"script", "abc", address=player(2))).n
    assert stand.fetched == 2
    assert len(stand.solver.statistics().scripts) == 1


async def test_an_idle_script_ends(autojump_clock: MockClock, stand: Stand) -> None:
    await stand.job(b"script", "abc")
    await trio.sleep(IDLE + 1)
    assert stand.reasons() == ["idle"]
    assert stand.fake.living == []
    assert (await stand.job(b"script", "abc")).n  # a worker fetches it again


async def test_a_script_that_is_not_understood_is_tried_once(autojump_clock: MockClock, stand: Stand) -> None:
    async with trio.open_nursery() as jobs:
        for _ in range(5):
            jobs.start_soon(stand.job, b"gibberish", "abc")
    solution = await stand.job(b"gibberish", "abc")
    assert solution.final
    assert solution.problem == "the player script is not understood"
    assert stand.fake.prepared == [ejs.SAMPLE, b"gibberish"]
    assert [event.problem for event in stand.log if isinstance(event, events.ScriptRejected)] == [
        "SyntaxError"
    ]
    assert (await stand.job(b"script", "abc", address=player(1))).n  # other scripts are not affected


async def test_a_script_without_functions_is_not_understood(autojump_clock: MockClock, stand: Stand) -> None:
    solution = await stand.job(b"unknown", "abc")
    assert solution.final
    assert solution.problem == "the player script is not understood"


async def test_a_script_that_remembers_is_left_to_workers(autojump_clock: MockClock, stand: Stand) -> None:
    solution = await stand.job(b"forgetful", "abc")
    assert not solution.n
    assert not solution.final
    assert solution.problem == "the player script does not answer alike twice"


async def test_a_challenge_that_spoils_its_script_is_the_last_one(
    autojump_clock: MockClock, stand: Stand
) -> None:
    assert (await stand.job(b"script", "abc")).n
    solutions: list[Solution] = []

    async def job(challenge: str) -> None:
        solutions.append(await stand.job(b"script", challenge))

    async with trio.open_nursery() as jobs:
        for challenge in ("spoil", "abc", "def"):
            jobs.start_soon(job, challenge)
    assert all(solution.n in ({}, {"abc": "cba"}, {"def": "fed"}) for solution in solutions)
    assert {} in [solution.n for solution in solutions]
    await eventually(lambda: stand.fake.living == [])


async def test_a_page_in_the_place_of_a_script_does_not_spoil_its_address(
    autojump_clock: MockClock, stand: Stand
) -> None:
    assert (await stand.job(b"<html>gibberish", "abc")).problem
    assert (await stand.job(b"script", "abc")).n == {"abc": "cba"}


async def test_a_process_that_dies_is_replaced_and_every_question_is_answered(
    autojump_clock: MockClock, stand: Stand
) -> None:
    await stand.job(b"script", "abc")
    (engine,) = stand.fake.living
    engine.dead.set()
    await eventually(lambda: stand.reasons() == ["it ended"])
    solutions: list[Solution] = []

    async def job() -> None:
        solutions.append(await stand.job(b"script", "abc"))

    async with trio.open_nursery() as jobs:
        for _ in range(10):
            jobs.start_soon(job)
    assert [solution.n for solution in solutions] == [{"abc": "cba"}] * 10
    assert stand.fetched == 2


@pytest.mark.parametrize("poison", ["die", "hang", "lie"])
async def test_a_doubtful_process_ends_and_waiting_questions_are_answered(
    autojump_clock: MockClock, stand: Stand, poison: str
) -> None:
    script = b"script that hangs or lies"
    await stand.job(script, "abc")
    solutions: list[Solution] = []

    async def job(challenge: str) -> None:
        solutions.append(await stand.job(script, challenge))

    async with trio.open_nursery() as jobs:
        for _ in range(5):
            jobs.start_soon(job, "abc")
        jobs.start_soon(job, poison)
    assert len(solutions) == 6  # within the patience of the mock clock
    poisoned = [solution for solution in solutions if solution.problem]
    assert not any(solution.final for solution in poisoned)
    assert len(stand.reasons()) == 2
    # The second time the script is refused for a while: its jobs' workers solve by themselves.
    assert (await stand.job(script, "abc")).problem == "the player script's process fails"


async def test_a_process_that_hangs_is_waited_for_no_longer_than_said(
    autojump_clock: MockClock, stand: Stand
) -> None:
    await stand.job(b"hangs", "abc")
    began = trio.current_time()
    await stand.job(b"hangs", "hang")
    assert trio.current_time() - began < 2 * ANSWER + 2 * TAKES


async def test_a_script_that_ends_its_process_in_preparation_is_not_left_to_workers(
    autojump_clock: MockClock, stand: Stand
) -> None:
    solution = await stand.job(b"crashes", "abc")
    assert solution.final
    assert stand.fake.prepared == [ejs.SAMPLE, b"crashes", b"crashes"]


async def test_another_ejs_and_other_addresses_are_refused(autojump_clock: MockClock, stand: Stand) -> None:
    with stand.solver.visit() as ask:
        assert (await ask(Challenges(player(), "another", n=("abc",)), b"")).problem
        assert (await ask(Challenges("https://evil.example/base.js", EJS, n=("abc",)), b"script")).problem
    assert stand.fake.prepared == [ejs.SAMPLE]


async def test_a_solver_that_cannot_start_says_so_and_tries_again(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stand = Stand()
    stand.fake.broken = True
    nursery.start_soon(stand.solver.run)
    solution = await stand.job(b"script", "abc")
    assert "no memory" in solution.problem
    assert not solution.final
    assert stand.solver.statistics().state == "unavailable"
    stand.fake.broken = False
    await trio.sleep(CHECK_AGAIN + 1)
    assert (await stand.job(b"script", "abc")).n
    assert [type(event) for event in stand.log[:2]] == [events.SolverUnavailable, events.SolverReady]


async def test_an_ejs_that_is_not_what_it_was_is_not_used(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand()
    monkeypatch.setattr(ejs, "SAMPLE", b"lies")  # known challenges come out as something else
    monkeypatch.setattr(FakeEngine, "_answer", _nonsense)
    nursery.start_soon(stand.solver.run)
    assert (await stand.job(b"script", "abc")).problem == "a known challenge is solved wrongly"


async def _nonsense(self: FakeEngine, message: bytes) -> bytes:
    return b'{"n": ["abc"], "sig": ["gh"]}'
