"""What is wrong at the moment, in words for the dashboard's header, the worst first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ....breaker.statistics import BreakersStatistics
from ....lifecycle import Phase
from ....pool.statistics import PoolStatistics

BAD, WARN, NOTE = LEVELS = ("bad", "warn", "mark")  # jobs fail; they may soon; it can wait

HANGING = (
    6.0  # seconds on a worker; most jobs take less than one, and a site that is silent for 8 is given up
)
WAIT = 3.0  # seconds in the queue that people notice
STALE = 60 * 86_400.0  # seconds; the alert YtdlpdStaleYtdlp says the same
SITES = 3  # to name in each state; the others are counted


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble of a level: two or three words, and a sentence."""

    level: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What is looked at.

    Attributes:
        turned_away: jobs that the queue refused within the last minute.
        age: of the yt-dlp in service, in seconds; None where its version does not tell.
        newer: a version that is not here yet.
        names: whether the viewer may know the names of sites.
    """

    phase: Phase
    pool: PoolStatistics
    breakers: BreakersStatistics
    turned_away: int = 0
    age: float | None = None
    newer: str | None = None
    names: bool = True


def troubles(now: Situation) -> list[Trouble]:
    """All of them."""
    found = [*_service(now), *_breakers(now), *_queue(now), *_hanging(now), *_release(now)]
    return sorted(found, key=lambda trouble: LEVELS.index(trouble.level))


def _service(now: Situation) -> Iterator[Trouble]:
    pool, own = now.pool, now.breakers.service
    if now.phase is Phase.STARTING:
        yield Trouble(WARN, "Starting", "The service is starting; no worker is warm yet")
    elif now.phase is Phase.LAME_DUCK:
        yield Trouble(WARN, "Leaving", "The service is about to stop; it still serves")
    elif now.phase is Phase.DRAINING:
        yield Trouble(WARN, "Draining", "The service stops; what runs is finished")
    elif pool.active_workers == 0:
        yield Trouble(BAD, "No worker", "No worker is ready; requests wait")
    if own.state == "OPEN":
        yield Trouble(BAD, "Cannot extract", f"No site is asked{_again(own.cooldown_remaining)}")
    if pool.degraded:
        why = "New workers fail to start; the log's WorkerBootFailed says why"
        yield Trouble(BAD, "Workers fail to start", why)
    if pool.solver is not None and pool.solver.state == "unavailable":
        why = "The solver of YouTube's challenges does not work; each worker solves by itself"
        yield Trouble(WARN, "No solver", why)


def _breakers(now: Situation) -> Iterator[Trouble]:
    failing, tried, blocked = list[str](), list[str](), list[str]()
    for breaker in now.breakers.sites:
        if breaker.mode == "FORCED_OPEN":
            blocked.append(breaker.site)
        elif breaker.state == "OPEN":
            failing.append(f"{breaker.site}{_again(breaker.cooldown_remaining)}")
        elif breaker.state == "HALF_OPEN":
            tried.append(breaker.site)
    for level, sites, one, many, what in (
        (BAD, failing, "1 site fails", "sites fail", "No longer asked"),
        (WARN, tried, "1 site is tried again", "sites are tried again", "Failed, and tried again now"),
        (WARN, blocked, "1 site is blocked", "sites are blocked", "Blocked by an administrator"),
    ):
        if sites:
            title = one if len(sites) == 1 else f"{len(sites)} {many}"
            more = len(sites) - SITES
            named = [*sites[:SITES], *([f"{more} more"] if more > 0 else [])]
            yield Trouble(level, title, f"{what}: {'; '.join(named)}" if now.names else title)


def _queue(now: Situation) -> Iterator[Trouble]:
    waiting, wait = now.pool.queue_length, now.pool.admission.expected_wait
    queue = f"{_count(waiting, 'request')} in the queue, which takes {_time(wait)}"
    if now.turned_away:
        away = f"{_count(now.turned_away, 'request')} turned away within a minute"
        yield Trouble(BAD, "Overloaded", f"{away}; {queue}" if waiting else away)
    elif waiting and wait >= WAIT:
        yield Trouble(WARN, "Busy", queue)


def _hanging(now: Situation) -> Iterator[Trouble]:
    held: defaultdict[str, list[float]] = defaultdict(list)
    for worker in now.pool.workers:
        if worker.busy_for is not None and worker.busy_for >= HANGING:
            site = worker.site if now.names else None
            held[site or "slow sites"].append(worker.busy_for)
    if not held:
        return
    slow = sorted(held.items(), key=lambda entry: -len(entry[1]))
    workers = _count(now.pool.active_workers, "worker")
    told = [
        f"{len(times)} of {workers} held by {site}, for up to {_time(max(times))}"
        for site, times in slow[:SITES]
    ]
    title = f"{slow[0][0]} hangs" if len(slow) == 1 and now.names else "Slow sites"
    yield Trouble(WARN, title, "; ".join(told))


def _release(now: Situation) -> Iterator[Trouble]:
    stale, version = now.age is not None and now.age > STALE, now.pool.ytdlp
    age = f"yt-dlp {version} is {_time(now.age or 0.0)} old"
    if now.newer:
        yield Trouble(NOTE, "yt-dlp is stale", f"yt-dlp {now.newer} is out" + (f"; {age}" if stale else ""))
    elif stale:
        yield Trouble(NOTE, "yt-dlp is stale", f"{age}; sites change monthly, so look for a newer one")


def _again(cooldown: float | None) -> str:
    return "" if cooldown is None else f", again in {_time(cooldown)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} s"
