"""Results and flights of all instances: one extraction of a URL at a time, whose result all have.

The instance that has the lease of a job extracts it, and renews the lease meanwhile. The others wait for its
word, and ask now and then: a holder that dies costs what the lease has left. A lease only saves work.
Two extractions of one URL do no harm, so wherever the engine cannot be asked, the job simply runs here.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from .. import __version__
from ..codes import TRAITS
from ..config import Config
from ..dispatch.cache import MARGIN, REFUSAL_TTL
from ..dispatch.request import Answer
from ..errors import ExtractionError
from ..wire import Job
from . import keys
from .connection import Rejected, Unavailable
from .entries import LONGEST, WORTH_PACKING, Entry, NotOurs, is_shared, pack, unpack
from .link import Link
from .scripts import CLAIM, FINISH, RENEW

LEASE = 3.0  # seconds
RENEWAL = 1.0  # seconds between two renewals
LOOK = 1.01  # seconds after which those who wait ask again: a word may be lost, and the engine hang
LEAST_LIFE = 1.0  # seconds for which a result must be of use to be kept
THREADS = 2  # entries packed or unpacked at a time, so that the loop goes on

Run = Callable[[], Awaitable[Answer]]

_threads = trio.CapacityLimiter(THREADS)


@dataclass(slots=True)
class ResultCounts:
    """Lookups, and what was given to the engine; see `ClusterStatistics`."""

    hits: int = 0
    misses: int = 0
    refusals: int = 0
    waits: int = 0
    adopted: int = 0
    stored: int = 0
    foreign: int = 0


class _News:
    """What one who waits for another instance's flight is told."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.refusal: ExtractionError | None = None


@dataclass(frozen=True, slots=True)
class _Lease:
    """The right to extract a job for all."""

    token: str


@dataclass(frozen=True, slots=True)
class _Wait:
    """Another instance has the lease for so many seconds."""

    seconds: float


