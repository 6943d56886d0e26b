"""End-to-end: a real browser on pages of strangers, against a service on loopback that has no ADMIN_KEY."""

from __future__ import annotations

from typing import Any

import trio
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.browser import needs_browser
from tests.support.running_service import PATIENCE
from tests.support.web_app import Web, serving, web

OPEN = "/api/v1/admin/circuit-breaker/open"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\nConnection: close\r\n\r\n<p>a</p"

FETCH = """
const [url, options, done] = arguments;
fetch(url, options).then(answer => done([answer.type, answer.status]), () => done(["failed", 0]));
"""
FORM = """
const form = document.createElement("form");
form.method = "post"; form.enctype = "text/plain"; form.action = arguments[0];
document.body.append(form); form.submit();
"""
SNAPSHOT = """
const done = arguments[0];
fetch("/api/v1/dashboard/stream").then(async answer => {
  const reader = answer.body.getReader(), decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\\n\\n")) text += decoder.decode((await reader.read()).value, {stream: true});
  await reader.cancel();
  done(JSON.parse(text.split("data: ")[1].split("\\n\\n")[0]).admin);
});
"""


async def page(stream: trio.SocketStream) -> None:
    """Answer one request with a page of a stranger."""
    async with stream:
        await stream.receive_some(65536)
        await stream.send_all(PAGE)


def is_open(it: Web) -> bool:
    return trio.from_thread.run_sync(it.breakers.statistics).state == "OPEN"


def attack(it: Web, service: int, strangers: int, driver: Any) -> None:
    """Try every way from each page of a stranger, then from the service's own."""
    for origin in ("http://evil.test", "http://127.0.0.1", "http://localhost"):
        for target in ("http://127.0.0.1", "http://localhost", "http://ytdlpd.test"):
            url = f"{target}:{service}{OPEN}"
            driver.get(f"{origin}:{strangers}/")
            fetch(driver, url, method="POST", mode="no-cors")
            driver.execute_script(FORM, url)
            WebDriverWait(driver, PATIENCE).until(lambda shown: shown.current_url.endswith(OPEN))
            text = driver.find_element("tag name", "body").text
            assert "KEY_NOT_ALLOWED" in text, (origin, target)
            assert not is_open(it), (origin, target)
    # A name that is rebound to this machine: for the browser, all of it is one origin.
    driver.get(f"http://evil.test:{service}/dashboard")
    assert fetch(driver, OPEN, method="POST") == ["basic", 403]
    assert fetch(driver, "/api/v1/admin/quarantine") == ["basic", 403]
    assert fetch(driver, "/api/v1/events") == ["basic", 403]
    assert driver.execute_async_script(SNAPSHOT) is False
    assert not is_open(it)
    driver.get(f"http://127.0.0.1:{service}/dashboard")
    assert driver.execute_async_script(SNAPSHOT) is True
    assert fetch(driver, OPEN, method="POST") == ["basic", 200]
    assert is_open(it)


def fetch(driver: Any, url: str, **options: str) -> Any:
    return driver.execute_async_script(FETCH, url, options)


@needs_browser
async def test_no_page_but_its_own_is_an_admin(driver: Any) -> None:
    it = web()
    async with serving(it.app, it.lifecycle) as service, trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, page, listeners)
        strangers = listeners[0].socket.getsockname()[1]
        await trio.to_thread.run_sync(attack, it, service, strangers, driver)
        nursery.cancel_scope.cancel()
