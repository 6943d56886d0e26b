"""A client of the ASGI application itself, which reads a streamed answer piece by piece, or stops reading."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio


class Answer:
    """A streamed answer; the application may send only as much as the test reads."""

    def __init__(self, body: bytes) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = trio.Event()
        self._body: bytes | None = body
        self._left = trio.Event()
        self._pieces, self._taken = trio.open_memory_channel[bytes](0)

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            self.begun.set()
            return
        if message.get("body"):
            await self._pieces.send(bytes(message["body"]))
        if not message.get("more_body"):
            await self._pieces.aclose()

    async def piece(self) -> bytes:
        """The next piece."""
        return await self._taken.receive()

    async def lines(self) -> list[Any]:
        """The rest, as JSON lines."""
        return [json.loads(line) for line in (await self.rest()).splitlines()]

    async def rest(self) -> bytes:
        return b"".join([piece async for piece in self._taken])

    def leave(self) -> None:
        """Hang up."""
        self._left.set()


@asynccontextmanager
async def asking(
    app: Any, method: str, target: str, body: Any = None, **headers: str
) -> AsyncIterator[Answer]:
    """Ask `app`; the answer has begun. At exit it is waited for."""
    given = {"host": "test", "content-type": "application/json", **headers}
    data = b"" if body is None else json.dumps(body).encode()
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        "client": ("192.0.2.1", 1234),
        "server": ("test", 80),
        "extensions": {},
    }
    answer = Answer(data)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(app, scope, answer.receive, answer.send)
        await answer.begun.wait()
        yield answer
