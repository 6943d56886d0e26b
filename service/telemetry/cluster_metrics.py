"""The metrics of what instances share: there only where CLUSTER_URL is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..cluster.port import ClusterStatistics

Statistics = Callable[[], ClusterStatistics | None]


class ClusterMetrics(Collector):
    """Reads the statistics of the cluster at each scrape."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def describe(self) -> Iterable[Metric]:
        """Nothing, as for the other statistics."""
        return ()

    def collect(self) -> Iterator[Metric]:
        cluster = self._statistics()
        if cluster is None:
            return
        yield GaugeMetricFamily(
            "ytdlpd_cluster_up",
            "1 while everything is shared with the other instances; 0 while the engine cannot be used.",
            value=float(cluster.state == "ok"),
        )
        yield GaugeMetricFamily(
            "ytdlpd_cluster_link_up",
            "1 while the engine is connected, even where it refuses some of what is asked.",
            value=float(cluster.link_up),
        )
        yield GaugeMetricFamily(
            "ytdlpd_cluster_instances",
            "Instances that live, as this one sees it, which is among them.",
            value=cluster.instances,
        )
        for name, text, value in (
            ("calls", "Commands sent to the engine.", cluster.calls),
            ("call_failures", "Commands that the engine did not answer, or refused.", cluster.failures),
            ("link_losses", "Times that the link to the engine went down.", cluster.losses),
            ("waits", "Jobs that waited for another instance's extraction.", cluster.waits),
            ("adopted", "Of these, the ones that had its result or refusal.", cluster.adopted),
            ("results_stored", "Results and kept noes given to the engine.", cluster.stored),
        ):
            yield CounterMetricFamily(f"ytdlpd_cluster_{name}", text, value=value)
        lookups = CounterMetricFamily(
            "ytdlpd_cluster_lookups",
            "Lookups of results in the engine: foreign is an entry that this version did not write.",
            labels=("result",),
        )
        for result in ("hits", "misses", "refusals", "foreign"):
            lookups.add_metric((result,), getattr(cluster, result))
        yield lookups
