"""Pure tests of the sliding windows, against a list of all calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.breaker.windows import Counts, CountWindow, TimeWindow

CALLS = st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.booleans()), max_size=60)


@given(CALLS, st.integers(1, 12))
def test_a_count_window_holds_the_last_calls(calls: list[tuple[float, bool, bool]], size: int) -> None:
    window, now = CountWindow(size), 0.0
    for pause, failed, slow in calls:
        now += pause
        window.record(now, failed=failed, slow=slow)
    last = calls[-size:]
    expected = Counts(len(last), sum(call[1] for call in last), sum(call[2] for call in last))
    assert window.counts(now) == expected


@given(CALLS, st.floats(0, 30))
def test_a_time_window_holds_nine_to_ten_tenths_of_its_time(
    calls: list[tuple[float, bool, bool]], rest: float
) -> None:
    window, now, moments = TimeWindow(10.0), 0.0, []
    for pause, failed, slow in calls:
        now += pause
        window.record(now, failed=failed, slow=slow)
        moments.append(now)
    now += rest
    counts = window.counts(now)
    surely = sum(now - moment < 8.999 for moment in moments)
    perhaps = sum(now - moment <= 10.001 for moment in moments)
    assert surely <= counts.calls <= perhaps
    assert max(counts.failures, counts.slow) <= counts.calls


def test_a_busy_time_window_keeps_ten_buckets() -> None:
    window = TimeWindow(1.0)
    for call in range(10_000):
        window.record(call / 1000, failed=True, slow=False)
    assert len(window._buckets) <= 10
    assert 900 <= window.counts(9.999).calls <= 1000


def test_cleared_windows_are_empty() -> None:
    for window in (CountWindow(3), TimeWindow(3.0)):
        window.record(0.0, failed=True, slow=True)
        window.clear()
        assert window.counts(0.0) == Counts()
        for _ in range(3):  # so that earlier calls are outside the window
            window.record(2.9, failed=False, slow=False)
        assert window.counts(3.1) == Counts(3)
