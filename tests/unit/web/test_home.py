"""Collaboration: who gets the page at /, under which policy, and that it has advice for every code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from service.codes import Code
from service.web.pages import home
from tests.support.web_app import web

FILES = Path(home.__file__).parent
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_the_page_under_a_strict_policy() -> None:
    it = web()
    page = await it.get("/", headers={"Accept": BROWSER})
    assert page.content_type == "text/html; charset=utf-8"
    assert "Accept" in page.headers.getlist("Vary")
    text = (await page.get_data()).decode()
    assert not re.search(r"<style|style=|<script(?! src)| on[a-z]+=", text)  # the policy would stop it
    loaded = re.findall(r'(?:href|src)="(home/[^"]+)"', text)
    assert len(loaded) == 2
    modules = re.findall(r'from "\./(\w+\.js)"', (FILES / "home.js").read_text())
    assert len(modules) == 3
    for path in (*loaded, *(f"home/{name}" for name in modules)):
        file = await it.get(f"/{path}")
        assert file.status_code == 200
        assert file.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    elsewhere = [rule for rule in policy.split("; ") if "http" in rule]
    assert elsewhere == ["img-src data: https:"]  # loaded where the visitor says so
    assert 'referrerpolicy="no-referrer"' in text


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html"])
async def test_every_other_client_gets_json(accept: str | None) -> None:
    response = await web().get("/", headers={} if accept is None else {"Accept": accept})
    assert response.content_type == "application/json"
    assert json.loads(await response.get_data())["service"] == "ytdlpd"


async def test_without_the_page_browsers_get_json_too() -> None:
    it = web(ui="off")
    response = await it.get("/", headers={"Accept": BROWSER})
    assert await response.get_data() == await (await web().get("/")).get_data()
    assert response.content_type == "application/json"
    assert (await it.get("/home/home.js")).status_code == 404


def test_the_page_has_advice_for_every_code() -> None:
    groups = re.findall(r'^  \["([A-Z_ ]+)", "', (FILES / "advice.js").read_text(), re.MULTILINE)
    assert sorted(" ".join(groups).split()) == sorted(Code)


def test_the_page_never_parses_html() -> None:
    for path in FILES.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text())
