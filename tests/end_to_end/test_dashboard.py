"""End-to-end: the dashboard in a real browser, on a real service, while a site breaks and is healed."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.internet import Internet
from tests.support.browser import emulate, errors, needs_browser, picture
from tests.support.running_service import ADMIN_KEY, Service, eventually

pytestmark = needs_browser

SITE, OTHER = "tube.example", "youtube.com"
VIDEO = "https://youtu.be/dQw4w9WgXcQ"
EGRESSES = ("fra1", "fra2")


@pytest.fixture(scope="module")
def running(internet: Internet) -> Iterator[Service]:
    settings = {
        "CB_COOLDOWN_MS": 600_000,
        "CACHE_MAX_BYTES": 0,
        "EGRESS": json.dumps({name: {"proxy": internet.proxy_of(name), "class": "de"} for name in EGRESSES}),
        "EGRESS_CA_FILE": internet.ca_file,
        "YTDLP": json.dumps({"language": "de"}),
    }
    with Service.run(settings=settings) as service:
        assert service.extract(VIDEO).status_code == 200
        yield service


@pytest.fixture
def service(running: Service, internet: Internet) -> Iterator[Service]:
    """The module's service, with everything as new afterwards."""
    yield running
    internet.reset()
    assert running.post("/api/v1/admin/circuit-breaker/reset", {}).status_code == 200


def text(driver: Any, selector: str) -> str:
    return str(driver.find_element(By.CSS_SELECTOR, selector).text)


def shows(driver: Any, selector: str, expected: str) -> None:
    """Wait until the element's text holds `expected`."""
    eventually(lambda: expected in text(driver, selector))


def button(driver: Any, label: str) -> Any:
    return driver.find_element(By.CSS_SELECTOR, f"[aria-label='{label}']")


def focused(driver: Any) -> str:
    return str(driver.switch_to.active_element.get_attribute("id"))


def break_site(service: Service, internet: Internet) -> None:
    internet.fail(SITE, "500")
    with ThreadPoolExecutor(6) as clients:
        list(clients.map(service.extract, (f"https://{SITE}/{number}" for number in range(12))))


def sign_in(driver: Any, key: str = ADMIN_KEY) -> None:
    driver.find_element(By.ID, "sign-in").click()
    driver.switch_to.active_element.send_keys(key, Keys.ENTER)
    shows(driver, "#who", "Signed in as administrator")


def test_it_follows_an_outage_and_an_admin_ends_it(
    service: Service, internet: Internet, driver: Any, tmp_path: Path
) -> None:
    driver.get(service.url + "/dashboard")
    shows(driver, "#health", "Healthy")
    shows(driver, "#breakers tbody", OTHER)
    shows(driver, "#reason", "workers")
    assert not driver.find_element(By.ID, "events-card").is_displayed()
    assert not button(driver, f"Reset the breaker of {OTHER}").is_displayed()
    save(driver, tmp_path, "idle")

    sign_in(driver)
    shows(driver, "#events", "Service ready")
    service.extract("https://youtu.be/private____")
    break_site(service, internet)
    shows(driver, "#health", "1 site fails")
    shows(driver, "#troubles", f"No longer asked: {SITE}, again in ")
    shows(driver, "#breakers tbody tr:first-child", SITE)
    first = text(driver, "#breakers tbody tr:first-child")
    assert "open\ntried again in " in first  # the reason and the countdown in plain sight
    assert "calls failed" in first
    shows(driver, "#failed-codes", "UPSTREAM_ERROR")
    assert "PRIVATE" in text(driver, "#declined-codes")  # the site said no: that is no failure
    assert "PRIVATE" not in text(driver, "#failed-codes") + text(driver, "#failures")
    shows(driver, "#failures", "the site answered with an error")
    assert re.search(r"req_\w{20}", text(driver, "#failures")).group() in service.log  # type: ignore[union-attr]
    save(driver, tmp_path, "outage")

    reset = button(driver, f"Reset the breaker of {SITE}")
    reset.send_keys(Keys.ENTER)  # by keyboard
    shows(driver, "#notice", f"The breaker of {SITE} is as new")
    shows(driver, "#health", "Healthy")
    row = driver.find_element(By.CSS_SELECTOR, f"[data-key='{SITE}']")
    eventually(lambda: row.find_element(By.CSS_SELECTOR, ".pill").text == "closed")
    assert driver.switch_to.active_element == reset
    assert errors(driver) == []


