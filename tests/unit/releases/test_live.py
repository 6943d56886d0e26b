"""Collaboration: what a running service does with what is in the store. A real store, fakes, mock clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from service import events
from service.config import Config
from service.dispatch.request import Answer
from service.errors import QueueFull
from service.pool.pool import Pool
from service.pool.template import StartError, Template
from service.releases.judge import Contents
from service.releases.live import BOOT_FAILURES, ROOM, LiveRollout
from service.releases.release import Release
from service.releases.store import MANIFEST, ReleaseStore, StoreError, digests, write
from service.releases.trial import Comparison, Trial
from service.template_wire import Warm
from service.wire import Job, Kind
from tests.unit.pool.test_pool import FakeTemplate

OLD, NEW, NEWER = "2027.1.1", "2027.1.2", "2027.1.3"
JOB = Job(Kind.EXTRACT, "https://a.test/")
BODY = b'{"duration": 10, "formats": [{"height": 720}]}'


class LiveTemplate(FakeTemplate):
    """A template without a process; it lives until it is ended, or `dies`."""

    def __init__(self, version: str, problem: str = "") -> None:
        super().__init__()
        self.version = version
        self.warm = Warm(version, None, lost=("urljoin",) if version == NEW else ())
        self.ended = False
        self._problem = problem
        self._death = trio.Event()

    def pids(self) -> frozenset[int]:
        return frozenset({1})

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        if self._problem:
            raise StartError(self._problem)
        task_status.started()
        try:
            await self._death.wait()
        finally:
            self.alive, self.ended = False, True

    def die(self) -> None:
        self._death.set()


class Stand:
    """A rollout over a real store in `root` and a pool without workers; notes what it tells the rest."""

    def __init__(self, root: Path | None, room: int | None = None, **settings: Any) -> None:
        self.store = ReleaseStore(root)
        self.log: list[events.Event] = []
        self.purged: list[str] = []
        self.reruns: list[bool] = []
        self.templates: dict[str, LiveTemplate] = {}
        self.problems: dict[str, str] = {}
        self.room = room
        self.refuses = False
        self.barred: list[tuple[str, str]] = []  # as other instances are told
        bus = events.Events()
        bus.subscribe(self.log.append)
        config = Config.load(**{"ytdlp_canary_ms": 60_000, "ytdlp_canary_samples": 40, **settings})
        serving = self.store.choose()
        self.pool = Pool(config, self.make(serving), bus)
        self.trial = Trial(sampled=0.0)
        self.rollout = LiveRollout(
            config,
            self.store,
            bus,
            self.pool,
            self,
            self.trial,
            serving=serving,
            make=self.make,
            room=lambda: self.room,
            draw=lambda: 0.5,
            bar=lambda version, reason: self.barred.append((version, reason)),
        )

    def make(self, release: Release) -> Template:
        made = LiveTemplate(release.version, self.problems.get(release.version, ""))
        self.templates[release.version] = made
        return cast(Template, made)

    def purge(self, ytdlp: str) -> int:
        self.purged.append(ytdlp)
        return 0

    async def rerun(self, job: Job, *, canary: bool) -> Answer:
        await trio.lowlevel.checkpoint()
        self.reruns.append(canary)
        if self.refuses:
            raise QueueFull(1, 1.0)
        return Answer(BODY, "A", ytdlp=NEW if canary else OLD)

    def told(self) -> list[tuple[str, str]]:
        """The events of releases, and their versions."""
        return [
            (type(event).__name__, event.version)
            for event in self.log
            if isinstance(event, events.CanaryBegan | events.ReleasePromoted | events.ReleaseRolledBack)
        ]

    async def until(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(600):
            while not condition():  # noqa: ASYNC110 - the rollout looks at a clock as well
                await trio.sleep(0.5)


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[Stand]:
    async with trio.open_nursery() as nursery:
        await nursery.start(stand.rollout.run)
        yield stand
        nursery.cancel_scope.cancel()


def put(root: Path, version: str) -> None:
    """A folder that looks like a release."""
    folder = root / version
    folder.mkdir()
    (folder / "yt_dlp.py").write_text(version)
    write(
        folder / MANIFEST,
        {"version": version, "source": "test", "fetched": 0.0, "ejs": None, "files": digests(folder)},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store in which OLD serves."""
    put(tmp_path, OLD)
    ReleaseStore(tmp_path).activate(OLD)
    return tmp_path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Jumps. It would not wait for threads, so what the store does in one is done at once."""

    async def run_sync(call: Callable[..., object], *arguments: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
    return MockClock(autojump_threshold=0)


async def test_a_newer_release_is_tried_and_with_little_traffic_promoted_by_time(
    root: Path, clock: MockClock
) -> None:
    async with running(Stand(root)) as stand:
        put(root, NEW)
        await stand.until(lambda: stand.trial.canary)
        assert stand.rollout.status().canary == NEW
        assert stand.rollout.status().verdict.startswith(f"{NEW} on ")
        await stand.until(lambda: stand.store.state().active == NEW)
        await stand.until(lambda: stand.templates[OLD].ended)
        assert stand.told() == [("CanaryBegan", NEW), ("ReleasePromoted", NEW)]
        assert stand.rollout.status().serving == NEW
        assert "little traffic" in stand.rollout.status().verdict
        assert [event for event in stand.log if isinstance(event, events.PatchesInactive)] == [
            events.PatchesInactive(NEW, ("urljoin",))
        ]
        assert stand.store.state().last_good == OLD


async def test_a_worse_release_is_barred_and_its_results_purged(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root)) as stand:
        await stand.until(lambda: stand.trial.canary)
        for _ in range(21):
            stand.trial.differed("a.test", failed=NEW, answered=OLD)
        await stand.until(lambda: stand.templates[NEW].ended)
        assert stand.told() == [("CanaryBegan", NEW), ("ReleaseRolledBack", NEW)]
        assert stand.purged == [NEW]
        assert "21 against" in stand.store.state().barred[NEW]
        assert stand.barred == [*stand.store.state().barred.items()]
        await trio.sleep(30)
        assert stand.rollout.status().canary is None  # it is not tried again
        stand.store.unbar(NEW)
        stand.rollout.begin(NEW)
        await stand.until(lambda: stand.rollout.status().canary == NEW)


@pytest.mark.parametrize("trouble", ["start", "death", "boot"])
async def test_a_release_that_cannot_run_is_rolled_back(trouble: str, root: Path, clock: MockClock) -> None:
    put(root, NEW)
    stand = Stand(root)
    if trouble == "start":
        stand.problems[NEW] = "No module named yt_dlp"
    async with running(stand):
        if trouble != "start":
            await stand.until(lambda: stand.trial.canary)
        if trouble == "death":
            stand.templates[NEW].die()
        for _ in range(BOOT_FAILURES if trouble == "boot" else 0):
            stand.rollout._events.emit(events.CanaryBootFailed(NEW, "fork: no"))
        await stand.until(lambda: NEW in stand.store.state().barred)
        assert stand.told()[-1] == ("ReleaseRolledBack", NEW)
        assert stand.pool.templates.canary is None
        assert stand.rollout.status().serving == OLD
        assert stand.barred == []  # it may be this machine


async def test_without_room_for_a_second_template_there_is_no_canary_and_it_says_so_once(
    root: Path, clock: MockClock
) -> None:
    put(root, NEW)
    async with running(Stand(root, room=ROOM - 1)) as stand:
        await stand.until(lambda: "no room" in stand.rollout.status().verdict)
        await trio.sleep(30)
        assert len([event for event in stand.log if isinstance(event, events.CanaryRefused)]) == 1
        stand.room = ROOM
        await stand.until(lambda: stand.trial.canary)


async def test_a_release_that_was_tampered_with_is_not_tried(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    (root / NEW / "yt_dlp.py").write_text("changed")
    async with running(Stand(root)) as stand:
        await stand.until(lambda: "tampered" in stand.rollout.status().verdict)
        assert NEW not in stand.templates


async def test_an_admin_promotes_and_goes_back(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root)) as stand:
        with pytest.raises(StoreError, match="no release is being tried"):
            stand.rollout.promote()
        await stand.until(lambda: stand.trial.canary)
        stand.rollout.promote()
        await stand.until(lambda: stand.rollout.status().serving == NEW)
        await stand.until(lambda: stand.templates[OLD].ended)
        stand.rollout.rollback("it is slow")
        await stand.until(lambda: stand.rollout.status().serving == OLD)
        assert stand.store.state().barred == {NEW: "it is slow"}
        assert stand.purged == [NEW]
        assert stand.barred == [(NEW, "it is slow")]


async def test_a_release_that_another_instance_bars_is_taken_back(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root)) as stand:
        await stand.until(lambda: stand.trial.canary)
        stand.store.bar(NEW, "it is worse elsewhere")
        await stand.until(lambda: stand.templates[NEW].ended)
        assert stand.told()[-1] == ("ReleaseRolledBack", NEW)
        assert stand.purged == [NEW]
        assert stand.barred == []  # it is not sent in circles
        assert stand.store.state().barred == {NEW: "it is worse elsewhere"}


async def test_one_that_serves_and_is_barred_elsewhere_makes_room_for_the_one_before(
    root: Path, clock: MockClock
) -> None:
    put(root, NEW)
    async with running(Stand(root)) as stand:
        await stand.until(lambda: stand.trial.canary)
        stand.rollout.promote()
        await stand.until(lambda: stand.rollout.status().serving == NEW)
        stand.store.bar(NEW, "it is worse elsewhere")
        await stand.until(lambda: stand.rollout.status().serving == OLD)
        (*_, last) = (event for event in stand.log if isinstance(event, events.ReleasePromoted))
        assert (last.version, last.reason) == (OLD, f"{NEW} is barred: it is worse elsewhere")
        assert stand.purged == [NEW]


async def test_a_trial_ends_where_another_release_is_pinned(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root)) as stand:
        await stand.until(lambda: stand.trial.canary)
        stand.store.pin(OLD)
        await stand.until(lambda: stand.templates[NEW].ended)
        await trio.sleep(30)
        assert stand.rollout.status().canary is None
        assert stand.told() == [("CanaryBegan", NEW)]
        assert stand.store.state().barred == {}


async def test_a_canary_is_taken_back_by_an_admin(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root)) as stand:
        await stand.until(lambda: stand.trial.canary)
        stand.rollout.rollback("not today")
        await stand.until(lambda: stand.store.state().barred.get(NEW) == "not today")
        with pytest.raises(StoreError, match="barred: not today"):
            stand.rollout.begin(NEW)


async def test_a_pin_is_followed_without_a_trial(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root, ytdlp_canary_ms=1_000_000)) as stand:
        await stand.until(lambda: stand.trial.canary)
        stand.rollout.promote()
        await stand.until(lambda: stand.rollout.status().serving == NEW)
        stand.store.pin(OLD)
        await stand.until(lambda: stand.rollout.status().serving == OLD)
        assert NEW not in stand.store.state().barred


async def test_another_release_takes_the_place_of_the_one_that_is_tried(root: Path, clock: MockClock) -> None:
    put(root, NEW)
    async with running(Stand(root, ytdlp_canary_ms=1_000_000)) as stand:
        await stand.until(lambda: stand.rollout.status().canary == NEW)
        put(root, NEWER)
        stand.rollout.begin(NEWER)
        await stand.until(lambda: stand.rollout.status().canary == NEWER)
        assert not stand.store.state().barred


async def test_the_installed_release_serves_where_the_active_one_cannot_start(
    root: Path, clock: MockClock
) -> None:
    stand = Stand(root)
    stand.pool.templates.main = cast(Template, LiveTemplate(OLD, "No module named yt_dlp"))
    async with running(stand):
        installed = stand.store.installed().version
        assert stand.rollout.status().serving == installed
        assert stand.store.state().barred == {OLD: "No module named yt_dlp"}


async def test_where_the_installed_one_cannot_start_there_is_no_service(clock: MockClock) -> None:
    stand = Stand(None)
    stand.pool.templates.main = cast(Template, LiveTemplate("installed", "No module named yt_dlp"))
    with pytest.RaisesGroup(StartError, flatten_subgroups=True):
        async with running(stand):
            pass
    with pytest.raises(StoreError, match="came with the installation"):
        stand.rollout.rollback("why")


@pytest.mark.parametrize("refuses", [False, True])
async def test_successes_are_compared_with_the_other_release(
    refuses: bool, root: Path, clock: MockClock
) -> None:
    put(root, NEW)
    stand = Stand(root)
    stand.refuses = refuses
    async with running(stand):
        await stand.until(lambda: stand.trial.canary)
        canary = stand.trial.canary
        assert canary is not None
        more = Contents("A", 10, 2, frozenset({720}))
        await stand.trial._send.send(Comparison(JOB, OLD, more))
        await stand.trial._send.send(Comparison(JOB, "2026.1.1", more))  # of neither release
        await stand.trial._send.send(Comparison(JOB, NEW, more))
        await stand.until(lambda: stand.reruns == [True, False])
        found = canary.judge.contents
        expected = (0, 0) if refuses else (1, 1)
        await stand.until(lambda: (found.against, found.in_favour) == expected)
