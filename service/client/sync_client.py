"""The client for programs that block; `async_client.py` is the same for asyncio and Trio."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Literal, Self, TypeVar, Unpack

import httpx

from . import calls, errors, streams
from .calls import Call, EntriesOptions, ExtractOptions, PageOptions, SizeOptions, SubtitlesOptions
from .patience import Patience, Retries
from .streams import Line, Step, Total

URL = "http://127.0.0.1:3000"
TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # above the deadline of the service, which is 25 s by default
PATIENCE = Patience()

T = TypeVar("T")


class Client:
    """Asks the service at `url`; a context manager, which closes its connections.

    Every method raises ServiceError: Refused, Declined, Failed or Unreachable.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        key: str | None = None,
        patience: Patience = PATIENCE,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._patience = patience
        headers = {} if key is None else {"X-API-Key": key}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def size(self, url: str, **options: Unpack[SizeOptions]) -> dict[str, Any]:
        """The sizes of a video, per resolution."""
        return self._json(calls.size(url, options))

    @contextmanager
    def sizes(self, url: str, **options: Unpack[EntriesOptions]) -> Iterator[Iterator[Line | Total]]:
        """The size of each entry of a list, as they are done, and their Total. Leaving stops the rest."""
        opened: AbstractContextManager[Iterator[Line | Total]]
        opened = self._pieces(calls.sizes(url, options), streams.entry)
        with opened as entries:
            yield entries

    def extract(self, url: str, **options: Unpack[ExtractOptions]) -> dict[str, Any]:
        """The metadata of a video, or a page of a list."""
        return self._json(calls.extract(url, options))

    def pages(self, url: str, **options: Unpack[PageOptions]) -> Iterator[dict[str, Any]]:
        """The pages of a list, of 500 entries where no `count` is given."""
        call: Call | None = calls.page(url, options)
        while call is not None:
            page = self._json(call)
            yield page
            call = calls.next_page(call, page)

    def subtitles(self, url: str, **options: Unpack[SubtitlesOptions]) -> str:
        """What is said in a video, as text."""
        return self._read(calls.subtitles(url, options)).text

    @contextmanager
    def batch(
        self, urls: Sequence[str], *, kind: Literal["extract", "size"] = "extract", fields: Sequence[str] = ()
    ) -> Iterator[Iterator[Line]]:
        """The answers for many URLs, as they are done. Leaving the context stops the rest."""
        with self._pieces(calls.batch(urls, kind, fields), streams.line) as lines:
            yield lines

    @contextmanager
    def progress(
        self, url: str, *, fields: Sequence[str] = (), format: str | None = None
    ) -> Iterator[Iterator[Step]]:
        """The steps of an extraction, as they happen. Leaving the context cancels it."""
        with self._pieces(calls.progress(url, fields, format), streams.Events().feed) as steps:
            yield steps

    def _json(self, call: Call) -> dict[str, Any]:
        answer: dict[str, Any] = self._read(call).json()
        return answer

    def _read(self, call: Call) -> httpx.Response:
        response = self._open(call)
        with errors.translated():
            response.read()
        return response

    @contextmanager
    def _pieces(self, call: Call, parse: Callable[[str], T | None]) -> Iterator[Iterator[T]]:
        response = self._open(call)

        def pieces() -> Iterator[T]:
            with errors.translated():
                for line in response.iter_lines():
                    if (piece := parse(line)) is not None:
                        yield piece

        with closing(response):
            yield pieces()

    def _open(self, call: Call) -> httpx.Response:
        """A good answer, whose body is still to be read."""
        retries = Retries(self._patience)
        while True:
            try:
                with errors.translated():
                    return self._attempt(call)
            except errors.ServiceError as error:
                time.sleep(retries.pause(error))

    def _attempt(self, call: Call) -> httpx.Response:
        response = self._http.send(self._http.build_request(**call.arguments()), stream=True)
        if not response.is_success:
            response.read()
            raise errors.of(response)
        return response
