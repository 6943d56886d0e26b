"""The client for asyncio and Trio; `sync_client.py` is the same for programs that block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Generic, Literal, Self, TypeVar, Unpack

import anyio
import httpx

from . import calls, errors, streams
from .calls import Call, EntriesOptions, ExtractOptions, PageOptions, SizeOptions, SubtitlesOptions
from .patience import Patience, Retries
from .streams import Line, Step, Total
from .sync_client import PATIENCE, TIMEOUT, URL

T = TypeVar("T")


class AsyncClient:
    """Asks the service at `url`; an async context manager, which closes its connections.

    Every method raises ServiceError: Refused, Declined, Failed or Unreachable.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        key: str | None = None,
        patience: Patience = PATIENCE,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience = patience
        headers = {} if key is None else {"X-API-Key": key}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def size(self, url: str, **options: Unpack[SizeOptions]) -> dict[str, Any]:
        """The sizes of a video, per resolution."""
        return await self._json(calls.size(url, options))

    @asynccontextmanager
    async def sizes(
        self, url: str, **options: Unpack[EntriesOptions]
    ) -> AsyncIterator[AsyncIterator[Line | Total]]:
        """The size of each entry of a list, as they are done, and their Total. Leaving stops the rest."""
        opened: AbstractAsyncContextManager[AsyncIterator[Line | Total]]
        opened = self._pieces(calls.sizes(url, options), streams.entry)
        async with opened as entries:
            yield entries

    async def extract(self, url: str, **options: Unpack[ExtractOptions]) -> dict[str, Any]:
        """The metadata of a video, or a page of a list."""
        return await self._json(calls.extract(url, options))

    def pages(self, url: str, **options: Unpack[PageOptions]) -> AsyncIterator[dict[str, Any]]:
        """The pages of a list, of 500 entries where no `count` is given."""
        return _Pages(self._json, calls.page(url, options))

    async def subtitles(self, url: str, **options: Unpack[SubtitlesOptions]) -> str:
        """What is said in a video, as text."""
        return (await self._read(calls.subtitles(url, options))).text

    @asynccontextmanager
    async def batch(
        self, urls: Sequence[str], *, kind: Literal["extract", "size"] = "extract", fields: Sequence[str] = ()
    ) -> AsyncIterator[AsyncIterator[Line]]:
        """The answers for many URLs, as they are done. Leaving the context stops the rest."""
        async with self._pieces(calls.batch(urls, kind, fields), streams.line) as lines:
            yield lines

    @asynccontextmanager
    async def progress(
        self, url: str, *, fields: Sequence[str] = (), format: str | None = None
    ) -> AsyncIterator[AsyncIterator[Step]]:
        """The steps of an extraction, as they happen. Leaving the context cancels it."""
        async with self._pieces(calls.progress(url, fields, format), streams.Events().feed) as steps:
            yield steps

    async def _json(self, call: Call) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._read(call)).json()
        return answer

    async def _read(self, call: Call) -> httpx.Response:
        response = await self._open(call)
        with errors.translated():
            await response.aread()
        return response

    @asynccontextmanager
    async def _pieces(self, call: Call, parse: Callable[[str], T | None]) -> AsyncIterator[AsyncIterator[T]]:
        response = await self._open(call)
        lines = response.aiter_lines()
        try:
            yield _Pieces(lines, parse)
        finally:
            await response.aclose()
            # Trio complains of httpx's generators where they are left in the middle; run on, they now fail.
            with suppress(httpx.TransportError, httpx.StreamError):
                async for _ in lines:
                    pass

    async def _open(self, call: Call) -> httpx.Response:
        """A good answer, whose body is still to be read."""
        retries = Retries(self._patience)
        while True:
            try:
                with errors.translated():
                    return await self._attempt(call)
            except errors.ServiceError as error:
                await anyio.sleep(retries.pause(error))

    async def _attempt(self, call: Call) -> httpx.Response:
        response = await self._http.send(self._http.build_request(**call.arguments()), stream=True)
        if not response.is_success:
            await response.aread()
            raise errors.of(response)
        return response


# Trio wants a generator to be run to its end. These are none, so a program may leave them in the middle.


class _Pages(AsyncIterator[dict[str, Any]]):
    """Each page that `ask` gives, from that of `call` on."""

    def __init__(self, ask: Callable[[Call], Awaitable[dict[str, Any]]], call: Call) -> None:
        self._ask = ask
        self._call: Call | None = call

    async def __anext__(self) -> dict[str, Any]:
        if self._call is None:
            raise StopAsyncIteration
        page = await self._ask(self._call)
        self._call = calls.next_page(self._call, page)
        return page


class _Pieces(AsyncIterator[T], Generic[T]):
    """What `parse` makes of lines."""

    def __init__(self, lines: AsyncIterator[str], parse: Callable[[str], T | None]) -> None:
        self._lines = lines
        self._parse = parse

    async def __anext__(self) -> T:
        while True:
            with errors.translated():
                line = await anext(self._lines)
            if (piece := self._parse(line)) is not None:
                return piece
