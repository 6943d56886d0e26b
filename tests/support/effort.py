"""The number of examples in property tests and simulations: a profile multiplies the usual number.

`pytest --hypothesis-profile=quick` (the inner loop), `ci` (the default) or `long` (a night's search). Where
the variable CI is set, every run but the long one tries the same examples, so that only the change decides;
elsewhere each run tries other examples.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

PERCENT = {"quick": 10, "ci": 100, "long": 3000}


def register() -> None:
    """Register the profiles, before any test module is imported."""
    for name, percent in PERCENT.items():
        steady = name != "long" and "CI" in os.environ
        # A slow example is no failure: machines that run tests are busy.
        settings.register_profile(name, max_examples=percent, deadline=None, derandomize=steady)
    settings.load_profile("ci")


def scaled(usual: int) -> int:
    """The `usual` number, scaled by the profile; at least 1."""
    return max(1, usual * settings().max_examples // 100)


def examples(usual: int, **others: Any) -> settings:
    """Settings for a test that usually tries so many examples; one without tries 100."""
    return settings(max_examples=scaled(usual), **others)


def live_examples(usual: int) -> settings:
    """As `examples`, for tests over real sockets: each takes seconds, and a failure is told as it was."""
    return examples(
        usual,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
