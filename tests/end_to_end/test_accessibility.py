"""End-to-end: axe finds nothing serious on the pages, in light and dark, on a screen and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.internet import Internet
from tests.support import axe
from tests.support.browser import emulate, needs_browser
from tests.support.running_service import ADMIN_KEY, Service, eventually

pytestmark = needs_browser


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    """A service with something of everything to show: an open breaker, failures, what sites declined."""
    with Service.run(internet, settings={"CB_COOLDOWN_MS": 600_000}) as running:
        for url in ("https://youtu.be/dQw4w9WgXcQ", "https://youtu.be/private____"):
            running.extract(url)
        internet.fail("tube.example", "500")
        with ThreadPoolExecutor(10) as clients:
            list(clients.map(running.extract, (f"https://tube.example/{number}" for number in range(10))))
        internet.reset()
        running.post("/api/v1/admin/circuit-breaker/open", {"site": "youtube.com"})
        yield running


def shows(driver: Any, selector: str, expected: str) -> None:
    eventually(lambda: expected in driver.find_element(By.CSS_SELECTOR, selector).text)


def dashboard(driver: Any, url: str) -> None:
    driver.get(url + "/dashboard")
    driver.execute_script("sessionStorage.setItem('ytdlpd key', arguments[0])", ADMIN_KEY)
    driver.refresh()
    for place, expected in (
        ("#events", "Service ready"),
        ("#failures", "UPSTREAM_ERROR"),
        ("#breakers", "open"),
    ):
        shows(driver, place, expected)
    driver.find_element(By.ID, "throughput-chart").send_keys(Keys.END)


def dialog(driver: Any, url: str) -> None:
    driver.get(url + "/dashboard")
    driver.execute_script("sessionStorage.clear()")
    driver.refresh()
    shows(driver, "#breakers", "open")
    driver.find_element(By.ID, "sign-in").click()
    driver.switch_to.active_element.send_keys("a wrong key", Keys.ENTER)
    shows(driver, "#key-problem", "not known")


def home(driver: Any, url: str) -> None:
    driver.get(url + "/")
    driver.switch_to.active_element.send_keys("https://html5.example/", Keys.ENTER)
    shows(driver, "#status", "Done")


def api(driver: Any, url: str) -> None:
    driver.get(url + "/api/v1/docs")
    operation = "[id$='post_size'] .opblock-summary-control"
    eventually(lambda: driver.find_elements(By.CSS_SELECTOR, operation))
    driver.execute_script("document.querySelector(arguments[0]).click()", operation)
    eventually(lambda: driver.find_elements(By.CSS_SELECTOR, ".opblock.is-open textarea[aria-label]"))


ALL = [(scheme, width) for scheme in ("light", "dark") for width in (None, 390)]
CASES = [
    *((page, *case) for page in (dashboard, dialog, home) for case in ALL),
    *((api, *case) for case in (("light", None), ("dark", 390))),  # axe takes seconds for all of Swagger UI
]


@pytest.mark.parametrize(("page", "scheme", "width"), CASES)
def test_axe_finds_nothing_serious(
    service: Service, driver: Any, page: Callable[[Any, str], None], scheme: str, width: int | None
) -> None:
    emulate(driver, scheme=scheme, width=width)
    page(driver, service.url)
    assert axe.serious(driver) == []
