"""Gzip: in few threads, once for all who wait for the same bytes, and kept for results that come again."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from dataclasses import dataclass, field

import trio

WORTH_IT = 1024  # bytes below which gzip saves less than its headers cost
OFF_LOOP = 64 * 1024  # bytes from which compression runs in a thread, because it would delay other requests
LEVEL = 4
THREADS = 2  # results compressed at a time; the loop and the workers need the other cores
MAX_KEPT = 16 << 20  # bytes of compressed results

_threads = trio.CapacityLimiter(THREADS)


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)


async def compressed(body: bytes) -> bytes:
    """`body` gzipped; in a thread where it is long."""
    if len(body) < OFF_LOOP:
        return gzipped(body)
    return await trio.to_thread.run_sync(gzipped, body, limiter=_threads)


@dataclass(slots=True)
class _Making:
    """A result that is being compressed, by whoever holds the lock; the others wait for it."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    wanted: int = 0
    made: bytes | None = None


class CompressedResults:
    """Compressed results, by the ETag of the result."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()  # the least recently made first
        self._bytes = 0
        self._making: dict[str, _Making] = {}

    def kept(self, etag: str) -> bytes | None:
        return self._kept.get(etag)

    async def get(self, etag: str, body: bytes, *, keep: bool) -> bytes:
        """`body` compressed, once for all who want it at this moment.

        Args:
            etag: identifies `body`; empty for a private result, which is shared with nobody.
            keep: it may be asked for again.
        """
        if not etag:
            return await compressed(body)
        if (kept := self._kept.get(etag)) is not None:
            return kept
        making = self._making.setdefault(etag, _Making())
        making.wanted += 1
        try:
            async with making.lock:  # whoever is cancelled leaves the work to the next
                if making.made is None:
                    making.made = await compressed(body)
        finally:
            making.wanted -= 1
            if not making.wanted:
                del self._making[etag]
        if keep:
            self._keep(etag, making.made)
        return making.made

    def _keep(self, etag: str, made: bytes) -> None:
        if etag in self._kept or len(made) > MAX_KEPT:
            return
        self._kept[etag] = made
        self._bytes += len(made)
        while self._bytes > MAX_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)
