"""The pictures of the dashboard that the README shows, of a running service under some load; five minutes.

python -m tests.support.screenshots deploy/screenshots
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.internet import EASY, Internet
from tests.support.browser import browser, emulate, picture
from tests.support.running_service import ADMIN_KEY, Service

CALM = 240  # seconds of ordinary load before the first picture
OUTAGE = 40  # seconds from the outage's beginning to the second
SETTINGS = {"CB_COOLDOWN_MS": 15_000, "CACHE_TTL_MS": 60_000, "YTDLP_TIMEOUT": 5_000}


@contextmanager
def load(service: Service) -> Iterator[None]:
    """Four clients, each with a request, a pause, and the next."""
    over = threading.Event()
    numbers = itertools.count()

    def client(pause: float) -> None:
        while not over.wait(pause):
            number = next(numbers)
            url = (
                f"https://youtu.be/{number % 80:011d}",
                f"https://tube.example/watch/{number}",
                f"https://video.example/clips/{number % 50}",
                f"https://www.youtube.com/watch?v={number:011d}",
                "https://fail.example/404" if number % 7 == 0 else f"https://html5.example/{number % 9}",
            )[number % 5]
            service.extract(url)

    with ThreadPoolExecutor(4) as clients:
        for pause in (0.5, 0.7, 1.1, 1.3):
            clients.submit(client, pause)
        try:
            yield
        finally:
            over.set()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Internet.spawn(settings=EASY) as internet,
        Service.run(internet, settings=SETTINGS) as service,
        tempfile.TemporaryDirectory() as profile,
        browser(profile) as driver,
        load(service),
    ):
        driver.get(service.url + "/dashboard")
        driver.execute_script("sessionStorage.setItem('ytdlpd key', arguments[0])", ADMIN_KEY)
        driver.refresh()
        time.sleep(CALM)
        picture(driver, str(folder / "dashboard.png"))
        internet.fail("tube.example", "500")
        internet.set_latency("video.example", 4.0)
        time.sleep(OUTAGE)
        picture(driver, str(folder / "dashboard-outage.png"))
        emulate(driver, scheme="dark")
        time.sleep(2)
        picture(driver, str(folder / "dashboard-outage-dark.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
