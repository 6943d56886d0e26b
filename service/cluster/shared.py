"""The cluster of several instances: the link to the engine, and each thing that is shared over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import trio

from ..config import Config
from ..dispatch.request import Answer
from ..events import DrainBegan, Event, Events, LameDuckBegan, ServiceReady
from ..wire import Job
from . import keys
from .address import EngineAddress
from .fleet import Fleet
from .limits import SharedLimits
from .link import Link
from .messages import Action, Member, Sighting
from .notices import Notices
from .orders import Orders
from .port import Budget, ClusterStatistics, Operator, OrderAnswer, Run, Voter
from .results import SharedResults
from .votes import SharedVotes


class Shared:
    """Implements `Cluster` with an engine."""

    def __init__(self, config: Config, events: Events) -> None:
        assert config.cluster_url is not None
        self.link = Link(
            EngineAddress.parse(config.cluster_url.get_secret_value()),
            events,
            ca_file=config.cluster_ca_file,
            channels=keys.CHANNELS,
            hear=self._hear,
            joined=self._joined,
        )
        events.subscribe(self._on_event)
        self._fleet = Fleet(self.link)
        self._results = SharedResults(config, self.link)
        self._orders = Orders(self.link, self._fleet.id)
        self._notices = Notices(config, self.link, self._fleet.id, self._results.purge)
        self._limits = SharedLimits(self.link)
        self._votes = SharedVotes(self.link, self._fleet.id, keys.way_out(config))

    @property
    def id(self) -> str:
        return self._fleet.id

    async def once(self, job: Job, run: Run, *, fresh: bool) -> Answer:
        return await self._results.once(job, run, fresh=fresh)

    def share_limits(self, budget: Budget) -> None:
        budget.share()
        self._limits.budget = budget

    def share_breakers(self, voter: Voter) -> None:
        self._votes.voter = voter

    def introduce(self, describe: Callable[[str], Member]) -> None:
        self._fleet.describe = describe
        self._orders.name = lambda: describe(self.id).name
        self._fleet.hurry()

    def obey(self, operator: Operator) -> None:
        self._orders.operator = self._notices.operator = operator
        if self.link.is_up:
            self._joined()

    async def order(self, action: Action, subject: str | None, reason: str = "") -> tuple[OrderAnswer, ...]:
        others = [each for each in self._fleet.sightings() if each.member.id != self.id]
        answers = await self._orders.give(action, subject, reason, len(others))
        if action == "release":
            self._notices.released(subject)
        return answers

    def bar(self, version: str, reason: str) -> None:
        self._orders.tell("bar", version, reason)

    def died(self, url: str, client: str, causes: Sequence[str]) -> None:
        self._notices.died(url, client, causes)

    def pause(self, egress: str, place: str, seconds: float) -> None:
        self._notices.pause(egress, place, seconds)

    def purge(self, ytdlp: str) -> None:
        self._results.purge(ytdlp)
        self._notices.purge(ytdlp)

    def sightings(self) -> tuple[Sighting, ...]:
        return self._fleet.sightings()

    def statistics(self) -> ClusterStatistics:
        return ClusterStatistics(
            state="ok" if self.link.problem is None else "degraded",
            problem=self.link.problem,
            link_up=self.link.is_up,
            engine=self.link.engine,
            instances=len(self._fleet.sightings()),
            calls=self.link.calls,
            failures=self.link.failures,
            losses=self.link.state.losses,
            **asdict(self._results.counts),
        )

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.link.run)
            nursery.start_soon(self._limits.run)
            nursery.start_soon(self._votes.run)
            nursery.start_soon(self._fleet.run)
            nursery.start_soon(self._orders.run)
            nursery.start_soon(self._notices.run)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ServiceReady | LameDuckBegan | DrainBegan):
            self._fleet.hurry()  # the others see it in another phase at once

    def _joined(self) -> None:
        self._fleet.hurry()
        self._orders.joined()
        self._notices.joined()

    def _hear(self, channel: bytes, payload: bytes) -> None:
        match name := channel.decode("ascii", "replace"):
            case keys.DONE:
                self._results.hear(payload)
            case keys.ORDERS:
                self._orders.hear_order(payload)
            case keys.ANSWERS:
                self._orders.hear_answer(payload)
            case _:
                self._notices.hear(name, payload)
