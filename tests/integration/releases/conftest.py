"""The processes that tests of releases start: pip, the compiler of a thousand files, the rehearsal."""

from __future__ import annotations

import pytest

from tests.support.lone_worker import MEASURED


@pytest.fixture(autouse=True)
def children_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """To trace them takes as long again, for lines that other tests run in their own process."""
    monkeypatch.delenv(MEASURED, raising=False)