def test_it_tells_where_a_site_fails_and_how_the_egresses_do(
    service: Service, internet: Internet, driver: Any
) -> None:
    driver.get(service.url + "/dashboard")
    internet.fail("guarded.example", "cloudflare", egress="fra1")
    for _ in range(2):  # which an egress may have once without being left out
        assert service.extract("https://guarded.example/", egress="fra1").json()["code"] == "BOT_CHECK"
    shows(driver, "#runs", "guarded.example")
    assert re.search(r"guarded\.example \S+ fra1 0 % BOT_CHECK \d", text(driver, "#runs"))
    shows(driver, "#failures", "guarded.example fails with BOT_CHECK in every run since ")
    shows(driver, "#egresses", "guarded.example for ")
    assert {row.split()[0] for row in text(driver, "#egresses tbody").splitlines()} == {*EGRESSES}
    assert not driver.find_element(By.ID, "instances-card").is_displayed()
    assert text(driver, "#options") == ""
    sign_in(driver)
    shows(driver, "#options", "Options in force: all sites: language.")
    assert errors(driver) == []


def test_workers_say_for_how_long_they_are_busy(service: Service, internet: Internet, driver: Any) -> None:
    driver.get(service.url + "/dashboard")
    internet.set_latency("html5.example", 5.0)
    with ThreadPoolExecutor(1) as client:
        client.submit(service.extract, "https://html5.example/slow")
        eventually(lambda: re.search(r"busy for \d+ s html5\.example", text(driver, "#workers")))
        internet.set_latency("html5.example", 0.0)


def test_a_site_is_blocked_after_a_question_and_with_a_way_back(service: Service, driver: Any) -> None:
    driver.get(service.url + "/dashboard")
    sign_in(driver)
    state = f"[data-key='{OTHER}'] .pill"
    block = button(driver, f"Block {OTHER}")
    block.click()
    assert f"Block {OTHER}?" in text(driver, "#confirm-dialog")
    assert focused(driver) == "confirm-no"
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert driver.switch_to.active_element == block
    assert service.extract(VIDEO).status_code == 200

    block.click()
    driver.find_element(By.ID, "confirm-yes").click()
    shows(driver, state, "blocked")
    shows(driver, "#troubles", f"Blocked by an administrator: {OTHER}")
    assert service.extract(VIDEO).json()["code"] == "CIRCUIT_OPEN"
    driver.find_element(By.ID, "undo").click()
    shows(driver, state, "closed")
    assert service.extract(VIDEO).status_code == 200

    button(driver, f"Let everything through to {OTHER}").click()
    driver.find_element(By.ID, "confirm-yes").click()
    shows(driver, state, "let through")
    button(driver, f"Guard {OTHER} again").click()
    shows(driver, state, "closed")
    assert errors(driver) == []


def test_a_wrong_key_says_so_and_signing_out_is_a_button(service: Service, driver: Any) -> None:
    driver.get(service.url + "/dashboard")
    shows(driver, "#health", "Healthy")
    driver.find_element(By.ID, "sign-in").click()
    shows(driver, "#admins", "clients with an admin's key")
    driver.switch_to.active_element.send_keys("a wrong key", Keys.ENTER)
    shows(driver, "#key-problem", "not known")
    assert driver.find_element(By.ID, "key").get_attribute("aria-invalid") == "true"
    assert driver.find_element(By.ID, "key-dialog").is_displayed()
    driver.switch_to.active_element.send_keys(ADMIN_KEY, Keys.ENTER)
    shows(driver, "#who", "Signed in as administrator")
    assert focused(driver) == "sign-out"
    assert driver.find_element(By.ID, "events-card").is_displayed()

    driver.find_element(By.ID, "sign-out").send_keys(Keys.ENTER)
    shows(driver, "#notice", "Signed out")
    assert text(driver, "#who") == ""
    assert focused(driver) == "sign-in"
    assert not driver.find_element(By.ID, "events-card").is_displayed()
    assert driver.execute_script("return sessionStorage.length") == 0
    assert all("401" in message for message in errors(driver))  # Chromium's own note of the wrong key


