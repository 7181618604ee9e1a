"""
The last ten minutes of what moves, sampled from the snapshot: what the plots show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from ..snapshot import Snapshot

#: Seconds between samples, and how many are kept: ten minutes.
EVERY = 5.0
KEPT = 120


@attrs.define(eq=False)
class Series:
    """
    One quantity over time.

    :ivar values: the last ones, oldest first, one each :data:`EVERY` seconds.
    """

    values: deque[float] = attrs.field(factory=lambda: deque(maxlen=KEPT))

    @property
    def now(self) -> float:
        """
        The last value.
        """
        return self.values[-1] if self.values else 0.0

    @property
    def most(self) -> float:
        """
        The greatest.
        """
        return max(self.values, default=0.0)


@attrs.define(eq=False)
class Rate(Series):
    """
    How fast a counter grows, a second.
    """

    _last: tuple[float, int] | None = None

    def count(self, now: float, counter: int) -> None:
        """
        Note what a counter shows.  A counter that went back belongs to something new of the same name.
        """
        last, self._last = self._last, (now, counter)
        if last is not None and now > last[0]:
            self.values.append(max(0, counter - last[1]) / (now - last[0]))


@attrs.define(eq=False)
class DestinationHistory:
    """
    What one destination has done.

    :ivar settled: messages settled, a second.
    :ivar waiting: messages that have not settled.
    """

    settled: Rate = attrs.field(factory=Rate)
    waiting: Series = attrs.field(factory=Series)


class History:
    """
    The history of all sources and destinations.  What is not in a snapshot any more is forgotten, so that there is
    never more of it than the snapshot has parts.

    :ivar destinations: by their names.
    :ivar sources: messages received a second, by their names.
    """

    def __init__(self) -> None:
        self.destinations: dict[str, DestinationHistory] = {}
        self.sources: dict[str, Rate] = {}

    def sample(self, snapshot: Snapshot) -> None:
        """
        Note a snapshot.
        """
        _keep(self.destinations, (each.name for each in snapshot.destinations))
        _keep(self.sources, (each.name for each in snapshot.sources))
        for destination in snapshot.destinations:
            history = self.destinations.setdefault(destination.name, DestinationHistory())
            history.settled.count(snapshot.at, destination.counters.settled)
            history.waiting.values.append(destination.unsent + destination.inFlight)
        for source in snapshot.sources:
            self.sources.setdefault(source.name, Rate()).count(snapshot.at, source.counters.received)


def _keep(those: dict[str, object] | dict[str, DestinationHistory] | dict[str, Rate], names: Iterable[str]) -> None:
    """
    Forget all others.
    """
    for gone in set(those) - set(names):
        del those[gone]
