"""The metrics of the egress pool, read from its statistics at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..egress.pool import EgressPoolStatistics

STATES = {"usable": 0, "probing": 1, "quarantined": 2}


class EgressMetrics(Collector):
    """One series for each egress; none where there is but one way out."""

    def __init__(self, statistics: Callable[[], EgressPoolStatistics]) -> None:
        self._statistics = statistics

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry would collect once to learn the names, before there is a Trio clock."""
        return ()

    def collect(self) -> Iterator[Metric]:
        pool = self._statistics()
        if not pool.egresses:
            return
        labels = ("egress", "class")
        state = GaugeMetricFamily(
            "ytdlpd_egress_state",
            "Egresses: 0 usable, 1 a job is to show that it works again, 2 quarantined for every site.",
            labels=labels,
        )
        sites = GaugeMetricFamily(
            "ytdlpd_egress_quarantined_sites", "Sites that an egress is left out for.", labels=labels
        )
        running = GaugeMetricFamily("ytdlpd_egress_in_flight", "Jobs that leave through it.", labels=labels)
        jobs = CounterMetricFamily("ytdlpd_egress_jobs", "Attempts that left through it.", labels=labels)
        failures = CounterMetricFamily(
            "ytdlpd_egress_failures", "Attempts whose failure blames it.", labels=labels
        )
        for each in pool.egresses:
            names = (each.name, each.egress_class)
            state.add_metric(names, STATES[each.state])
            sites.add_metric(names, len(each.quarantined))
            running.add_metric(names, each.in_flight)
            jobs.add_metric(names, each.jobs)
            failures.add_metric(names, each.failures)
        yield from (state, sites, running, jobs, failures)
        yield CounterMetricFamily(
            "ytdlpd_egress_moves", "Attempts that went to another egress than the one before.", pool.moves
        )
        yield CounterMetricFamily(
            "ytdlpd_egress_panics", "Choices made while so few were usable that all were used.", pool.panics
        )
