"""Pure: what the dashboard's header says, the worst first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.breaker.registry import Breakers
from service.breaker.settings import BreakerSettings
from service.breaker.statistics import BreakerStatistics
from service.events import Events
from service.lifecycle import Phase
from service.pool.statistics import WorkerStatistics
from service.web.pages.dashboard.trouble import BAD, HANGING, NOTE, STALE, WARN, Situation, troubles
from tests.support.web_app import SOLVER, WORKER, FakePool

CALM = Breakers(BreakerSettings(), Events(), clock=lambda: 0.0).statistics()


def situation(*, breakers: Any = CALM, phase: Phase = Phase.READY, **given: Any) -> Situation:
    own = {name: given.pop(name) for name in ("turned_away", "age", "newer", "names") if name in given}
    wait = given.pop("expected_wait", 0.0)
    pool = FakePool(given).statistics()
    pool = replace(pool, admission=replace(pool.admission, expected_wait=wait))
    return Situation(phase, pool, breakers, **own)


def breaker(
    site: str, state: str, mode: str = "AUTOMATIC", cooldown: float | None = None
) -> BreakerStatistics:
    return replace(CALM.service, site=site, state=state, mode=mode, cooldown_remaining=cooldown)


def busy(site: str | None, seconds: float) -> WorkerStatistics:
    return replace(WORKER, state="busy", site=site, busy_for=seconds)


def test_nothing_is_wrong() -> None:
    fresh = situation(workers=(busy("a.example", HANGING - 1),), age=STALE - 1, phase=Phase.READY)
    assert troubles(fresh) == []


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.READY])
def test_a_service_that_starts_or_stops(phase: Phase) -> None:
    (trouble,) = troubles(situation(phase=phase))
    assert trouble.level == WARN


def test_what_keeps_the_service_from_extracting() -> None:
    broken = replace(CALM, service=breaker("", "OPEN", cooldown=12.4))
    solver = replace(SOLVER, state="unavailable")
    found = troubles(situation(breakers=broken, active_workers=0, degraded=True, solver=solver))
    assert [(each.level, each.title) for each in found] == [
        (BAD, "No worker"),
        (BAD, "Cannot extract"),
        (BAD, "Workers fail to start"),
        (WARN, "No solver"),
    ]
    assert found[1].sentence == "No site is asked, again in 12 s"


def test_sites_by_what_their_breakers_do() -> None:
    sites = (
        breaker("one.example", "HALF_OPEN"),
        *(breaker(f"{number}.example", "OPEN", cooldown=200.0) for number in range(5)),
        breaker("held.example", "OPEN", "FORCED_OPEN"),
        breaker("free.example", "CLOSED", "DISABLED"),
    )
    found = troubles(situation(breakers=replace(CALM, sites=sites)))
    assert [(each.level, each.title) for each in found] == [
        (BAD, "5 sites fail"),
        (WARN, "1 site is tried again"),
        (WARN, "1 site is blocked"),
    ]
    assert found[0].sentence.startswith("No longer asked: 0.example, again in 3 min; 1.example")
    assert found[0].sentence.endswith("; 2 more")
    assert "held.example" in found[2].sentence


def test_an_overload_is_worse_than_a_queue() -> None:
    assert troubles(situation(queue_length=1, expected_wait=0.5)) == []
    (trouble,) = troubles(situation(queue_length=14, expected_wait=7.2))
    assert (trouble.level, trouble.title) == (WARN, "Busy")
    assert trouble.sentence == "14 requests in the queue, which takes 7 s"
    (trouble,) = troubles(situation(queue_length=14, expected_wait=7.2, turned_away=1))
    assert (trouble.level, trouble.title) == (BAD, "Overloaded")
    assert trouble.sentence.startswith("1 request turned away within a minute; 14 requests")


def test_a_site_that_hangs() -> None:
    workers = (busy("hang.example", 23.0), busy("hang.example", 11.0), busy("fast.example", 0.1))
    (trouble,) = troubles(situation(workers=workers, active_workers=3))
    assert (trouble.level, trouble.title) == (WARN, "hang.example hangs")
    assert trouble.sentence == "2 of 3 workers held by hang.example, for up to 23 s"
    (trouble,) = troubles(situation(workers=(*workers, busy("slow.example", 12.0)), active_workers=4))
    assert trouble.title == "Slow sites"


def test_a_yt_dlp_that_is_old_or_has_a_successor() -> None:
    day = 86_400.0
    (trouble,) = troubles(situation(age=99 * day))
    assert (trouble.level, trouble.title) == (NOTE, "yt-dlp is stale")
    assert trouble.sentence.startswith("yt-dlp 2026.08.19 is 99 days old; ")
    (trouble,) = troubles(situation(age=day, newer="2026.10.26"))
    assert trouble.sentence == "yt-dlp 2026.10.26 is out"
    (trouble,) = troubles(situation(age=99 * day, newer="2026.10.26"))
    assert trouble.sentence == "yt-dlp 2026.10.26 is out; yt-dlp 2026.08.19 is 99 days old"


def test_no_site_is_named_to_those_who_may_not_know_it() -> None:
    sites = (breaker("secret.example", "OPEN", cooldown=9.0), breaker("secret.example", "HALF_OPEN"))
    hidden = situation(
        breakers=replace(CALM, sites=sites), workers=(busy("secret.example", 20.0),), names=False
    )
    found = troubles(hidden)
    assert [each.title for each in found] == ["1 site fails", "1 site is tried again", "Slow sites"]
    assert not [each for each in found if "secret" in each.title + each.sentence]
