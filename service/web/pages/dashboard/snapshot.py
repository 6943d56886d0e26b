"""A snapshot for the dashboard, as JSON. One is shared by all viewers within half a second, or a second where
many sites are known.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import trio

from .... import __version__
from ....breaker.statistics import BreakerStatistics
from ....codes import TRAITS, Code
from ....pool.statistics import PoolStatistics
from ....releases.release import RolloutStatus, released
from ....telemetry.diagnosis import Cell
from ....telemetry.history import FailureNote, History
from ....telemetry.measurements import group
from ...api.egresses import reports
from ...api.health import options_in_force
from ...http.authentication import access_rules
from ...services import Services
from .trouble import HANGING, Situation, troubles

BREAKERS = 50  # to show; the others are counted
FAILURES = 8
RUNS = 40
EVENTS = 20
MINUTE = 6  # buckets of the shortest range
MAX_AGE = 0.5  # seconds
_BADNESS = ("OPEN", "HALF_OPEN", "CLOSED")


@dataclass(frozen=True, slots=True)
class View:
    """What a viewer may see.

    Attributes:
        admin: pids, memory and events.
        sites: the names of sites.
    """

    admin: bool
    sites: bool


class Snapshots:
    """The current snapshot, for each kind of viewer."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._made: dict[View, tuple[float, int, bytes]] = {}

    def current(self, view: View) -> bytes:
        return self._services.snapshots.get("dashboard", view, partial(self._latest, view))

    def _latest(self, view: View) -> bytes:
        now, number = trio.current_time(), self._services.telemetry.event_log.number
        made, at, snapshot = self._made.get(view, (-1.0, -1, b""))
        if number != at or now - made > MAX_AGE:
            snapshot = json.dumps(_snapshot(self._services, now, view), ensure_ascii=False).encode()
            self._made[view] = now, number, snapshot
        return snapshot


def _snapshot(services: Services, now: float, view: View) -> dict[str, Any]:
    pool, breakers, history = (
        services.pool.statistics(),
        services.breakers.statistics(),
        services.telemetry.history,
    )
    rollout = services.rollout
    status = rollout.status() if rollout is not None else RolloutStatus(pool.ytdlp or "")
    hidden = (*(() if view.admin else ("pid", "memory")), *(() if view.sites else ("site",)))
    workers = [asdict(worker) for worker in pool.workers]
    sites = breakers.sites if view.sites else ()
    worst_first = sorted(sites, key=lambda each: (_BADNESS.index(each.state), -each.total_requests))
    diagnosis = services.telemetry.diagnosis
    cells = diagnosis.cells(now) if view.sites else ()
    found = diagnosis.findings(cells, now, datetime.now(UTC))
    reasons = {(finding.site, finding.code): finding.sentence for finding in found}
    at = released(status.serving)
    turned_away = dict(history.ranges["15 min"].codes(now, MINUTE)).get(Code.QUEUE_FULL, 0)
    situation = Situation(
        services.lifecycle.phase,
        pool,
        breakers,
        turned_away,
        None if at is None else time.time() - at,
        services.updater.statistics().available,
        view.sites,
    )
    return {
        "troubles": [asdict(trouble) for trouble in troubles(situation)],
        "admins": access_rules(services.config).admin,
        "version": __version__,
        "ytdlp": pool.ytdlp,
        "runtime": pool.runtime,
        "rollout": releases_in_use(status, pool),
        "phase": services.lifecycle.phase.value,
        "uptime": services.lifecycle.uptime,
        "admin": view.admin,
        "workers": [{k: v for k, v in worker.items() if k not in hidden} for worker in workers],
        "pool": {
            "ready": pool.active_workers,
            "busy": pool.active_tasks,
            "target": pool.target,
            "ceiling": services.config.max_workers,
            "hanging": HANGING,
            "reason": pool.scaling.reason,
        },
        "queue": {
            "length": pool.queue_length,
            "tiers": [[tier, waiting] for tier, waiting in pool.admission.tiers if waiting],
            "places": pool.admission.places_now,
            "expectedWait": pool.admission.expected_wait,
            "turnedAway": pool.admission.refused + pool.admission.shed + pool.admission.displaced,
        },
        "cache": asdict(services.dispatcher.cache()),
        "ranges": {
            name: {
                "bucket": series.bucket,
                "points": [astuple(point) for point in series.points(now)],
                "codes": [[code, count, group(code)] for code, count in series.codes(now)],
            }
            for name, series in history.ranges.items()
        },
        "failures": _failures(history.failures(now), view, reasons)[:FAILURES] if view.sites else [],
        "egresses": [
            report.model_dump(by_alias=True)
            for report in reports(services.dispatcher.egresses().egresses, sites=view.sites)
        ],
        "runs": _runs({finding.site for finding in found}, cells),
        "options": options_in_force(services.config) if view.admin else {},
        "instance": services.cluster.id,
        "instances": [
            {**each.member.model_dump(), "age": each.age}
            for each in (services.cluster.sightings() if view.admin else ())
        ],
        "service": _breaker(breakers.service, None, history, now),
        "breakers": [_breaker(each, each.site, history, now) for each in worst_first[:BREAKERS]],
        "furtherBreakers": max(0, len(worst_first) - BREAKERS),
        "events": _events(services) if view.admin else [],
    }


