"""A real Chromium without a window, on a fresh profile, for tests of the pages.

Its start costs seconds of CPU, so the tests share one and have each a tab of their own.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service as Driver

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")

_FLAGS = (
    "--headless",
    "--no-sandbox",  # CI is root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=direct://",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
)

needs_browser = pytest.mark.skipif(
    (CHROMIUM is None or DRIVER is None) and not os.environ.get("CI"),
    reason="chromium and chromedriver are not installed (Debian: chromium chromium-driver)",
)


@contextmanager
def browser(profile: str, *, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """A browser with that profile directory, for which names below .test are this machine; ends at exit."""
    assert CHROMIUM is not None
    assert DRIVER is not None, "chromium and chromedriver have to be installed"
    options = Options()
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def tab(driver: Any) -> Iterator[Any]:
    """The browser in a new tab, which has no session and emulates nothing; closes at exit."""
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    errors(driver)
    try:
        yield driver
    finally:
        driver.close()
        driver.switch_to.window(first)


def emulate(driver: Any, *, scheme: str = "light", width: int | None = None, height: int = 844) -> None:
    """Light or dark, and a phone's screen where a `width` is given."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if width is not None:
        screen = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def errors(driver: Any) -> list[str]:
    """What the console has said beyond information, since the last time."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] != "INFO"]


def picture(driver: Any, path: str, *, height: int | None = None) -> None:
    """The whole page, from top to bottom or to a `height`, as a PNG or WebP file."""
    asked: dict[str, Any] = {"captureBeyondViewport": True, "format": path.rpartition(".")[2]}
    if height is not None:
        width = driver.execute_script("return window.innerWidth")
        asked["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", asked)
    with open(path, "wb") as file:
        file.write(base64.b64decode(shot["data"]))