def test_charts_tell_their_values_to_keyboard_and_pointer(service: Service, driver: Any) -> None:
    driver.get(service.url + "/dashboard")
    chart = driver.find_element(By.ID, "throughput-chart")
    eventually(lambda: chart.get_attribute("aria-valuetext"))
    chart.send_keys(Keys.END)
    told = chart.get_attribute("aria-valuetext")
    assert re.fullmatch(r"\d\d:\d\d:\d\d: [\d,]+ answered, \d+ the site said no, \d+ failed", told)
    assert "answered" in chart.find_element(By.CSS_SELECTOR, ".tip").text
    chart.send_keys(Keys.ARROW_LEFT, Keys.PAGE_DOWN)
    assert chart.get_attribute("aria-valuenow") == "78"
    chart.send_keys(Keys.ESCAPE)
    assert not chart.find_element(By.CSS_SELECTOR, ".tip").is_displayed()

    latency = driver.find_element(By.ID, "latency-chart")
    ActionChains(driver).move_to_element(latency).perform()
    eventually(lambda: re.match(r"\d\d:\d\d:\d\d: ", latency.find_element(By.CSS_SELECTOR, ".tip").text))


def test_ranges_switch(service: Service, driver: Any) -> None:
    driver.get(service.url + "/dashboard")
    shows(driver, "#throughput-chart", "15 min")
    driver.find_element(By.CSS_SELECTOR, "input[name=range]:checked").send_keys(Keys.ARROW_RIGHT)
    shows(driver, "#throughput-chart", "60 min")
    driver.find_element(By.CSS_SELECTOR, "input[value='24 h']").click()
    shows(driver, "#throughput-chart", "24 h")
    assert "24 h" in text(driver, "#h-codes")
    assert text(driver, "#answered-total")
    assert errors(driver) == []


def test_it_asks_for_the_key_where_one_is_required(internet: Internet, driver: Any) -> None:
    settings = {"REQUIRE_AUTH": "true", "API_KEY": "the key"}
    with Service.run(internet, settings=settings) as service:
        driver.get(service.url + "/dashboard")
        dialog = driver.find_element(By.ID, "key-dialog")
        eventually(dialog.is_displayed)
        driver.find_element(By.ID, "key-cancel").click()
        assert not dialog.is_displayed()
        driver.find_element(By.ID, "sign-in").click()
        driver.switch_to.active_element.send_keys("the key", Keys.ENTER)
        shows(driver, "#health", "Healthy")
        shows(driver, "#who", "Signed in, not as administrator")
        assert not driver.find_element(By.ID, "events-card").is_displayed()
        assert "401" in errors(driver)[0]  # Chromium's own note of the first answer


def test_it_comes_back_when_the_service_does(internet: Internet, driver: Any) -> None:
    with Service.run(internet) as service:
        driver.get(service.url + "/dashboard")
        shows(driver, "#health", "Healthy")
        port = service.url.rpartition(":")[2]
    shows(driver, "#link", "trying again. What follows is from then.")
    with Service.run(internet, settings={"PORT": port}):
        shows(driver, "#health", "Healthy")
        assert text(driver, "#link") == ""


@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_a_phone_and_the_dark_while_signed_in(
    service: Service, internet: Internet, driver: Any, tmp_path: Path, width: int
) -> None:
    emulate(driver, scheme="dark", width=width)
    driver.get(service.url + "/dashboard")
    sign_in(driver)
    break_site(service, internet)
    shows(driver, "#failures", "UPSTREAM_ERROR")
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    broken = driver.execute_script(  # a word on two lines
        """return [...document.querySelectorAll("td .pill, td .code, td.number, td.site")].filter((cell) =>
             cell.checkVisibility() && !cell.textContent.includes(" ") && cell.getClientRects().length > 1
           ).map((cell) => cell.textContent)"""
    )
    assert broken == []
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(16, 19, 23)"
    save(driver, tmp_path, "phone")
    assert errors(driver) == []


def test_everything_has_a_name_for_a_screen_reader(service: Service, driver: Any) -> None:
    driver.get(service.url + "/dashboard")
    sign_in(driver)
    shows(driver, "#breakers tbody", OTHER)
    nameless = driver.execute_script(
        """return [...document.querySelectorAll("button, input, svg, section, table")].filter((element) => !(
             element.getAttribute("aria-label") || element.getAttribute("aria-hidden") || element.caption ||
             element.labels?.length || document.getElementById(element.getAttribute("aria-labelledby")) ||
             (element.tagName === "BUTTON" && element.textContent.trim()) || element.id === "confirm-yes"
           )).map((element) => element.outerHTML)"""
    )
    assert nameless == []
    levels = driver.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(following <= level + 1 for level, following in itertools.pairwise(levels))


def save(driver: Any, folder: Path, name: str) -> None:
    """Keep a picture for people: in SCREENSHOTS where that is set."""
    place = Path(os.environ.get("SCREENSHOTS", folder))
    path = place / f"{name}.png"
    picture(driver, str(path))
    assert path.stat().st_size > 20_000  # a blank page has a few thousand bytes
