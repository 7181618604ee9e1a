"""
The metrics in the formats that Prometheus reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..snapshot import Snapshot
from .metrics import METRICS
from .samples import COUNTER


class SnapshotCollector(Collector):
    """
    Makes the metrics of a snapshot, whenever they are asked for.  Nothing is counted here.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        """
        :param snapshot: takes the snapshot.
        """
        self._snapshot = snapshot

    def describe(self) -> list[Metric]:
        """
        Nothing: a registry would take a snapshot otherwise, to learn the names.
        """
        return []

    def collect(self) -> Iterator[Metric]:
        """
        Every metric of the table, those included that have no samples now.
        """
        snapshot = self._snapshot()
        for metric in METRICS:
            family = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
            made = family(metric.name, metric.text, labels=metric.labels)
            for labels, value in metric.samples(snapshot):
                made.add_metric(labels, float(value))
            yield made


def expositionOf(snapshot: Callable[[], Snapshot]) -> Callable[[str], tuple[bytes, str]]:
    """
    A function that writes the metrics, and those of the process: CPU, memory, descriptors, start.

    :return: takes what the reader accepts (its ``Accept``), gives the text and its content type.
    """
    # Of our own: nothing that else is registered in this program is shown here, and the other way round.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(snapshot))
    ProcessCollector(registry=registry)

    def write(accept: str) -> tuple[bytes, str]:
        encode, contentType = choose_encoder(accept)
        return encode(registry), contentType

    return write
