"""How hard the property tests and simulations look: each says its usual number, a profile multiplies it.

`pytest --hypothesis-profile=quick` (the inner loop), `ci` (the default) or `long` (a night's search). Where
the variable CI is set every run but the long one tries the same examples, so that a change is judged by what
it changes; on a desk each run looks elsewhere.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

PERCENT = {"quick": 20, "ci": 100, "long": 3000}


def register() -> None:
    """Make the profiles known, before any test module is imported."""
    for name, percent in PERCENT.items():
        steady = name != "long" and "CI" in os.environ
        # A slow example is no finding: machines that run tests are busy.
        settings.register_profile(name, max_examples=percent, deadline=None, derandomize=steady)
    settings.load_profile("ci")


def scaled(usual: int) -> int:
    """What the profile makes of a `usual` number, at least 1."""
    return max(1, usual * settings().max_examples // 100)


def examples(usual: int, **others: Any) -> settings:
    """Settings for a test that usually tries so many examples; one without tries 100."""
    return settings(max_examples=scaled(usual), **others)
