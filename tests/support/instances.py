"""Several instances' halves of a cluster in one process, against one engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from service.cluster.shared import Shared
from service.config import Config
from service.events import Event, Events
from tests.support.engine import Engine

PATIENCE = 2.0  # seconds; an engine on a busy machine may be slow, and only its hanging is to be noticed


class Instance:
    """One instance's cluster, its events, and those that it told."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        self.told: list[Event] = []
        self.bus = bus = Events()
        bus.subscribe(self.told.append)
        self.config = Config.load(**{"cluster_url": engine.url, **settings})
        self.cluster = Shared(self.config, bus)
        self.cluster.link.patience = PATIENCE

    @property
    def is_up(self) -> bool:
        return self.cluster.link.is_up


@asynccontextmanager
async def instances(
    engine: Engine, count: int = 2, *, up: bool = True, **settings: Any
) -> AsyncIterator[list[Instance]]:
    """So many instances that run; where `up`, their links are."""
    made = [Instance(engine, **settings) for _ in range(count)]
    async with trio.open_nursery() as nursery:
        for each in made:
            nursery.start_soon(each.cluster.run)
        if up:
            await until(lambda: all(each.is_up for each in made))
        yield made
        nursery.cancel_scope.cancel()


async def until(condition: Any, within: float = 30.0) -> None:
    """Wait until `condition` holds."""
    with trio.fail_after(within):
        while not condition():  # noqa: ASYNC110  (what it waits for has no event)
            await trio.sleep(0.005)
