"""A memo of requests that may be repeated: the job of each."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from ...breaker.sites import site_of
from ...wire import Job

MAX_REPEATS = 2048
MAX_SIZE = 2048  # bytes of a request; with its job and MAX_REPEATS about 8 MB at worst

Key = tuple[str, bytes, bytes, tuple[bytes, ...]]
_MEANINGFUL = frozenset({b"accept", b"content-type"})  # a job depends on these headers


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """The job that a request stands for."""

    job: Job
    site: str


class RequestMemo:
    """The jobs of requests, by the bytes of the request."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, KnownRequest] = OrderedDict()

    def learn(self, scope: Any, body: bytes, job: Job) -> None:
        """Remember that the request of `scope`, with `body`, is valid and stands for `job`."""
        target, query, _, said = key = _key(scope, body)
        if job.cookies is None and sum(map(len, (target, query, body, *said))) <= MAX_SIZE:
            self._known[key] = KnownRequest(job, site_of(job.url))
            if len(self._known) > MAX_REPEATS:
                self._known.popitem(last=False)

    def find(self, scope: Any, body: bytes) -> KnownRequest | None:
        """The job of this request, if it came before."""
        return self._known.get(_key(scope, body))


def _key(scope: Any, body: bytes) -> Key:
    said = tuple(part for header in scope["headers"] if header[0] in _MEANINGFUL for part in header)
    return f"{scope['method']} {scope['path']}", scope["query_string"], body, said
