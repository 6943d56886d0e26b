"""axe-core in a browser: what is wrong for people who cannot see, or do not use a pointer."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

_SCRIPT = files("selenium_axe_python") / "axe-core" / "axe.min.js"
_RUN = "axe.run({resultTypes: ['violations'], selectors: false}).then(arguments[0])"  # the rest takes seconds
_PATIENCE = 120  # seconds; it looks at every element, on a machine that is busy with something else


def serious(driver: Any) -> list[str]:
    """What axe finds on the page as it stands and calls serious or critical, one line for each element."""
    driver.set_script_timeout(_PATIENCE)
    driver.execute_script(_SCRIPT.read_text(encoding="utf-8"))
    found = driver.execute_async_script(_RUN)
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
