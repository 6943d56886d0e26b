"""End-to-end: the page for people in a real browser, on a real service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.internet import Internet
from tests.support.browser import emulate, errors, needs_browser
from tests.support.running_service import Service, eventually

pytestmark = needs_browser

VIDEO = "https://youtu.be/dQw4w9WgXcQ"


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"MIN_WORKERS": 1, "MAX_WORKERS": 1}) as running:
        yield running


@pytest.fixture
def driver(driver: Any, service: Service) -> Any:
    """The browser, on the page."""
    driver.get(service.url + "/")
    return driver


def text(driver: Any, selector: str) -> str:
    return str(driver.find_element(By.CSS_SELECTOR, selector).text)


def shows(driver: Any, selector: str, expected: str) -> None:
    """Wait until the element's text holds `expected`."""
    eventually(lambda: expected in text(driver, selector))


def paste(driver: Any, url: str) -> None:
    assert driver.switch_to.active_element.get_attribute("id") == "url"
    driver.switch_to.active_element.send_keys(url, Keys.ENTER)


def watch(driver: Any) -> None:
    """Keep all that the status line says from now on."""
    driver.execute_script(
        """
        window.told = [];
        const say = ({addedNodes}) => addedNodes.forEach((node) => window.told.push(node.data));
        const observer = new MutationObserver((changes) => changes.forEach(say));
        observer.observe(document.getElementById("status"), {childList: true});
        """
    )


def told(driver: Any) -> list[str]:
    return list(driver.execute_script("return window.told"))


def fits(driver: Any) -> bool:
    return bool(driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_video_has_a_table_of_sizes(service: Service, driver: Any) -> None:
    paste(driver, VIDEO)
    shows(driver, "#status", "Done")
    answer = service.size(VIDEO).json()
    assert text(driver, "#h-title") == answer["title"]
    rows = [row.text for row in driver.find_elements(By.CSS_SELECTOR, "#sizes tbody tr")]
    for size in answer["resolutions"]:
        assert any(
            row.startswith(size["resolution"]) and (size["human"] or size["reason"]) in row for row in rows
        )
    assert any(row.startswith("Audio") and answer["audio"]["human"] in row for row in rows)
    assert any(row.startswith("1080p") and "AV1, 30 fps" in row for row in rows)
    assert json.loads(driver.find_element(By.ID, "json").get_attribute("textContent")) == answer
    assert f"curl -sN '{service.url}/api/v1/size'" in driver.find_element(By.ID, "curl").get_attribute(
        "textContent"
    )
    assert errors(driver) == []


def test_an_address_needs_no_scheme(driver: Any) -> None:
    paste(driver, " youtu.be/dQw4w9WgXcQ")
    shows(driver, "#status", "Done")
    assert driver.find_element(By.ID, "url").get_attribute("value") == VIDEO


def test_it_tells_the_place_in_the_queue(service: Service, driver: Any) -> None:
    """The only worker is busy until the client before leaves."""
    hanging = {"url": "https://drip.fail-130.example/"}
    watch(driver)
    with httpx.stream(
        "GET", f"{service.url}/api/v1/extract", params=hanging, headers={"Accept": "text/event-stream"}
    ) as before:
        lines = before.iter_lines()  # the answer is closed where this is dropped
        assert "event: started" in lines
        paste(driver, "https://youtu.be/queued_____")
        eventually(lambda: any(said.startswith("Queued at place 1") for said in told(driver)))
    shows(driver, "#status", "Done")
    assert told(driver)[-2:] == ["Started: the site is being asked.", "Done."]
    assert not driver.find_element(By.ID, "busy").is_displayed()


def test_it_tells_of_another_attempt(driver: Any) -> None:
    watch(driver)
    paste(driver, "https://500.fail-131.example/")
    shows(driver, "#code", "UPSTREAM_ERROR")
    assert any(
        re.match(r"The site answered .* Trying again in \d+ s, attempt 2\.", said) for said in told(driver)
    )
    assert "later" in text(driver, "#advice")


def test_escape_cancels_what_is_asked(service: Service, driver: Any) -> None:
    paste(driver, "https://drip.fail-132.example/")
    shows(driver, "#status", "Started")
    assert driver.find_element(By.ID, "busy").is_displayed()
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    shows(driver, "#status", "Cancelled")
    eventually(lambda: service.pool()["activeTasks"] == 0)


def test_a_picture_is_loaded_only_where_the_visitor_says_so(driver: Any) -> None:
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*ytimg.com*"]})
    paste(driver, VIDEO)
    shows(driver, "#pictures", "from i.ytimg.com")
    picture = driver.find_element(By.ID, "thumbnail")
    assert picture.get_attribute("src") is None
    driver.find_element(By.ID, "pictures").click()
    shows(driver, "#no-picture", "cannot be had")  # it was asked for
    assert picture.get_attribute("src").startswith("https://i.ytimg.com/")
    assert not any("Content Security Policy" in message for message in errors(driver))
    driver.find_element(By.ID, "pictures").click()
    assert picture.get_attribute("src") is None


def test_it_shows_what_is_said(driver: Any) -> None:
    paste(driver, VIDEO)
    shows(driver, "#status", "Done")
    driver.find_element(By.ID, "say").send_keys(Keys.ENTER)
    shows(driver, "#words", "and welcome")


def test_an_error_says_what_to_do(driver: Any) -> None:
    paste(driver, "https://youtu.be/private____")
    shows(driver, "#code", "PRIVATE")
    assert "private" in text(driver, "#h-error")
    assert "account" in text(driver, "#advice")
    assert all("422" in message for message in errors(driver))  # Chromium's own note of the answer


def test_a_list_shows_its_entries_and_their_sum(driver: Any) -> None:
    paste(driver, "https://feed.example/rss.xml")
    shows(driver, "#code", "IS_A_LIST")
    driver.find_element(By.ID, "entries").send_keys(Keys.ENTER)
    shows(driver, "#sum", "for entries 1 to ")
    shows(driver, "#status", "Done")
    entries = [row.text for row in driver.find_elements(By.CSS_SELECTOR, "#entry-sizes tbody tr")]
    titles = [f"{number}. Episode {number}" for number in range(1, 6)]
    assert [entry[: len(title)] for entry, title in zip(entries, titles, strict=True)] == titles


def test_it_fits_a_small_phone_and_the_dark(driver: Any) -> None:
    emulate(driver, scheme="dark", width=320)
    assert fits(driver)
    paste(driver, VIDEO)
    shows(driver, "#status", "Done")
    assert fits(driver)
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(16, 19, 23)"
    driver.refresh()
    paste(driver, "https://direct.example/video.mp4")
    shows(driver, "#status", "Done")
    *_, best = driver.find_elements(By.CSS_SELECTOR, "#sizes tbody tr")
    size, known = (best.find_element(By.CSS_SELECTOR, f"td:nth-child({place})").rect for place in (2, 4))
    assert size["y"] + size["height"] <= known["y"], "how it is known stands below the size"


def test_it_asks_for_the_key_where_one_is_required(internet: Internet, driver: Any) -> None:
    with Service.run(internet, settings={"REQUIRE_AUTH": "true", "API_KEY": "the key"}) as service:
        driver.get(service.url + "/")
        paste(driver, VIDEO)
        eventually(driver.find_element(By.ID, "key-dialog").is_displayed)
        driver.switch_to.active_element.send_keys("the key", Keys.ENTER)
        shows(driver, "#status", "Done")
        assert "$API_KEY" in driver.find_element(By.ID, "curl").get_attribute("textContent")
