"""A client that speaks HTTP/1.1 over a raw socket, or whatever bytes it is given."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import trio


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection that speaks HTTP/1.1, or whatever bytes it is given."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._http = h11.Connection(h11.CLIENT)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def get(self, path: str, **headers: str) -> Reply:
        await self.ask(path, **headers)
        return await self.reply()

    async def ask(self, path: str, **headers: str) -> None:
        sent = [("Host", "test"), *((name.replace("_", "-"), value) for name, value in headers.items())]
        await self.send(self._http.send(h11.Request(method="GET", target=path, headers=sent)) or b"")
        await self.send(self._http.send(h11.EndOfMessage()) or b"")

    async def reply(self) -> Reply:
        """The response to the last request; the connection is then ready for the next."""
        response, body = None, b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self.stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
        assert response is not None
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        headers = {name.decode().lower(): value.decode() for name, value in response.headers}
        return Reply(response.status_code, headers, body)

    async def rest(self) -> bytes:
        """Everything up to the connection's end."""
        data = b""
        try:
            while chunk := await self.stream.receive_some(65536):
                data += chunk
        except trio.BrokenResourceError:
            pass
        return data


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[Client]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Client(stream)
