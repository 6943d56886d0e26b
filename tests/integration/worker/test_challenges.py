"""A worker's challenges: its questions, its use of the answers, and its report of unsolved ones.

Contract: a real worker and yt-dlp against the small internet; the test is the solver.
"""

from __future__ import annotations

import json
from typing import Any

import psutil

from service.codes import Code
from service.solver import ejs
from service.template_wire import WorkerSettings
from service.wire import Challenges, Failure, Job, Kind, Outcome, Solution, Success, Usage
from service.worker import challenges, runner
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker

VIDEO = "https://www.youtube.com/watch?v=challenge__"
UNSOLVABLE = Solution(problem="the player script is not understood", final=True)


class Asked:
    """Gives the solutions in turn, the last one again and again; remembers what it was asked."""

    def __init__(self, *solutions: Solution) -> None:
        self._solutions = list(solutions)
        self.questions: list[tuple[Challenges, bytes]] = []

    def __call__(self, asked: Challenges, script: bytes) -> Solution:
        self.questions.append((asked, script))
        solution = self._solutions.pop(0) if len(self._solutions) > 1 else self._solutions[0]
        if solution.problem or solution.fetch:
            return solution
        return Solution({each: each[::-1] for each in asked.n}, {each: each[::-1] for each in asked.sig})


SOLVES = Solution()


def run(internet: Internet, solver: Asked, kind: Kind = Kind.EXTRACT) -> Outcome:
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file), solver=True)
    with LoneWorker.spawn(settings, solve=solver) as worker:
        return worker.run(Job(kind, VIDEO), timeout=60)


def body(outcome: Outcome) -> Any:
    assert isinstance(outcome, Success), outcome
    return json.loads(outcome.body)


def scripts(internet: Internet) -> int:
    return internet.counters().of("www.youtube.com", "script")


def test_the_solvers_answers_are_taken_and_no_script_is_fetched(internet: Internet) -> None:
    before, solver = scripts(internet), Asked(SOLVES)
    outcome = run(internet, solver)
    assert body(outcome)["formats"]
    assert "partial" not in body(outcome)
    assert scripts(internet) == before
    ((asked, script),) = solver.questions
    assert asked.player.startswith("https://www.youtube.com/s/player/")
    assert asked.ejs == ejs.load().name
    assert script == b""
    for n in asked.n:
        assert any(f"n={n[::-1]}" in each["url"] for each in body(outcome)["formats"])


def test_a_worker_fetches_the_script_when_it_is_sent(internet: Internet) -> None:
    before, solver = scripts(internet), Asked(Solution(fetch=True), SOLVES)
    assert body(run(internet, solver))["formats"]
    assert scripts(internet) == before + 1
    assert solver.questions[0][1] == b""
    assert b"_yt_player" in solver.questions[1][1]


def test_where_the_solver_does_not_the_worker_solves(internet: Internet) -> None:
    refused = body(run(internet, Asked(Solution(problem="there is no solver"))))
    alone = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))
    with LoneWorker.spawn(alone) as worker:
        by_itself = body(worker.run(Job(Kind.EXTRACT, VIDEO), timeout=60))
    assert [each["url"] for each in refused["formats"]] == [each["url"] for each in by_itself["formats"]]
    assert "partial" not in refused


def test_formats_that_are_all_lost_are_no_fault_of_the_videos(internet: Internet) -> None:
    before = scripts(internet)
    outcome = run(internet, Asked(UNSOLVABLE))
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.EXTRACTOR_BROKEN
    assert outcome.unsolved == UNSOLVABLE.problem
    assert scripts(internet) == before  # it does not try again


def test_a_runtime_that_gets_no_memory_is_told(internet: Internet) -> None:
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))
    with LoneWorker.spawn(settings) as worker:
        process = psutil.Process(worker.process.pid)
        bound = process.memory_info().data + (256 << 20)
        process.rlimit(psutil.RLIMIT_DATA, (bound, bound))
        outcome = worker.run(Job(Kind.EXTRACT, VIDEO), timeout=60)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.unsolved) == (Code.EXTRACTOR_BROKEN, "the runtime failed")


def test_answers_that_are_none_are_told(internet: Internet) -> None:
    class Echo(Asked):
        def __call__(self, asked: Challenges, script: bytes) -> Solution:
            return Solution({each: each for each in asked.n}, {each: each for each in asked.sig})

    outcome = run(internet, Echo())
    assert isinstance(outcome, Failure)
    assert outcome.code is Code.EXTRACTOR_BROKEN
    assert outcome.unsolved == "an answer of the wrong shape"


def test_a_result_without_some_formats_says_so_and_is_not_kept() -> None:
    job, info = (
        Job(Kind.EXTRACT, VIDEO),
        {"id": "a", "formats": [{"url": "https://a.example/?expire=9999999999"}]},
    )
    whole, partial = (runner._published(job, info, 1 << 20, Usage, unsolved) for unsolved in ("", "why"))
    assert "partial" not in body(whole)
    assert body(partial) == {**body(whole), "partial": True}
    assert isinstance(partial, Success)
    assert partial.unsolved == "why"
    assert partial.lifetime == 0


def test_the_installed_ejs_is_the_one_that_yt_dlp_takes() -> None:
    assert challenges.ejs_name() == ejs.load().name
