"""Collaboration: when the updater looks, what it says and fetches, with a fake child and a mock clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from service import events
from service.config import Config
from service.releases.child import Report
from service.releases.store import ReleaseStore, StoreError
from service.releases.updater import FIRST, SOONEST, SPREAD, Updater

INTERVAL = 3600.0
NEWER, NEWEST = "2030.1.1", "2030.1.2"


class Child:
    """Answers each look with `newest`, and each fetch with success, or with `problem`."""

    def __init__(self) -> None:
        self.newest: Report = Report(NEWER)
        self.outcome: Report | None = None
        self.looks: list[float] = []
        self.fetches: list[tuple[str, ...]] = []

    async def __call__(self, root: Path | None, arguments: Sequence[str]) -> Report:
        await trio.sleep(1)
        if arguments[0] == "--check":
            self.looks.append(trio.current_time())
            return self.newest
        self.fetches.append(tuple(arguments))
        return self.outcome or Report(arguments[0])


class Updating:
    """An updater, its child, and the events that it has emitted."""

    def __init__(self, root: Path | None, **settings: Any) -> None:
        self.child, self.bus, self.seen = Child(), events.Events(), list[events.Event]()
        self.bus.subscribe(self.seen.append)
        config = Config.load(ytdlp_update_interval=int(INTERVAL), ytdlp_dir=root, **settings)
        self.store = ReleaseStore(root)
        self.updater = Updater(config, self.store, self.bus, child=self.child, draw=lambda: 0.5)
        self.bus.subscribe(self.updater.on_event)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.updater.run)
            yield
            nursery.cancel_scope.cancel()

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.seen]


async def test_notify_says_once_that_there_is_a_newer_one_and_fetches_nothing(
    autojump_clock: MockClock,
) -> None:
    it = Updating(None)
    async with it.run():
        await trio.sleep(FIRST[1])
        assert it.updater.statistics().available == NEWER
        await trio.sleep(3 * INTERVAL)
        installed = it.store.installed().version
        assert it.seen == [events.ReleaseAvailable(NEWER, installed, f"ytdlpd releases fetch {NEWER}")]
        it.child.newest = Report(NEWEST)
        await trio.sleep(2 * INTERVAL)
    assert it.kinds() == ["ReleaseAvailable", "ReleaseAvailable"]
    assert it.child.fetches == []
    first, second = it.child.looks[:2]
    assert FIRST[0] <= first <= FIRST[1] + 1
    assert INTERVAL * (1 - SPREAD) <= second - first <= INTERVAL * (1 + SPREAD) + 1


@pytest.mark.parametrize("mode", ["stable", "nightly"])
async def test_it_fetches_by_itself_where_it_may(
    autojump_clock: MockClock, tmp_path: Path, mode: str
) -> None:
    it = Updating(tmp_path, ytdlp_update=mode)
    async with it.run():
        await trio.sleep(FIRST[1] + 10)
    assert it.child.fetches == [(NEWER,)]
    assert it.kinds() == ["ReleaseAvailable", "ReleaseFetched"]
    assert it.updater.statistics().available is None


async def test_a_refused_release_is_not_fetched_again_but_the_next_one_is(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    it = Updating(tmp_path, ytdlp_update="stable")
    it.child.outcome = Report(NEWER, "it hangs")
    async with it.run():
        await trio.sleep(FIRST[1] + 5 * INTERVAL)
        assert it.child.fetches == [(NEWER,)]
        assert events.ReleaseRefused(NEWER, "it hangs") in it.seen
        it.child.newest, it.child.outcome = Report(NEWEST), None
        await trio.sleep(2 * INTERVAL)
    assert it.child.fetches[1] == (NEWEST,)
    assert it.seen[-1] == events.ReleaseFetched(NEWEST)


async def test_what_is_barred_or_pinned_is_left_alone(autojump_clock: MockClock, tmp_path: Path) -> None:
    it = Updating(tmp_path, ytdlp_update="stable")
    it.store.bar(NEWER, "it was worse")
    async with it.run():
        await trio.sleep(FIRST[1] + 10)
        assert it.seen == []
        it.store.pin(it.store.installed().version)
        it.child.newest = Report(NEWEST)
        await trio.sleep(2 * INTERVAL)
    assert it.kinds() == ["ReleaseAvailable"]
    assert it.child.fetches == []


async def test_where_no_index_answers_it_says_so_once_and_goes_on_looking(autojump_clock: MockClock) -> None:
    it = Updating(None)
    it.child.newest = Report(None, "no route to host")
    async with it.run():
        await trio.sleep(FIRST[1] + 5 * INTERVAL)
        assert it.kinds() == ["UpdateFailed"]
        assert "no route to host" in it.updater.statistics().problem
        it.child.newest = Report(NEWER)
        await trio.sleep(2 * INTERVAL)
    assert it.kinds() == ["UpdateFailed", "ReleaseAvailable"]
    assert it.updater.statistics().problem == ""


async def test_where_the_folder_takes_nothing_it_says_so_once(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    it = Updating(tmp_path, ytdlp_update="stable")
    it.child.outcome = Report(None, "it cannot be written to")
    async with it.run():
        await trio.sleep(FIRST[1] + 5 * INTERVAL)
    assert len(it.child.fetches) > 3
    assert it.kinds() == ["ReleaseAvailable", "UpdateFailed"]


async def test_an_extractor_that_breaks_suddenly_makes_it_look_at_once(autojump_clock: MockClock) -> None:
    it = Updating(None)
    async with it.run():
        await trio.sleep(FIRST[1] + SOONEST + 10)
        before = len(it.child.looks)
        for _ in range(50):
            it.bus.emit(events.ExtractorBroken("site.test", "Site"))
            await trio.sleep(1)
        assert len(it.child.looks) == before + 1


async def test_an_admin_may_fetch_also_where_updates_are_off(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    it = Updating(tmp_path, ytdlp_update="off")
    async with it.run():
        await trio.sleep(10 * INTERVAL)
        assert it.child.looks == []
        it.updater.fetch("2030.01.01", "0" * 64)
        with pytest.raises(StoreError, match="is being fetched"):
            it.updater.fetch("latest")
        await trio.sleep(0.5)
        assert it.updater.statistics().fetching == NEWER
        await trio.sleep(10)
    assert it.child.fetches == [(NEWER, "--hash", "0" * 64)]
    assert it.seen == [events.ReleaseFetched(NEWER)]
    with pytest.raises(StoreError, match="not a version"):
        it.updater.fetch("--index=https://evil.example")
    with pytest.raises(StoreError, match="set YTDLP_DIR"):
        Updating(None).updater.fetch("latest")
