"""Collaboration: the dashboard's files and their policy, who may follow it, and what it tells of failures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import trio

from service.web.pages import dashboard
from tests.support.streaming_client import asking
from tests.support.web_app import Web, web

FILES = Path(dashboard.__file__).parent
STREAM = "/api/v1/dashboard/stream"
ADMIN = "the key of an admin"


async def snapshot(it: Web, **headers: str) -> dict[str, Any]:
    async with asking(it.app, "GET", STREAM, **headers) as viewer:
        assert viewer.status == 200
        data = (await viewer.piece()).decode()
        viewer.leave()
    shown: dict[str, Any] = json.loads(data.partition("data: ")[2])
    return shown


async def test_the_page_and_what_it_loads_have_a_strict_policy() -> None:
    it = web()
    page = await it.get("/dashboard")
    text = (await page.get_data()).decode()
    assert not re.search(r"<style|style=|<script(?! src)| on[a-z]+=", text)  # the policy would stop it
    imported = {f"dashboard/{name}" for path in FILES.glob("*.js") for name in imports(path)}
    for path in {*re.findall(r'(?:href|src)="(dashboard/[^"]+)"', text), *imported}:
        file = await it.get(f"/{path}")
        assert file.status_code == 200, path
        assert file.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]
    assert imported | {"dashboard/dashboard.js"} == {f"dashboard/{path.name}" for path in FILES.glob("*.js")}
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def imports(path: Path) -> list[str]:
    return re.findall(r'^import .* from "\./(.+)";$', path.read_text(), re.MULTILINE)


def test_the_page_never_parses_html() -> None:
    for path in FILES.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text())


async def test_an_unknown_key_is_refused_even_where_none_is_needed() -> None:
    it = web(admin_key=ADMIN)
    refused = await it.get(STREAM, headers={"X-API-Key": "a wrong key"})
    assert refused.status_code == 401
    assert "not known" in (await refused.get_json())["error"]
    assert not (await snapshot(it))["admin"]
    assert (await snapshot(it, x_api_key=ADMIN))["admin"]


async def test_an_outage_does_not_hide_other_failures() -> None:
    it = web(admin_key=ADMIN)
    history = it.telemetry.history
    history.job(0.0, "rare.test", "EXTRACTOR_BROKEN", 1.0, "req_rare")
    for number in range(20):
        history.job(1.0 + number, "down.test", "UPSTREAM_ERROR", 1.0, f"req_{number}")
    failures = (await snapshot(it, x_api_key=ADMIN))["failures"]
    told = [(each["site"], each["code"], each["times"], each["requestId"]) for each in failures]
    assert told == [
        ("down.test", "UPSTREAM_ERROR", 20, "req_19"),
        ("rare.test", "EXTRACTOR_BROKEN", 1, "req_rare"),
    ]
    assert failures[0]["sentence"] == "the site answered with an error"
    assert all("requestId" not in each for each in (await snapshot(it))["failures"])


async def test_it_says_who_is_an_administrator_here() -> None:
    assert "ADMIN_KEY is not set" in (await snapshot(web(host="0.0.0.0")))["admins"]
    assert (await snapshot(web(admin_key=ADMIN)))["admins"] == "clients with an admin's key"


async def test_requests_turned_away_are_an_overload() -> None:
    it = web()
    assert "Overloaded" not in {each["title"] for each in (await snapshot(web()))["troubles"]}
    it.telemetry.history.job(trio.current_time(), "busy.test", "QUEUE_FULL", 0.0)
    (trouble,) = [each for each in (await snapshot(it))["troubles"] if each["title"] == "Overloaded"]
    assert trouble["level"] == "bad"
