"""Collaboration: what the dashboard shows of the release that is being tried."""

from __future__ import annotations

from trio.testing import MockClock

from service.releases.release import RolloutStatus
from service.web.pages.dashboard.snapshot import _snapshot
from tests.support.web_app import ROLLOUT, web

async def test_the_dashboard_says_which_release_serves_which_share(autojump_clock: MockClock) -> None:
    made = web()
    await trio.sleep(1)
    shown = (await shot(made))
    assert shown["verdict"] == ROLLOUT.verdict
    assert shown["releases"] == [["2026.8.19", 0.9, 1, 0], ["2026.10.26", 0.1, 0, 1]]
    made.rollout.shown = RolloutStatus("2026.8.19")
    await trio.sleep(1)  # a snapshot is kept for a moment
    shown = await shot(made)
    assert shown["releases"] == [["2026.8.19", 1.0, 1, 0]]
