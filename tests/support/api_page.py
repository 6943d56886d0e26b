"""What a visitor of the API page does: opens an endpoint, sends its example, and reads the answer."""

from __future__ import annotations

from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.running_service import PATIENCE, eventually


def element(driver: Any, selector: str) -> Any:
    """The element, as soon as it is there."""
    wait = WebDriverWait(driver, PATIENCE)
    return wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector))


def try_size_out(driver: Any) -> str:
    """Send the example of POST /api/v1/size, which has to succeed; the curl command that the page shows."""
    summary = element(driver, "[id$='post_size'] .opblock-summary-control")
    eventually(lambda: len(driver.find_elements(By.CSS_SELECTOR, ".opblock")) > 10)
    _click(driver, summary)
    body = element(driver, ".opblock.is-open textarea.body-param__text")
    assert "url" in body.get_attribute("value")
    _click(driver, element(driver, ".opblock.is-open button.execute"))
    status = element(driver, ".opblock.is-open .live-responses-table .response .response-col_status")
    eventually(lambda: status.text.startswith("200"))
    assert '"human"' in element(driver, ".opblock.is-open .live-responses-table").text
    return str(element(driver, ".opblock.is-open .curl-command").text)


def _click(driver: Any, target: Any) -> None:
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
    target.click()
