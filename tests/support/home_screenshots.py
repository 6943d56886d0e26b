"""The pictures of the page for people, one for each of its states; the README shows home.png.

python -m tests.support.home_screenshots deploy/screenshots
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.internet import EASY, Internet
from tests.support.browser import browser, emulate, picture
from tests.support.running_service import Service, eventually

VIDEO = "https://youtu.be/dQw4w9WgXcQ"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Internet.spawn(settings=EASY) as internet,
        Service.run(internet) as service,
        tempfile.TemporaryDirectory() as profile,
        browser(profile, width=1000, height=760) as driver,
    ):

        def paste(url: str, selector: str, expected: str) -> None:
            driver.get(service.url + "/")
            driver.switch_to.active_element.send_keys(url, Keys.ENTER)
            eventually(shows(selector, expected))

        def shows(selector: str, expected: str) -> Callable[[], Any]:
            return lambda: expected in driver.find_element(By.CSS_SELECTOR, selector).text

        paste("", "#submit", "Show")
        picture(driver, str(folder / "home-idle.png"))
        paste("https://drip.fail-1.example/", "#status", "Started")
        picture(driver, str(folder / "home-working.png"))
        paste("https://youtu.be/upcoming___", "#code", "UPCOMING")
        picture(driver, str(folder / "home-error.png"))
        paste("https://feed.example/rss.xml", "#code", "IS_A_LIST")
        driver.find_element(By.ID, "entries").click()
        eventually(shows("#status", "Done"))
        picture(driver, str(folder / "home-list.png"))
        paste(VIDEO, "#status", "Done")
        picture(driver, str(folder / "home.png"))
        emulate(driver, scheme="dark", width=390)
        paste(VIDEO, "#status", "Done")
        picture(driver, str(folder / "home-phone-dark.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
