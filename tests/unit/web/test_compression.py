"""Collaboration: a result is compressed once for all who want it, and few are compressed at a time."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import trio
import trio.testing

from service.web.http import compression
from service.web.http.compression import MAX_KEPT, OFF_LOOP, THREADS, CompressedResults

BODY = b"x" * OFF_LOOP


class Compressor:
    """Stands in for the thread: compresses when it is told to, and counts."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = trio.Event()

    async def __call__(self, body: bytes) -> bytes:
        self.begun += 1
        await self.go_on.wait()
        return gzip.compress(body)


@pytest.fixture
def compressor(monkeypatch: pytest.MonkeyPatch) -> Compressor:
    it = Compressor()
    monkeypatch.setattr(compression, "compressed", it)
    return it


@pytest.mark.parametrize("keep", [True, False])
async def test_forty_clients_at_once_get_the_same_bytes(compressor: Compressor, keep: bool) -> None:
    it, found = CompressedResults(), list[bytes]()

    async def ask() -> None:
        found.append(await it.get("etag", BODY, keep=keep))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        compressor.go_on.set()
    assert (len(found), compressor.begun) == (40, 1)
    assert all(each is found[0] for each in found)
    assert gzip.decompress(found[0]) == BODY
    assert it.kept("etag") is (found[0] if keep else None)
    await ask()
    assert compressor.begun == (1 if keep else 2)


async def test_who_leaves_leaves_the_work_to_the_next(compressor: Compressor) -> None:
    it, found = CompressedResults(), list[bytes]()

    async def ask() -> None:
        found.append(await it.get("etag", BODY, keep=True))

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as leaving:
            leaving.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        compressor.go_on.set()
    assert (len(found), compressor.begun) == (1, 2)


async def test_a_private_result_is_shared_with_nobody(compressor: Compressor) -> None:
    it = CompressedResults()
    compressor.go_on.set()
    assert await it.get("", BODY, keep=True) is not await it.get("", BODY, keep=True)
    assert it.kept("") is None


async def test_what_is_kept_is_bounded_in_bytes(
    compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def large(body: bytes) -> bytes:
        return bytes(MAX_KEPT // 3)

    monkeypatch.setattr(compression, "compressed", large)
    it = CompressedResults()
    for number in range(5):
        await it.get(str(number), BODY, keep=True)
    assert [it.kept(str(number)) is not None for number in range(5)] == [False, False, True, True, True]


async def test_few_threads_compress_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limiters = list[trio.CapacityLimiter]()

    async def run_sync(function: Any, body: bytes, *, limiter: trio.CapacityLimiter) -> Any:
        limiters.append(limiter)
        return function(body)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
    assert gzip.decompress(await compression.compressed(BODY)) == BODY
    assert [limiter.total_tokens for limiter in limiters] == [THREADS]
