"""A network between an instance and its engine that can be slow, silent or cut, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.support.engine import Engine


class Relay:
    """Passes bytes on to the engine.

    Attributes:
        delay: seconds by which the engine's words are late.
        is_open: whether it takes new connections.
    """

    def __init__(self, engine: Engine) -> None:
        self.delay = 0.0
        self.is_open = True
        self.port = 0
        self._engine = engine
        self._scopes: set[trio.CancelScope] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections, and take no more until `is_open` is set again."""
        self.is_open = False
        for each in self._scopes:
            each.cancel()

    async def handle(self, near: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            if not self.is_open:
                return
            self._scopes.add(scope)
            try:
                far = await trio.open_tcp_stream(self._engine.host, self._engine.port)
                async with far, trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, near, far, scope, False)
                    nursery.start_soon(self._pump, far, near, scope, True)
            finally:
                self._scopes.discard(scope)

    async def _pump(
        self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope, late: bool
    ) -> None:
        try:
            async for data in source:
                if late and self.delay:
                    await trio.sleep(self.delay)
                await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@asynccontextmanager
async def relay(engine: Engine) -> AsyncIterator[Relay]:
    made = Relay(engine)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, made.handle, 0)
        made.port = listeners[0].socket.getsockname()[1]
        yield made
        nursery.cancel_scope.cancel()
