"""Collaboration: the admin endpoints of releases, on a real store in a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.releases.release import RolloutStatus
from service.releases.store import ReleaseStore
from tests.support.web_app import FakeCluster, Web, web
from tests.unit.releases.test_store import put

PATH = "/api/v1/admin/releases"
KEY = {"X-API-Key": "the key of an admin"}
OLDER, NEWER = "2030.1.1", "2030.1.2"


def app(root: Path) -> Web:
    for version in (OLDER, NEWER):
        put(root, version)
    return web(admin_key="the key of an admin", ytdlp_dir=root)


async def post(it: Web, name: str, **body: Any) -> Any:
    return await it.post(f"{PATH}/{name}", body, headers=KEY)


async def states(it: Web) -> dict[str, list[str]]:
    answer = await (await it.get(PATH, headers=KEY)).get_json()
    return {each["version"]: each["state"] for each in answer["releases"]}


async def test_they_are_for_admins(tmp_path: Path) -> None:
    it = app(tmp_path)
    assert (await it.get(PATH)).status_code == 401
    assert (await it.post(f"{PATH}/pin", {"version": OLDER})).status_code == 401
    assert ReleaseStore(tmp_path).state().pinned is None


async def test_each_decision_is_kept_and_listed(tmp_path: Path) -> None:
    it, store = app(tmp_path), ReleaseStore(tmp_path)
    installed = store.installed().version
    assert await states(it) == {installed: ["serving"], OLDER: [], NEWER: []}
    assert (await post(it, "activate", version=OLDER)).status_code == 200
    await post(it, "activate", version=NEWER)
    assert await states(it) == {installed: [], OLDER: ["lastGood"], NEWER: ["serving", "active"]}
    await post(it, "rollback", reason="it was worse")
    assert await states(it) == {installed: [], OLDER: ["serving", "active"], NEWER: ["barred"]}
    await post(it, "unbar", version=NEWER)
    await post(it, "pin", version=NEWER)
    assert store.state().pinned == NEWER
    assert (await it.post(f"{PATH}/unpin", {}, headers=KEY)).status_code == 200
    await post(it, "remove", version=NEWER)
    assert NEWER not in await states(it)
    answer = await post(it, "bar", version="2030.2.1", reason="it is known to be bad")
    assert (await answer.get_json())["barred"] == {"2030.2.1": "it is known to be bad"}


async def test_what_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    it = app(tmp_path)
    for name, body, why in (
        ("pin", {"version": "2031.1.1"}, "there is no release 2031.1.1 here"),
        ("remove", {"version": ReleaseStore(None).installed().version}, "came with the installation"),
        ("fetch", {"version": "../../etc"}, "is not a version"),
        ("promote", {}, "no release is being tried"),
        ("pin", {}, "version is required"),
    ):
        answer = await post(it, name, **body)
        assert answer.status_code == 400, name
        assert why.lower() in (await answer.get_json())["error"].lower()
    without = web(admin_key="the key of an admin")
    assert "YTDLP_DIR" in (await (await post(without, "fetch", version="latest")).get_json())["error"]


async def test_a_fetch_is_taken_up_and_does_not_hold_the_answer(tmp_path: Path) -> None:
    it = app(tmp_path)
    assert (await post(it, "fetch", version="latest")).status_code == 200
    again = await post(it, "fetch", version="latest")
    assert "is being fetched" in (await again.get_json())["error"]


class FakeRollout:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def begin(self, version: str) -> None:
        self.asked.append(("begin", version))

    def promote(self) -> None:
        self.asked.append(("promote", ""))

    def rollback(self, reason: str) -> None:
        self.asked.append(("rollback", reason))

    def status(self) -> RolloutStatus:
        return RolloutStatus(OLDER, NEWER, 0.1, "3 pairs for it, 0 against")


async def test_a_rollout_is_asked_where_there_is_one(tmp_path: Path) -> None:
    it, rollout = app(tmp_path), FakeRollout()
    it.rollout = rollout
    it.build()
    await post(it, "activate", version="2030.01.02")
    await post(it, "promote")
    answer = await (await post(it, "rollback", reason="no")).get_json()
    assert rollout.asked == [("begin", NEWER), ("promote", ""), ("rollback", "no")]
    assert answer["verdict"] == "3 pairs for it, 0 against"
    assert (await states(it))[NEWER] == ["canary"]


async def test_pins_and_bars_are_for_all_instances(tmp_path: Path) -> None:
    it, cluster = app(tmp_path), FakeCluster()
    it.cluster = cluster
    it.build()
    answer = await (await post(it, "pin", version="2030.01.02")).get_json()
    assert answer["others"] == [{"name": "another", "before": "before", "after": "after", "problem": None}]
    await it.post(f"{PATH}/unpin", {}, headers=KEY)
    await post(it, "bar", version=OLDER, reason="it is bad")
    await post(it, "unbar", version=OLDER)
    assert cluster.ordered == [
        ("pin", NEWER, "an admin said so"),
        ("unpin", None, ""),
        ("bar", OLDER, "it is bad"),
        ("unbar", OLDER, "an admin said so"),
    ]
    assert (await post(it, "pin", version="2031.1.1")).status_code == 400
    answer = await (await post(it, "activate", version=OLDER)).get_json()
    assert answer["others"] == []
    assert len(cluster.ordered) == 4


async def test_health_names_a_newer_release_and_its_trouble_only_to_admins(tmp_path: Path) -> None:
    it = app(tmp_path)
    shown = (await (await it.get("/health")).get_json())["update"]
    assert shown == {"mode": "notify", "available": None, "fetching": None, "problem": ""}
