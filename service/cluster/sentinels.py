"""The sentinels that watch the engine: which of its servers is the master now."""

from __future__ import annotations

import math
import ssl
from collections import deque
from typing import Any

import trio

from .address import EngineAddress, Place
from .connection import Connection, Rejected, Unavailable, open_stream, reason

PATIENCE = 0.5  # seconds for one sentinel


class Sentinels:
    """Asks those of `address`, the one that answered last first."""

    def __init__(self, address: EngineAddress, tls: ssl.SSLContext | None) -> None:
        self._address = address
        self._tls = tls
        self._places = deque(address.places)

    async def master(self) -> Place:
        """Where the master is.

        Raises:
            Unavailable: no sentinel says so.
        """
        problem = ""
        for _ in range(len(self._places)):
            place = self._places[0]
            with trio.move_on_after(PATIENCE) as asking:
                try:
                    return await self._ask(place)
                except* Unavailable as errors:
                    problem = reason(errors)
                except* Rejected as errors:
                    problem = f"it refuses: {reason(errors)}"
            if asking.cancelled_caught:
                problem = "it does not answer in time"
            self._places.rotate(-1)
            problem = f"the sentinel {place}: {problem}"
        raise Unavailable(problem)

    async def _ask(self, place: Place) -> Place:
        connection = Connection(await open_stream(place, self._tls), lambda message: None)
        question = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.name
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            try:
                reply = await connection.call(*question, patience=math.inf)
            except Rejected as error:
                if not str(error).startswith("NOAUTH") or self._address.password is None:
                    raise
                login = self._address.user, self._address.password
                await connection.call("AUTH", *login, patience=math.inf)
                reply = await connection.call(*question, patience=math.inf)
            nursery.cancel_scope.cancel()
        return _master(reply, self._address.name)


def _master(reply: Any, name: str) -> Place:
    match reply:
        case [bytes() as host, bytes() as port] if port.isdigit() and 0 < len(host) < 256:
            return Place(host.decode("ascii", "replace"), min(int(port[:6]), 65535))
        case None:
            raise Unavailable(f"it knows no {name!r}; check the name in CLUSTER_URL")
    raise Unavailable("what answers is no sentinel")
