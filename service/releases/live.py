"""The rollout of releases in a running service: tries what is new in the store, promotes it or takes it back.

    new template warm → a growing share of the jobs → promoted: the old one's workers and template end
                                                    → rolled back: the new one's do, and it is barred

A service that is killed at any step comes up on the last good release: the store names a new one only when
it is promoted.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

import structlog
import trio

from .. import events
from ..config import Config
from ..dispatch.request import Answer
from ..errors import ServiceError
from ..pool.pool import Pool
from ..pool.resources import memory_room
from ..pool.template import StartError, Template
from ..wire import Job, Success
from .judge import Evidence, Ruling
from .release import Release, RolloutStatus
from .rollout import Canary
from .store import ReleaseStore, StoreError
from .trial import Trial, contents_of

POLL = 10.0  # seconds between two looks at the store
CHECK = 1.0  # seconds between two looks at the verdict
ROOM = 128 << 20  # bytes for a second template (70 MB) and what its workers do not share with others
BOOT_FAILURES = 3  # of the canary's workers, after which it is taken back

log = structlog.get_logger(__name__)


class Jobs(Protocol):
    """What a rollout needs of the dispatcher."""

    def purge(self, ytdlp: str) -> int: ...

    async def rerun(self, job: Job, *, canary: bool) -> Answer: ...


class LiveRollout:
    """Decides which release serves; see the module. Implements `Rollout`.

    Args:
        make: the template of a release.
        room: bytes of memory that are left, or None where that cannot be told.
        bar: told of each release, and why, that an admin or its results at sites have taken back. What this
            machine may be the reason of is not told.
    """

    def __init__(
        self,
        config: Config,
        store: ReleaseStore,
        bus: events.Events,
        pool: Pool,
        jobs: Jobs,
        trial: Trial,
        *,
        serving: Release,
        make: Callable[[Release], Template],
        room: Callable[[], int | None] = memory_room,
        draw: Callable[[], float] = random.random,
        bar: Callable[[str, str], None] = lambda version, reason: None,
    ) -> None:
        self._tell_others = bar
        self._store = store
        self._events = bus
        self._pool = pool
        self._jobs = jobs
        self._trial = trial
        self._make = make
        self._room = room
        self._draw = draw
        self._evidence = Evidence(config.ytdlp_canary_samples, config.ytdlp_canary_ms / 1000)
        self._serving = serving
        self._trying: Release | None = None
        self._scopes: dict[Template, trio.CancelScope] = {}  # of each template that runs
        self._refused: dict[str, bool] = {}  # versions that are not tried; False: not yet. As many as folders
        self._activated = store.state().active
        self._begin: str | None = None  # what an admin asks for
        self._ruling: tuple[Ruling, str] | None = None
        self._boot_failures = 0
        self._said = ""
        self._woken = trio.Event()
        bus.subscribe(self._on_event)

    # For admins.

    def begin(self, version: str) -> None:
        """Try `version` on a growing share of jobs. Raises StoreError where it is not here, or barred."""
        release = self._store.get(version)
        if reason := self._store.state().barred.get(release.version):
            raise StoreError(f"release {release.version} is barred: {reason}")
        self._refused.pop(release.version, None)
        self._begin = release.version
        self._woken.set()

    def promote(self) -> None:
        """Let the release that is being tried serve all jobs. Raises StoreError where none is tried."""
        if self._trying is None:
            raise StoreError("no release is being tried")
        self._rule(Ruling.PROMOTE, "by an admin")

    def rollback(self, reason: str) -> None:
        """Take back the release that is tried, or the one in service. Raises StoreError."""
        if self._trying is None and self._serving.path is None:
            raise StoreError("the release in service came with the installation; there is none to go back to")
        self._rule(Ruling.ROLL_BACK, reason)

    def status(self) -> RolloutStatus:
        """What serves at present."""
        canary = self._trial.canary
        if canary is None:
            return RolloutStatus(self._serving.version, verdict=self._said)
        now = canary.statistics(trio.current_time())
        return RolloutStatus(self._serving.version, canary.new, canary.share, now.sentence)

    def pids(self) -> frozenset[int]:
        """Template processes, which their own tasks wait for."""
        return frozenset(pid for template in self._scopes for pid in template.pids())

    # The task.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the templates running; started when the first one is warm.

        Raises:
            StartError: not even the installed release can be warmed.
        """
        async with trio.open_nursery() as nursery:
            await self._start(nursery)
            task_status.started()
            nursery.start_soon(self._compare)
            while True:
                with trio.move_on_after(POLL if self._trying is None else CHECK):
                    await self._woken.wait()
                self._woken = trio.Event()
                try:
                    await (self._look(nursery) if self._trying is None else self._judge(nursery))
                except StoreError as error:
                    self._said = str(error)
                    log.warning("release_store_failed", problem=str(error))

    async def _start(self, nursery: trio.Nursery) -> None:
        """Warm the first template; where a fetched release cannot be, the installed one."""
        try:
            await nursery.start(self._host, self._pool.templates.main)
        except StartError as error:
            if self._serving.path is None:
                raise
            bad, self._serving = self._serving, self._store.installed()
            await self._bar(bad, str(error))
            self._pool.templates.main = self._make(self._serving)
            await nursery.start(self._host, self._pool.templates.main)

    async def _look(self, nursery: trio.Nursery) -> None:
        """Look into the store for what is to be tried, or to be used at once."""
        if self._ruling is not None:  # to go back from a release that was promoted
            (_, reason), self._ruling = self._ruling, None
            await self._bar(self._serving, reason, everywhere=True)
        state = await trio.to_thread.run_sync(self._store.state)
        serving = self._serving.version
        if serving in state.barred or (state.pinned is not None and state.pinned != serving):
            why = state.barred.get(serving)
            reason = "by an admin" if why is None else f"{serving} is barred: {why}"
            await self._switch(nursery, await trio.to_thread.run_sync(self._store.choose), reason)
            return
        begin, self._begin = self._begin, None
        if begin is None and state.active != self._activated and state.active not in (None, serving):
            begin = state.active
        self._activated = state.active
        release = (
            self._store.get(begin)
            if begin is not None
            else await trio.to_thread.run_sync(self._store.candidate, serving)
        )
        if release is not None and release.version != serving:
            await self._try(nursery, release)

    async def _try(self, nursery: trio.Nursery, release: Release) -> None:
        """Warm the template of `release` and give it its first share of the jobs."""
        room = self._room()
        if room is not None and room < ROOM:
            problem = f"there is no room for a second template: {room >> 20} MB are left"
            self._refuse(release, problem, final=False)
            return
        if (template := await self._warm(nursery, release)) is None:
            return
        old, now = self._pool.templates.main, trio.current_time()
        self._trying, self._boot_failures, self._ruling = release, 0, None
        self._pool.templates.canary = template
        self._trial.canary = Canary(
            old.version, template.version, now, evidence=self._evidence, draw=self._draw
        )
        self._events.emit(events.CanaryBegan(release.version, self._serving.version))
        self._tell_patches(template, old)

    async def _warm(self, nursery: trio.Nursery, release: Release) -> Template | None:
        """The warm template of `release`; None where it is not to be used."""
        if self._refused.get(release.version):
            return None
        try:
            await trio.to_thread.run_sync(self._store.verify, release)
        except StoreError as error:
            self._refuse(release, str(error), final=True)
            return None
        template = self._make(release)
        template.optional = True
        try:
            await nursery.start(self._host, template)
        except StartError as error:
            await self._bar(release, str(error))
            return None
        return template

    async def _judge(self, nursery: trio.Nursery) -> None:
        """Promote the release that is tried, take it back, or go on trying."""
        assert self._trying is not None
        canary, template = self._trial.canary, self._pool.templates.canary
        assert canary is not None
        assert template is not None
        state = await trio.to_thread.run_sync(self._store.state)
        verdict = canary.verdict(trio.current_time())
        ruling, reason = self._ruling or (verdict.ruling, verdict.reason)
        everywhere = True
        if barred := state.barred.get(self._trying.version):  # by an admin, or for what it did elsewhere
            ruling, reason, everywhere = Ruling.ROLL_BACK, barred, False
        elif not template.alive:
            ruling, reason, everywhere = Ruling.ROLL_BACK, "its template process has ended", False
        elif self._boot_failures >= BOOT_FAILURES:
            reason = f"{self._boot_failures} of its workers did not start"
            ruling, everywhere = Ruling.ROLL_BACK, False
        if ruling is Ruling.PROMOTE:
            await self._promote(nursery, reason)
        elif ruling is Ruling.ROLL_BACK:
            await self._take_back(nursery, reason, everywhere=everywhere)
        elif {self._begin, state.pinned} - {None, self._trying.version}:
            self._withdraw(nursery)  # an admin wants another one

    async def _promote(self, nursery: trio.Nursery, reason: str) -> None:
        assert self._trying is not None
        try:
            await trio.to_thread.run_sync(self._store.activate, self._trying.version)
        except StoreError as error:  # a read-only folder; after a restart it is tried again
            log.warning("release_store_failed", problem=str(error))
        self._activated = self._trying.version
        old, self._serving = self._serving, self._trying
        self._trying, self._ruling, self._trial.canary = None, None, None
        leaving = self._pool.templates.promote()
        self._said = f"{self._serving.version} was promoted: {reason}"
        self._events.emit(events.ReleasePromoted(self._serving.version, old.version, reason))
        nursery.start_soon(self._end, leaving)

    async def _take_back(self, nursery: trio.Nursery, reason: str, *, everywhere: bool) -> None:
        assert self._trying is not None
        bad = self._trying
        self._withdraw(nursery)
        self._jobs.purge(bad.version)
        await self._bar(bad, reason, everywhere=everywhere)

    def _withdraw(self, nursery: trio.Nursery) -> None:
        """Give the release that is tried no more jobs."""
        self._trying, self._ruling, self._trial.canary = None, None, None
        nursery.start_soon(self._end, self._pool.templates.withdraw())
        self._woken.set()

    async def _switch(self, nursery: trio.Nursery, release: Release, reason: str) -> None:
        """Use `release` without a trial: it is pinned, or the one in service is barred."""
        if release.version == self._serving.version:
            return
        if (template := await self._warm(nursery, release)) is None:
            return
        old, self._serving = self._serving, release
        self._pool.templates.canary = template
        leaving = self._pool.templates.promote()
        self._pool.templates.leaving = None
        self._jobs.purge(old.version)
        self._said = f"{release.version} is in the place of {old.version}"
        self._events.emit(events.ReleasePromoted(release.version, old.version, reason))
        nursery.start_soon(self._end, leaving)

    async def _bar(self, release: Release, reason: str, *, everywhere: bool = False) -> None:
        """Never use `release` again until an admin says otherwise; where `everywhere`, at no instance."""
        if everywhere:
            self._tell_others(release.version, reason[:300])
        self._refused[release.version] = True  # also where the folder cannot be written to
        self._said = f"{release.version} was rolled back: {reason}"
        self._events.emit(events.ReleaseRolledBack(release.version, self._serving.version, reason))
        try:
            await trio.to_thread.run_sync(self._store.bar, release.version, reason)
        except StoreError as error:
            log.warning("release_store_failed", problem=str(error))

    def _refuse(self, release: Release, reason: str, *, final: bool) -> None:
        """Say once that `release` is not tried."""
        self._said = f"{release.version} is not tried: {reason}"
        if release.version not in self._refused:
            self._events.emit(events.CanaryRefused(release.version, reason))
        self._refused[release.version] = final

    # The templates and the comparisons.

    async def _host(
        self, template: Template, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep `template` running until it is ended."""
        with trio.CancelScope() as scope:
            self._scopes[template] = scope
            try:
                await template.run(task_status=task_status)
            finally:
                del self._scopes[template]
        self._woken.set()

    async def _end(self, template: Template) -> None:
        """End `template`, after its workers."""
        await self._pool.replace_workers(template)
        if self._pool.templates.leaving is template:
            self._pool.templates.leaving = None
        if scope := self._scopes.get(template):
            scope.cancel()

    async def _compare(self) -> None:
        """Run some successes on the other release, too, and compare what came of it."""
        async for comparison in self._trial.comparisons:
            canary = self._trial.canary
            if canary is None or comparison.version not in (canary.old, canary.new):
                continue
            try:
                answer = await self._jobs.rerun(comparison.job, canary=comparison.version == canary.old)
            except ServiceError:
                continue  # pairs are for failures
            contents = contents_of(comparison.job, Success(answer.body, answer.extractor))
            if contents is not None:
                self._trial.compared(comparison, answer.ytdlp, contents)

    def _tell_patches(self, new: Template, old: Template) -> None:
        assert new.warm is not None
        known = old.warm.lost if old.warm is not None else ()
        if lost := tuple(name for name in new.warm.lost if name not in known):
            self._events.emit(events.PatchesInactive(new.version, lost))

    def _rule(self, ruling: Ruling, reason: str) -> None:
        self._ruling = (ruling, reason)
        self._woken.set()

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.CanaryBootFailed):
            self._boot_failures += 1
