"""
What a metric is, and how it finds its samples in a snapshot: one for the relay, or one for each of its sources,
destinations or servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from ..snapshot import DestinationSnapshot, ServerSnapshot, Snapshot, SourceSnapshot

COUNTER, GAUGE = "counter", "gauge"

#: The values of the labels, in their order, and the value.
Sample = tuple[tuple[str, ...], float]


@attrs.frozen
class Metric:
    """
    One metric.

    :ivar name: as Prometheus knows it: of a counter with ``_total``.
    :ivar kind: ``counter`` or ``gauge``.
    :ivar text: what it is; a sentence.
    :ivar labels: the names of its labels.
    :ivar samples: its values in a snapshot.  There is none where nothing can be said.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]
    samples: Callable[[Snapshot], Iterable[Sample]]


def ofRelay(name: str, text: str, value: Callable[[Snapshot], float | None]) -> Metric:
    """
    A gauge of the whole relay.
    """

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        number = value(snapshot)
        if number is not None:
            yield (), number

    return Metric(f"logrelay_{name}", GAUGE, text, (), samples)


def ofSource(name: str, kind: str, text: str, value: Callable[[SourceSnapshot], float | None]) -> Metric:
    """
    One value of each source.
    """

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for source in snapshot.sources:
            number = value(source)
            if number is not None:
                yield (source.name,), number

    return Metric(f"logrelay_source_{name}", kind, text, ("source",), samples)


def ofDestination(
    name: str, kind: str, text: str, value: Callable[[DestinationSnapshot, Snapshot], float | None]
) -> Metric:
    """
    One value of each destination.
    """

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for destination in snapshot.destinations:
            number = value(destination, snapshot)
            if number is not None:
                yield (destination.name,), number

    return Metric(f"logrelay_destination_{name}", kind, text, ("destination",), samples)


def destinationTotal(attribute: str, text: str, name: str) -> Metric:
    """
    A counter of each destination.
    """
    return ofDestination(name, COUNTER, text, lambda destination, _: getattr(destination.counters, attribute))


def sourceTotal(attribute: str, text: str, name: str) -> Metric:
    """
    A counter of each source.
    """
    return ofSource(name, COUNTER, text, lambda source: getattr(source.counters, attribute))


def ofServer(name: str, text: str, value: Callable[[ServerSnapshot], float | None]) -> Metric:
    """
    A gauge of each server.
    """

    def samples(snapshot: Snapshot) -> Iterator[Sample]:
        for destination in snapshot.destinations:
            for server in destination.servers:
                number = value(server)
                if number is not None:
                    yield (destination.name, server.name), number

    return Metric(f"logrelay_server_{name}", GAUGE, text, ("destination", "server"), samples)


def byReason(counts: Mapping[str, int], known: Iterable[str] = ()) -> Iterator[tuple[str, int]]:
    """
    Counts by reason, those included that are known and have not occurred.
    """
    yield from sorted({**dict.fromkeys(known, 0), **counts}.items())
