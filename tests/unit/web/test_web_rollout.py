"""Collaboration: what admins see of the release that is being tried, and what they may do with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from service.releases.release import RolloutStatus
from service.releases.store import ReleaseStore
from service.web.pages.dashboard.snapshot import _snapshot
from tests.support.web_app import ROLLOUT, Web, web

ADMIN = {"X-API-Key": "an admin's key"}


def it(root: Path | None = None) -> Web:
    return web(admin_key=ADMIN["X-API-Key"], ytdlp_dir=root)


async def post(made: Web, action: str, **body: str) -> tuple[int, str]:
    """The status, and what was said."""
    response = await made.post(f"/api/v1/admin/releases/{action}", json=body, headers=ADMIN)
    answer = await response.get_json()
    return response.status_code, str(answer.get("message") or answer.get("error"))


async def test_the_release_that_is_tried_is_promoted_or_rolled_back() -> None:
    made = it()
    assert await post(made, "promote", version="2026.10.26") == (200, "2026.10.26 is promoted")
    assert (await post(made, "rollback", version="2026.10.26", reason="slow"))[0] == 200
    assert made.rollout.asked == [("promote", ""), ("rollback", "slow")]


@pytest.mark.parametrize("action", ["promote", "rollback"])
async def test_a_late_click_does_not_hit_another_release(action: str) -> None:
    made = it()
    status, said = await post(made, action, version="2026.8.19")
    assert (status, "2026.10.26" in said) == (400, True)
    assert made.rollout.asked == []


async def test_only_a_release_that_is_here_can_be_pinned(tmp_path: Path) -> None:
    status, said = await post(it(tmp_path), "pin", version="2020.1.1")
    assert status == 400
    assert "fetch it first" in said
    installed = ReleaseStore(None).installed().version
    assert (await post(it(tmp_path), "pin", version=installed))[0] == 200
    assert ReleaseStore(tmp_path).state().pinned == installed


async def test_a_key_is_asked_for() -> None:
    made = it()
    response = await made.post("/api/v1/admin/releases/promote", json={"version": "2026.10.26"})
    assert response.status_code == 401
    assert made.rollout.asked == []


async def test_the_dashboard_says_which_release_serves_which_share(autojump_clock: MockClock) -> None:
    made = it()
    shown = _snapshot(made.services, 0.0, admin=False)["rollout"]
    assert shown["verdict"] == ROLLOUT.verdict
    assert shown["releases"] == [["2026.8.19", 0.9, 1, 0], ["2026.10.26", 0.1, 0, 1]]
    made.rollout.shown = RolloutStatus("2026.8.19")
    shown = _snapshot(made.services, 0.0, admin=False)["rollout"]
    assert shown["releases"] == [["2026.8.19", 1.0, 1, 0]]
