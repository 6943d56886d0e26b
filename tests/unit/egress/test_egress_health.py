"""Pure tests of the quarantines of the egress pool."""

from __future__ import annotations

from service.codes import CallResult
from service.egress.health import WHOLE, Health

GOOD, BAD, NOTHING = CallResult.SUCCESS, CallResult.FAILURE, CallResult.IGNORED


def job(
    health: Health, now: float, *, site: str = "a.example", here: CallResult = GOOD, whole: CallResult = GOOD
) -> None:
    health.end(health.begin(site, "fra1", now), now, site=here, whole=whole)


def test_two_failures_in_a_row_are_a_quarantine_for_that_site_alone() -> None:
    health = Health()
    job(health, 0.0, here=BAD)
    job(health, 1.0)
    job(health, 2.0, here=BAD)
    assert health.usable("a.example", "fra1", 2.0)
    job(health, 3.0, here=BAD)
    assert not health.usable("a.example", "fra1", 3.0)
    assert health.usable("b.example", "fra1", 3.0)
    assert health.usable("a.example", "fra2", 3.0)
    assert health.usable(WHOLE, "fra1", 3.0)
    (change,) = health.take_changes()
    assert (change.egress, change.site, change.seconds) == ("fra1", "a.example", 30.0)
    assert dict(health.quarantined("fra1", 13.0)) == {"a.example": 20.0}


def test_the_cooldown_doubles_up_to_ten_minutes_and_one_job_probes() -> None:
    health, now = Health(), 0.0
    job(health, now, here=BAD)
    job(health, now, here=BAD)
    for cooldown in (30, 60, 120, 240, 480, 600, 600):
        assert not health.usable("a.example", "fra1", now + cooldown - 1)
        now += cooldown
        assert health.wants_probe("a.example", "fra1", now)
        permits = health.begin("a.example", "fra1", now)
        assert not health.usable("a.example", "fra1", now), "one probe at a time"
        health.end(permits, now, site=BAD, whole=GOOD)
    now += 600
    job(health, now)
    assert health.usable("a.example", "fra1", now)
    assert not health.wants_probe("a.example", "fra1", now)
    assert health.failing("a.example", "fra1", now) == 0.0
    assert health.take_changes()[-1].seconds is None


def test_the_sites_own_pause_is_kept() -> None:
    health = Health()
    for _ in range(2):
        permits = health.begin("a.example", "fra1", 0.0)
        health.end(permits, 0.0, site=BAD, whole=GOOD, retry_after=300.0)
    assert not health.usable("a.example", "fra1", 299.0)
    assert health.usable("a.example", "fra1", 300.0)


def test_a_dead_egress_is_left_out_for_every_site_and_no_site_is_blamed() -> None:
    health = Health()
    job(health, 0.0, here=NOTHING, whole=BAD)
    job(health, 0.0, site="b.example", here=NOTHING, whole=BAD)
    assert not health.usable(WHOLE, "fra1", 0.0)
    assert health.usable("a.example", "fra1", 0.0)
    assert [change.site for change in health.take_changes()] == [WHOLE]


def test_a_success_in_panic_ends_the_quarantine() -> None:
    health = Health()
    job(health, 0.0, here=BAD)
    job(health, 0.0, here=BAD)
    job(health, 1.0)  # without a permit
    assert health.usable("a.example", "fra1", 1.0)


def test_an_egress_is_at_fault_where_it_does_not_reach_several_sites() -> None:
    health = Health()
    health.unreached("a.example", "fra1", 0.0)
    health.unreached("a.example", "fra1", 0.0)
    assert not health.usable("a.example", "fra1", 0.0)
    assert health.usable(WHOLE, "fra1", 0.0), "it may be the site"
    health.unreached("b.example", "fra1", 0.0)
    health.unreached("b.example", "fra1", 0.0)
    assert not health.usable(WHOLE, "fra1", 0.0)


def test_a_success_elsewhere_clears_it_of_that_suspicion() -> None:
    health = Health()
    for site in ("a.example", "b.example", "c.example", "d.example"):
        health.unreached(site, "fra1", 0.0)
        job(health, 0.0, site="good.example")
    health.unreached("e.example", "fra1", 0.0)
    health.unreached("e.example", "fra1", 0.0)
    assert health.usable(WHOLE, "fra1", 0.0)


def test_a_failure_is_forgotten_with_time() -> None:
    health = Health()
    job(health, 0.0, here=BAD)
    assert health.failing("a.example", "fra1", 0.0) == 0.3
    assert health.failing("a.example", "fra1", 300.0) == 0.0


def test_a_reset_ends_the_quarantines_of_a_site() -> None:
    health = Health()
    for site in ("a.example", "b.example"):
        job(health, 0.0, site=site, here=BAD)
        job(health, 0.0, site=site, here=BAD)
    assert health.reset("a.example", 0.0)
    assert health.usable("a.example", "fra1", 0.0)
    assert not health.usable("b.example", "fra1", 0.0)
    assert not health.reset("c.example", 0.0)


def test_a_flood_of_sites_does_not_end_a_quarantine_and_stays_bounded() -> None:
    health = Health(capacity=4)
    job(health, 0.0, here=BAD)
    job(health, 0.0, here=BAD)
    for number in range(100):
        job(health, 1.0, site=f"junk{number}.example")
    assert not health.usable("a.example", "fra1", 1.0)
    for number in range(10):  # all have state: further ones are not protected, and nothing breaks
        job(health, 1.0, site=f"bad{number}.example", here=BAD)
    assert len(health._breakers) == 4
