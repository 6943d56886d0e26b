"""End-to-end: the dashboard of one of a hundred instances, in a browser, over a faked fleet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from selenium.webdriver.common.by import By

from service.cluster.messages import Member, Sighting
from tests.support import axe
from tests.support.browser import browser, errors, needs_browser
from tests.support.running_service import ADMIN_KEY, eventually
from tests.support.web_app import FakeCluster, Web, serving, web
from tests.unit.cluster.test_messages import ME
from tests.unit.web.test_dashboard import snapshot

SIZE = 100


def member(number: int, **further: Any) -> Member:
    named = {"id": f"id-{number}", "name": f"10.1.0.{number}:3000", "breakers": {}, "workers": 10, "busy": 4}
    return ME.model_copy(update={**named, **further})


@dataclass
class FakeFleet(FakeCluster):
    """Sees the `seen`."""

    id = "id-7"
    seen: list[Sighting] = field(default_factory=list)

    def sightings(self) -> tuple[Sighting, ...]:
        return tuple(self.seen)


def fleet() -> list[Sighting]:
    """The last three are in trouble: an open breaker, no heartbeat, and a drain."""
    seen = [Sighting(member(number), 1.5) for number in range(SIZE - 3)]
    seen.append(Sighting(member(97, breakers={"broken.test": "OPEN"}, version="1.1.0"), 1.5))
    seen.append(Sighting(member(98), 12.0))
    seen.append(Sighting(member(99, phase="draining"), 1.5))
    return seen


def with_fleet() -> Web:
    it = web(admin_key=ADMIN_KEY)
    it.cluster = FakeFleet(seen=fleet())
    it.build()
    return it


@needs_browser
async def test_trouble_is_seen_first_and_the_page_stays_short(tmp_path: Path) -> None:
    it = with_fleet()

    def look(port: int) -> None:
        with browser(str(tmp_path / "profile")) as driver:
            driver.get(f"http://127.0.0.1:{port}/dashboard")
            driver.execute_script("sessionStorage.setItem('ytdlpd key', arguments[0])", ADMIN_KEY)
            driver.refresh()
            eventually(lambda: len(driver.find_elements(By.CSS_SELECTOR, "#instances tbody tr")) == SIZE)
            rows = driver.find_elements(By.CSS_SELECTOR, "#instances tbody tr")
            first = [row.find_element(By.CSS_SELECTOR, ".site").text for row in rows[:5]]
            assert first == [f"10.1.0.{number}:3000" for number in (99, 98, 97, 0, 1)]
            assert "heard 12 s ago" in rows[1].text
            summary = driver.find_element(By.ID, "fleet").text
            assert summary == "100 \u00b7 1 not ready \u00b7 2 versions \u00b7 400 of 1,000 workers busy"
            card = driver.find_element(By.ID, "instances-card")
            assert card.size["height"] < 500  # of some 5,000 without a bound
            card.screenshot(str(tmp_path / "instances.png"))
            assert axe.serious(driver) == []
            it.cluster.seen = it.cluster.seen[:1]  # type: ignore[union-attr]
            eventually(lambda: len(driver.find_elements(By.CSS_SELECTOR, "#instances tbody tr")) == 1)
            assert errors(driver) == []

    async with serving(it.app, it.lifecycle) as port:
        await trio.to_thread.run_sync(look, port)


async def test_a_snapshot_of_a_hundred_is_small() -> None:
    """It is sent once a second to whoever looks."""
    sizes = [len(json.dumps(await snapshot(it, x_api_key=ADMIN_KEY))) for it in (with_fleet(), alone())]
    assert sizes[0] - sizes[1] < 400 * SIZE


def alone() -> Web:
    return web(admin_key=ADMIN_KEY)
