"""The pictures of the page for people: home.png for the README, and home-states.webp with all of its states.

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
COLUMNS = (("idle", "working", "error"), ("result", "list"), ("dark",), ("phone",))
_SHEET = """<!doctype html><style>
body { margin: 0; padding: 12px; background: #c8ccd2; display: grid; grid-template-columns: 4fr 4fr 4fr 2fr; }
body, div { gap: 12px; }
img { display: block; width: 100%; margin-bottom: 12px; }
</style>"""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Internet.spawn(settings=EASY) as internet,
        Service.run(internet) as service,
        tempfile.TemporaryDirectory() as profile,
        tempfile.TemporaryDirectory() as states,
        browser(profile, width=1000, height=560) as driver,
    ):

        def paste(url: str, selector: str, expected: str) -> None:
            driver.get(service.url + "/")
            driver.switch_to.active_element.send_keys(url, Keys.ENTER)
            eventually(shows(selector, expected))

        def shows(selector: str, expected: str) -> Callable[[], Any]:
            return lambda: expected in driver.find_element(By.CSS_SELECTOR, selector).text

        def keep(state: str) -> None:
            picture(driver, f"{states}/{state}.png")

        paste("", "#submit", "Show")
        keep("idle")
        paste("https://drip.fail-1.example/", "#status", "Started")
        keep("working")
        paste("https://youtu.be/upcoming___", "#code", "UPCOMING")
        keep("error")
        paste("https://feed.example/rss.xml", "#code", "IS_A_LIST")
        driver.find_element(By.ID, "entries").click()
        eventually(shows("#status", "Done"))
        keep("list")
        paste(VIDEO, "#status", "Done")
        keep("result")
        picture(driver, str(folder / "home.png"))
        emulate(driver, scheme="dark")
        paste("https://hls.example/live.m3u8", "#status", "Done")
        keep("dark")
        emulate(driver, width=390)
        paste("https://files.example/ladder", "#status", "Done")
        keep("phone")

        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        sheet = Path(states, "sheet.html")
        shown = [[f'<img src="{state}.png" alt="">' for state in column] for column in COLUMNS]
        sheet.write_text(_SHEET + "".join(f"<div>{''.join(column)}</div>" for column in shown))
        driver.set_window_size(1600, 700)
        driver.get(sheet.as_uri())
        picture(driver, str(folder / "home-states.webp"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
