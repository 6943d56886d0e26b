"""A memo of requests that may be repeated: the job of each, and compressed results."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from ...breaker.sites import site_of
from ...wire import Job
from .responses import compressed

MAX_REPEATS = 2048
MAX_SIZE = 2048  # bytes of query or body; with MAX_REPEATS about 8 MB at worst
MAX_GZIPPED = 16 << 20  # bytes of compressed results

Key = tuple[str, bytes, bytes, tuple[bytes, ...]]
_MEANINGFUL = frozenset({b"accept", b"content-type"})  # a job depends on these headers


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """The job that a request stands for."""

    job: Job
    site: str


class RequestMemo:
    """The jobs of requests, by the bytes of the request, and compressed results, by their ETag."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, KnownRequest] = OrderedDict()
        self._gzipped: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def learn(self, scope: Any, body: bytes, job: Job) -> None:
        """Remember that the request of `scope`, with `body`, is valid and stands for `job`."""
        if job.cookies is None and len(scope["query_string"]) + len(body) <= MAX_SIZE:
            self._known[_key(scope, body)] = KnownRequest(job, site_of(job.url))
            if len(self._known) > MAX_REPEATS:
                self._known.popitem(last=False)

    def find(self, scope: Any, body: bytes) -> KnownRequest | None:
        """The job of this request, if it came before."""
        return self._known.get(_key(scope, body))

    async def gzip(self, etag: str, body: bytes) -> bytes:
        """`body` compressed, and kept where it has an ETag."""
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


def _key(scope: Any, body: bytes) -> Key:
    said = tuple(part for header in scope["headers"] if header[0] in _MEANINGFUL for part in header)
    return f"{scope['method']} {scope['path']}", scope["query_string"], body, said
