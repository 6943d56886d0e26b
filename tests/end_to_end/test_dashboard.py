"""End-to-end: the dashboard in a real browser, on a real service, while a site breaks and is healed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.internet import Internet
from tests.support.browser import browser, emulate, errors, needs_browser, picture
from tests.support.running_service import ADMIN_KEY, Service, eventually

pytestmark = needs_browser

SITE = "tube.example"


@pytest.fixture
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"CB_COOLDOWN_MS": 600_000, "CACHE_MAX_BYTES": 0}) as running:
        yield running
    internet.reset()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Any]:
    with browser(str(tmp_path / "profile")) as running:
        yield running


def text(driver: Any, selector: str) -> str:
    return str(driver.find_element(By.CSS_SELECTOR, selector).text)


def shows(driver: Any, selector: str, expected: str) -> None:
    """Wait until the element's text holds `expected`."""
    eventually(lambda: expected in text(driver, selector))


def break_site(service: Service, internet: Internet) -> None:
    internet.fail(SITE, "500")
    with ThreadPoolExecutor(6) as clients:
        list(clients.map(service.extract, (f"https://{SITE}/{number}" for number in range(12))))


def enter_key(driver: Any) -> None:
    driver.find_element(By.ID, "key-button").click()
    driver.switch_to.active_element.send_keys(ADMIN_KEY, Keys.ENTER)
    eventually(lambda: "is-admin" in driver.find_element(By.TAG_NAME, "body").get_attribute("class"))


def test_it_follows_an_outage_and_an_admin_ends_it(
    service: Service, internet: Internet, driver: Any, tmp_path: Path
) -> None:
    assert service.extract("https://youtu.be/dQw4w9WgXcQ").status_code == 200
    driver.get(service.url + "/dashboard")
    shows(driver, "#health", "Healthy")
    shows(driver, "#breakers tbody", "youtube.com")
    shows(driver, "#reason", "workers")
    assert not driver.find_element(By.ID, "events-card").is_displayed()
    button = driver.find_element(By.CSS_SELECTOR, "[aria-label='Reset the breaker of youtube.com']")
    assert not button.is_displayed()
    save(driver, tmp_path, "idle")

    enter_key(driver)
    shows(driver, "#events", "Service ready")
    break_site(service, internet)
    shows(driver, "#health", "1 site in trouble")
    shows(driver, "#breakers tbody tr:first-child", SITE)
    shows(driver, "#breakers tbody tr:first-child .pill", "open")
    shows(driver, "#codes", "UPSTREAM_ERROR")
    shows(driver, "#failures", SITE)
    save(driver, tmp_path, "outage")

    reset = driver.find_element(By.CSS_SELECTOR, f"[aria-label='Reset the breaker of {SITE}']")
    reset.send_keys(Keys.ENTER)  # by keyboard
    shows(driver, "#notice", f"The circuit breaker of {SITE} was reset")
    shows(driver, "#health", "Healthy")
    row = driver.find_element(By.CSS_SELECTOR, f"[data-key='{SITE}']")
    eventually(lambda: row.find_element(By.CSS_SELECTOR, ".pill").text == "closed")
    assert driver.switch_to.active_element == reset
    assert errors(driver) == []


def test_the_breakers_other_buttons(service: Service, driver: Any) -> None:
    service.extract("https://youtu.be/dQw4w9WgXcQ")
    driver.get(service.url + "/dashboard")
    enter_key(driver)
    for label, shown in (
        ("Hold the breaker of youtube.com open", "held open"),
        ("Disable the breaker of youtube.com", "disabled"),
        ("Reset the breaker of youtube.com", "closed"),
    ):
        driver.find_element(By.CSS_SELECTOR, f"[aria-label='{label}']").click()
        shows(driver, "[data-key='youtube.com'] .pill", shown)
    assert errors(driver) == []


def test_it_asks_for_the_key_where_one_is_required(internet: Internet, driver: Any) -> None:
    settings = {"REQUIRE_AUTH": "true", "API_KEY": "the key"}
    with Service.run(internet, settings=settings) as service:
        driver.get(service.url + "/dashboard")
        dialog = driver.find_element(By.ID, "key-dialog")
        eventually(dialog.is_displayed)
        driver.switch_to.active_element.send_keys("the key", Keys.ENTER)
        shows(driver, "#health", "Healthy")
        assert not driver.find_element(By.ID, "events-card").is_displayed()
        assert "401" in errors(driver)[0]  # Chromium's own note of the first answer


def test_it_comes_back_when_the_service_does(internet: Internet, driver: Any) -> None:
    with Service.run(internet) as service:
        driver.get(service.url + "/dashboard")
        shows(driver, "#health", "Healthy")
        port = service.url.rpartition(":")[2]
    shows(driver, "#link", "trying again")
    with Service.run(internet, settings={"PORT": port}):
        shows(driver, "#health", "Healthy")
        assert text(driver, "#link") == ""


def test_it_fits_a_phone_and_the_dark(service: Service, driver: Any, tmp_path: Path) -> None:
    service.extract("https://youtu.be/dQw4w9WgXcQ")
    emulate(driver, scheme="dark", width=390)
    driver.get(service.url + "/dashboard")
    enter_key(driver)
    shows(driver, "#breakers tbody", "youtube.com")
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(16, 19, 23)"
    save(driver, tmp_path, "phone")
    assert errors(driver) == []


def test_everything_has_a_name_for_a_screen_reader(service: Service, driver: Any) -> None:
    service.extract("https://youtu.be/dQw4w9WgXcQ")
    driver.get(service.url + "/dashboard")
    enter_key(driver)
    shows(driver, "#breakers tbody", "youtube.com")
    nameless = driver.execute_script(
        """return [...document.querySelectorAll("button, input, svg, section, table")].filter((element) => !(
             element.getAttribute("aria-label") || element.getAttribute("aria-hidden") || element.caption ||
             element.labels?.length || document.getElementById(element.getAttribute("aria-labelledby")) ||
             (element.tagName === "BUTTON" && element.textContent.trim())
           )).map((element) => element.outerHTML)"""
    )
    assert nameless == []
    levels = driver.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3')].map((h) => h.tagName)"
    )
    assert levels[0] == "H1"
    assert set(levels[1:]) == {"H2"}


def save(driver: Any, folder: Path, name: str) -> None:
    """Keep a picture for people: in SCREENSHOTS where that is set."""
    place = Path(os.environ.get("SCREENSHOTS", folder))
    path = place / f"{name}.png"
    picture(driver, str(path))
    assert path.stat().st_size > 20_000  # a blank page has a few thousand bytes
