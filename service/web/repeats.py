"""What is remembered of requests that may come again: the job that a query means, results compressed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..wire import Job
from .replies import compressed

MAX_QUERIES = 2048
MAX_QUERY = 2048  # bytes; with MAX_QUERIES about 8 MB at worst
MAX_GZIPPED = 16 << 20  # bytes of compressed results

Key = tuple[bytes, bytes]


class Repeats:
    """Which job a query stands for, and the compressed bytes of results, by their names."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Key, Job] = OrderedDict()
        self._gzipped: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def learn(self, scope: Any, job: Job) -> None:
        """The plain GET of `scope` was found to be good, and to mean `job`."""
        query: bytes = scope["query_string"]
        if len(query) <= MAX_QUERY:
            self._jobs[query, _accept(scope)] = job
            if len(self._jobs) > MAX_QUERIES:
                self._jobs.popitem(last=False)

    def job(self, scope: Any) -> Job | None:
        """What `scope` means, if it was asked before."""
        return self._jobs.get((scope["query_string"], _accept(scope)))

    async def gzip(self, etag: str, body: bytes) -> bytes:
        """`body` compressed, kept where it has a name."""
        if (kept := self.gzipped(etag)) is not None:
            return kept
        made = await compressed(body)
        if etag and etag not in self._gzipped and len(made) <= MAX_GZIPPED:
            self._gzipped[etag] = made
            self._bytes += len(made)
            while self._bytes > MAX_GZIPPED:
                _, oldest = self._gzipped.popitem(last=False)
                self._bytes -= len(oldest)
        return made

    def gzipped(self, etag: str) -> bytes | None:
        return self._gzipped.get(etag)


def _accept(scope: Any) -> bytes:
    return b",".join(value for name, value in scope["headers"] if name == b"accept")