def releases_in_use(status: RolloutStatus, pool: PoolStatistics) -> dict[str, Any]:
    """The verdict, and each release in use with its share of the jobs, its workers and slower functions."""
    shares = {status.serving: 1 - status.share} | ({status.canary: status.share} if status.canary else {})
    running = Counter(worker.ytdlp for worker in pool.workers)
    return {
        "verdict": status.verdict,
        "serving": status.serving,
        "canary": status.canary,
        "releases": [
            [version, shares.get(version, 0.0), running[version], len(pool.lost_patches.get(version, ()))]
            for version in dict.fromkeys([*shares, *sorted(running)])
            if version
        ],
    }


def _failures(
    noted: Sequence[FailureNote], view: View, reasons: Mapping[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """The latest of each site and code, with how many there were: one outage would hide every other.

    The sentence is the service's own, from `reasons` where there is one: the site's words may name what a
    client asked for.
    """
    times = Counter((failure.site, failure.code) for failure in noted)
    latest = {(failure.site, failure.code): failure for failure in reversed(noted)}
    return [
        {
            "age": failure.age,
            "site": failure.site,
            "code": failure.code,
            "times": times[failure.site, failure.code],
            "sentence": reasons.get((failure.site, failure.code), TRAITS[Code(failure.code)].sentence),
            **({"requestId": failure.request_id} if view.admin else {}),
        }
        for failure in sorted(latest.values(), key=lambda failure: failure.age)
    ]


def _runs(failing: Collection[str], cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """The runs of the `failing` sites by release and egress, each with its outcomes."""
    found: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for cell in cells:
        if cell.site in failing:
            found.setdefault((cell.site, cell.ytdlp, cell.egress), []).append((cell.outcome, cell.runs))
    return [
        {"site": site, "ytdlp": ytdlp, "egress": egress, "outcomes": sorted(outcomes)}
        for (site, ytdlp, egress), outcomes in sorted(found.items())[:RUNS]
    ]


def _breaker(breaker: BreakerStatistics, site: str | None, history: History, now: float) -> dict[str, Any]:
    return {
        "site": breaker.site,
        "state": breaker.state,
        "mode": breaker.mode,
        "failures": breaker.failures,
        "successes": breaker.successes,
        "requests": breaker.total_requests,
        "rejected": breaker.rejected_requests,
        "cooldown": breaker.cooldown_remaining,
        "moves": [[move.age, move.to, move.reason] for move in history.moves(site, now)],
    }


def _events(services: Services) -> list[dict[str, Any]]:
    """The latest events, the newest first, without ordinary starts and ends of workers."""
    told = [record for record in services.telemetry.event_log.recent() if record.level != "debug"]
    return [asdict(record) for record in reversed(told[-EVENTS:])]
