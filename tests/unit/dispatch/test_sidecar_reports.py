"""Pure: what is said of sidecars that fail, and how often."""

from __future__ import annotations

from service.dispatch.sidecars import KEPT, QUIET, SidecarReports
from service.events import SidecarFailed
from service.wire import Usage

FAILED = Usage(sidecars=(("127.0.0.1:4416", "why"), ("pot.lan:80", "why")))


def test_each_is_said_once_a_minute() -> None:
    reports = SidecarReports()
    both = [SidecarFailed("127.0.0.1:4416", "why"), SidecarFailed("pot.lan:80", "why")]
    assert [*reports.news(FAILED, 100.0)] == both
    assert [*reports.news(FAILED, 100.0 + QUIET / 2)] == []
    assert [*reports.news(FAILED, 100.0 + QUIET)] == both
    assert [*reports.news(Usage(), 1000.0)] == []


def test_a_worker_that_invents_them_does_not_flood() -> None:
    reports = SidecarReports()
    said = [*reports.news(Usage(sidecars=tuple((str(n), "why") for n in range(1000))), 0.0)]
    assert len(said) == KEPT