class SharedResults:
    """The results that instances have in common."""

    def __init__(self, config: Config, link: Link) -> None:
        self.counts = ResultCounts()
        self._link = link
        self._ttl = config.cache_ttl if config.cache_max_bytes else 0.0
        self._max_body = config.ytdlp_max_buffer
        self._way = keys.way_out(config, "ytdlp", "site")
        self._news: dict[str, list[_News]] = {}  # of those who wait here, by key
        self._purged: dict[str, float] = {}  # releases of yt-dlp, until all that they made has run out

    async def once(self, job: Job, run: Run, *, fresh: bool) -> Answer:
        """As `Cluster.once`."""
        if not self._ttl:
            return await run()
        key = keys.job_digest(job, self._way, __version__)
        if fresh:
            return await self._fly(key, run, over=True)
        waited = False
        while True:
            with self._listening(key) as news:
                try:
                    found = await self._claim(key)
                except Unavailable:
                    return await self._fly(key, run)
                except (Rejected, NotOurs):
                    return await self._fly(key, run, over=True)
                match found:
                    case Entry(Answer(ytdlp=ytdlp)) if self._purged.get(ytdlp, 0.0) > trio.current_time():
                        self.counts.misses += 1
                        return await self._fly(key, run, over=True)
                    case Entry(Answer() as answer):
                        self.counts.hits += 1
                        self.counts.adopted += waited
                        return answer
                    case Entry(ExtractionError() as refusal):
                        self.counts.refusals += 1
                        self.counts.adopted += waited
                        raise refusal
                    case _Lease(token):
                        self.counts.misses += 1
                        return await self._fly(key, run, token)
                    case _Wait(seconds):
                        self.counts.waits += not waited
                        waited = True
                        with trio.move_on_after(seconds):
                            await news.came.wait()
                        if news.refusal is not None:
                            self.counts.adopted += 1
                            raise news.refusal

    def purge(self, ytdlp: str, ago: float = 0.0) -> None:
        """Use nothing that this release of yt-dlp had made so many seconds ago."""
        now = trio.current_time()
        self._purged = {version: until for version, until in self._purged.items() if until > now}
        self._purged[ytdlp] = now + self._ttl - ago

    def hear(self, payload: bytes) -> None:
        """Another instance's flight has ended: its key, and a refusal if it was one."""
        key, _, ended = payload.partition(b" ")
        waiting = self._news.get(key.decode("ascii", "replace"), ())
        if waiting and ended:
            try:
                refusal = unpack(ended, 0.0, max_body=0).ended
            except NotOurs:
                self.counts.foreign += 1
            else:
                for news in waiting:
                    news.refusal = refusal if isinstance(refusal, ExtractionError) else None
        for news in waiting:
            news.came.set()

    async def _claim(self, key: str) -> Entry | _Lease | _Wait:
        token = secrets.token_hex(8)
        names = (keys.result(key), keys.flight(key))
        reply = await self._link.run_script(CLAIM, names, token, int(LEASE * 1000), LONGEST)
        try:
            match reply:
                case [1, bytes() as data, int() as left]:
                    return await self._unpacked(data, left / 1000)
                case [0]:
                    return _Lease(token)
                case [2, _, int() as left]:
                    return _Wait(min(max(left, 0) / 1000, LOOK))
            raise NotOurs("the engine's reply is another one")
        except NotOurs:
            self.counts.foreign += 1
            raise

    async def _fly(self, key: str, run: Run, token: str = "", *, over: bool = False) -> Answer:
        """The answer of `run`, for all instances; at the end the lease is given up in any case."""
        entry: bytes | None = None
        refusal = b""
        try:
            ended = await self._renewed(key, token, run)
            entry = await self._packed(ended)
            if isinstance(ended, ExtractionError) and is_shared(ended.code):
                refusal = pack(Entry(ended, 0.0)) or b""
        finally:
            names = (keys.result(key), keys.flight(key))
            life = 0 if entry is None else self._life(ended)
            word = key.encode() + b" " + refusal
            self._link.post_script(
                FINISH, names, token, entry or b"", max(int(life * 1000), 1), keys.DONE, word, int(over)
            )
        self.counts.stored += entry is not None
        if isinstance(ended, Exception):
            raise ended
        return ended

    async def _renewed(self, key: str, token: str, run: Run) -> Answer | Exception:
        """How `run` ends, while the lease is renewed."""
        if not token:
            try:
                return await run()
            except Exception as error:
                return error
        ended: Answer | Exception
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._renew, key, token)
            try:
                ended = await run()
            except Exception as error:
                ended = error
            nursery.cancel_scope.cancel()
        return ended

    async def _renew(self, key: str, token: str) -> None:
        while True:
            await trio.sleep(RENEWAL)
            self._link.post_script(RENEW, (keys.flight(key),), token, int(LEASE * 1000))

    def _life(self, ended: Answer | Exception) -> float:
        """Seconds for which it holds; 0 for what is not kept."""
        if isinstance(ended, Answer):
            return self._ttl if ended.lifetime is None else min(self._ttl, ended.lifetime - MARGIN)
        kept = isinstance(ended, ExtractionError) and TRAITS[ended.code].cacheable
        return min(REFUSAL_TTL, self._ttl) if kept else 0.0

    async def _packed(self, ended: Answer | Exception) -> bytes | None:
        life = self._life(ended)
        if life < LEAST_LIFE or not self._link.is_up or not isinstance(ended, Answer | ExtractionError):
            return None
        entry = Entry(ended, life)
        if isinstance(ended, Answer) and len(ended.body) > WORTH_PACKING:
            return await trio.to_thread.run_sync(pack, entry, limiter=_threads)
        return pack(entry)

    async def _unpacked(self, data: bytes, left: float) -> Entry:
        def unpacked() -> Entry:
            return unpack(data, left, max_body=self._max_body)

        if len(data) > WORTH_PACKING:
            return await trio.to_thread.run_sync(unpacked, limiter=_threads)
        return unpacked()

    @contextmanager
    def _listening(self, key: str) -> Iterator[_News]:
        """Registered before the engine is asked, so that no word is missed."""
        news = _News()
        self._news.setdefault(key, []).append(news)
        try:
            yield news
        finally:
            self._news[key].remove(news)
            if not self._news[key]:
                del self._news[key]
