"""Pure: the rate limit of several instances that tell each other what they admitted, in a simulation."""

from __future__ import annotations

import pytest

from service.cluster.limits import DEBT, INTERVAL
from service.web.http.limits import RateLimit

LIMIT, WINDOW = 20, 60.0


class Simulated:
    """So many instances, and the engine's arrival time of one client."""

    def __init__(self, instances: int, *, shared: bool = True) -> None:
        self.limits = [RateLimit(LIMIT, WINDOW) for _ in range(instances)]
        for limit in self.limits:
            limit.shared = shared
        self._arrival = 0.0

    def exchange(self, now: float) -> None:
        for limit in self.limits:
            for client, cost in limit.spent().items():
                self._arrival = min(max(self._arrival, now) + cost, now + DEBT * WINDOW)
                limit.learn(client, self._arrival)

    def admitted(self, minutes: float, per_second: int) -> list[int]:
        """Requests that were admitted in each minute, from one client that asks each instance in turn."""
        counts = [0] * int(minutes)
        steps = round(1 / INTERVAL)
        asked = 0
        for step in range(int(minutes * 60 * steps)):
            now = step * INTERVAL
            for _ in range(per_second // steps):
                limit = self.limits[asked % len(self.limits)]
                asked += 1
                counts[int(now // 60)] += limit.take("client", now).retry_after is None
            self.exchange(now)
        return counts


@pytest.mark.parametrize("instances", [1, 3, 10])
def test_in_the_long_run_all_together_admit_what_one_would(instances: int) -> None:
    counts = Simulated(instances).admitted(30, 40)
    assert counts[0] <= LIMIT * (1 + min(instances, 3))  # the debt
    assert sum(counts[10:]) / 20 == pytest.approx(LIMIT, rel=0.15)
    assert sum(counts) / 30 <= 23


def test_without_it_each_admits_all_of_it() -> None:
    assert sum(Simulated(3, shared=False).admitted(10, 40)) / 10 > 2.5 * LIMIT


def test_what_is_not_shared_is_not_noted() -> None:
    limit = RateLimit(LIMIT, WINDOW)
    limit.take("a", 0.0)
    assert limit.spent() == {}


def test_a_crowd_s_budget_is_shared_too() -> None:
    limit = RateLimit(LIMIT, WINDOW)
    limit.shared = True
    limit.take("2001:db8::/64", 0.0, 2, crowd="2001:db8::/48")
    assert limit.spent() == pytest.approx({"2001:db8::/64": 6.0, "2001:db8::/48": 1.2})
    assert limit.spent() == {}


def test_learning_never_makes_room() -> None:
    limit = RateLimit(LIMIT, WINDOW)
    for _ in range(LIMIT):
        limit.take("a", 0.0)
    limit.learn("a", 1.0)
    assert limit.take("a", 0.0).retry_after is not None
