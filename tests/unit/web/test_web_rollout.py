"""Pure: what the dashboard shows of the release that is being tried."""

from __future__ import annotations

from trio.testing import MockClock

from service.releases.release import RolloutStatus
from service.web.pages.dashboard.snapshot import releases_in_use
from tests.support.web_app import ROLLOUT, FakePool


async def test_the_dashboard_says_which_release_serves_which_share(autojump_clock: MockClock) -> None:
    pool = FakePool().statistics()
    shown = releases_in_use(ROLLOUT, pool)
    assert shown["verdict"] == ROLLOUT.verdict
    assert shown["releases"] == [["2026.8.19", 0.9, 1, 0], ["2026.10.26", 0.1, 0, 1]]
    shown = releases_in_use(RolloutStatus("2026.8.19"), pool)
    assert shown["releases"] == [["2026.8.19", 1.0, 1, 0]]
