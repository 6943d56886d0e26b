"""The picture of the dashboard that the documents show, of a running service under load; five minutes.

python -m tests.support.dashboard_screenshot deploy/screenshots
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By

from tests.internet import EASY, Internet
from tests.support.browser import browser, picture
from tests.support.running_service import ADMIN_KEY, Service, eventually

CALM = 240  # seconds of ordinary load before the outage
SETTINGS = {"CACHE_TTL_MS": 60_000}

URLS = (  # of each client
    lambda number: f"https://youtu.be/{number % 80:011d}",
    lambda number: f"https://www.youtube.com/watch?v={number:011d}",
    lambda number: f"https://tube.example/watch/{number}",
    lambda number: f"https://tube.example/watch/{number}",
    lambda number: f"https://tube.example/watch/{number}",
    lambda number: f"https://video.example/clips/{number}",
    lambda number: f"https://video.example/clips/{number}",
    lambda number: "https://fail.example/404" if number % 3 == 0 else f"https://html5.example/{number % 9}",
)


@contextmanager
def load(service: Service) -> Iterator[None]:
    """Clients, each with a request to its site, a pause, and the next."""
    over = threading.Event()
    numbers = itertools.count()

    def client(url: Callable[[int], str]) -> None:
        while not over.wait(0.8):
            service.extract(url(next(numbers)))

    with ThreadPoolExecutor(len(URLS)) as clients:
        for url in URLS:
            clients.submit(client, url)
        try:
            yield
        finally:
            over.set()


def shows(driver: Any, place: str, words: str) -> bool:
    return words in driver.find_element(By.ID, place).text


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Internet.spawn(settings=EASY) as internet,
        Service.run(internet, settings=SETTINGS) as service,
        tempfile.TemporaryDirectory() as profile,
        browser(profile, width=960) as driver,
        load(service),
    ):
        driver.set_window_size(1216, 900)
        driver.get(service.url + "/dashboard")
        driver.execute_script("sessionStorage.setItem('ytdlpd key', arguments[0])", ADMIN_KEY)
        driver.refresh()
        time.sleep(CALM)
        internet.fail("tube.example", "500")
        internet.set_latency("video.example", 60.0)
        for place, words in (("health", "1 site fails"), ("troubles", "held by video.example")):
            eventually(partial(shows, driver, place, words), within=90)
        picture(driver, str(folder / "dashboard-outage.png"), height=1010)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
