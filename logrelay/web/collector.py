"""
The metrics in the formats that Prometheus reads.
"""

from __future__ import annotations

import sys
import time
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


class ProcessDescription(ProcessCollector):
    """
    The metrics of the process, also where ``/proc`` has processes and nothing else, as in our units
    (``ProcSubset=pid``): there prometheus_client gives none at all, since it can't read when the host was started.
    """

    def _boot_time(self) -> float:
        """
        When the host was started, in seconds since the epoch.

        :raises OSError: where the system does not tell; then there are no metrics of the process.
        """
        if sys.platform != "linux":
            raise OSError("there is no clock that tells")
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def expositionOf(snapshot: Callable[[], Snapshot]) -> Callable[[str], tuple[bytes, str]]:
    """
    A function that writes the metrics, and those of the process: CPU, memory, descriptors, start.

    :return: takes what the reader accepts (its ``Accept``), gives the text and its content type.
    """
    # Of our own: nothing that else is registered in this program is shown here, and the other way round.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(snapshot))
    ProcessDescription(registry=registry)

    def write(accept: str) -> tuple[bytes, str]:
        encode, contentType = choose_encoder(accept)
        return encode(registry), contentType

    return write
