"""The worker's cache of player scripts: bounds (pure), use (contract: a real worker and yt-dlp)."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from service.template_wire import WorkerSettings
from service.wire import Job, Kind, Success
from service.worker.player_cache import PlayerCache
from tests.internet import Internet
from tests.support.lone_worker import LoneWorker

SOLVER = "challenge-solver"


def test_what_is_kept() -> None:
    players = PlayerCache()
    players.store(SOLVER, "player:a", "taken apart")
    players.store("youtube-sigfuncs", "a-108", [1, 0])
    players.store("youtube-sts", "a", 20000)
    assert players.load(SOLVER, "player:a") == "taken apart"
    assert players.load("youtube-sigfuncs", "a-108", min_ver="2025.07.21") == [1, 0]
    assert players.load("youtube-sts", "a", default="nothing") == "nothing"
    players.remove()
    assert players.load(SOLVER, "player:a") is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 60), st.booleans()), max_size=30))
def test_the_bound_holds_and_the_last_one_used_stays(steps: list[tuple[str, int, bool]]) -> None:
    players = PlayerCache(max_bytes=50)
    model: dict[str, str] = {}  # in the order of use
    for key, size, storing in steps:
        if storing:
            data = "x" * size
            players.store(SOLVER, key, data)
            if size + 1 <= 50:
                model.pop(key, None)
                model[key] = data
                while sum(len(name) + len(kept) for name, kept in model.items()) > 50:
                    del model[next(iter(model))]
        else:
            assert players.load(SOLVER, key) == model.get(key)
            if key in model:
                model[key] = model.pop(key)


def test_the_next_video_with_the_same_player_does_not_fetch_it_again(internet: Internet) -> None:
    settings = WorkerSettings(proxy=internet.proxy, ca_file=str(internet.ca_file))
    job = Job(Kind.EXTRACT, "https://www.youtube.com/watch?v=challenge__")

    def extract(worker: LoneWorker) -> tuple[list[str], int]:
        """The solved URLs, and how often the script was fetched for them."""
        before = internet.counters().of("www.youtube.com", "script")
        outcome = worker.run(job)
        assert isinstance(outcome, Success)
        urls = [found["url"] for found in json.loads(outcome.body)["formats"]]
        return urls, internet.counters().of("www.youtube.com", "script") - before

    with LoneWorker.spawn(settings) as worker:
        (first, fetched), (second, again) = extract(worker), extract(worker)
    assert (fetched, again) == (1, 0)
    assert first == second
    with LoneWorker.spawn(settings) as another:
        assert extract(another)[1] == 1, "what one process remembers, another does not"
