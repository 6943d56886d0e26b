"""The cluster of several instances: the link to the engine, and each thing that is shared over it."""

from __future__ import annotations

from dataclasses import asdict

import trio

from ..config import Config
from ..dispatch.request import Answer
from ..events import Events
from ..wire import Job
from .address import EngineAddress
from .limits import SharedLimits
from .link import Link
from .port import Budget, ClusterStatistics, Run
from .results import DONE, SharedResults, engine_statistics


class Shared:
    """Implements `Cluster` with an engine."""

    def __init__(self, config: Config, events: Events) -> None:
        assert config.cluster_url is not None
        self.link = Link(
            EngineAddress.parse(config.cluster_url.get_secret_value()),
            events,
            ca_file=config.cluster_ca_file,
            channels=(DONE,),
            hear=self._hear,
        )
        self._results = SharedResults(config, self.link)
        self._limits = SharedLimits(self.link)

    async def once(self, job: Job, run: Run, *, fresh: bool) -> Answer:
        return await self._results.once(job, run, fresh=fresh)

    def share_limits(self, budget: Budget) -> None:
        budget.share()
        self._limits.budget = budget

    def statistics(self) -> ClusterStatistics:
        return ClusterStatistics(**engine_statistics(self.link), **asdict(self._results.counts))

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.link.run)
            nursery.start_soon(self._limits.run)

    def _hear(self, channel: bytes, payload: bytes) -> None:
        if channel == DONE.encode():
            self._results.hear(payload)
