"""
What has come and is not on disk yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from ..batches import Batch
from ..store import Accepted
from .bundles import MOST_BATCHES


@attrs.define(eq=False)
class Arrival:
    """
    A batch that is not on disk yet.

    :ivar after: what to call when it has been answered.
    """

    batch: Batch
    accepted: Accepted | None
    after: list[Callable[[], None]] = attrs.field(factory=list)

    def answer(self, taken: bool) -> None:
        """
        Say what became of it.
        """
        if self.accepted is not None:
            self.accepted(taken)
        for each in self.after:
            each()


@attrs.define(eq=False)
class Arrivals:
    """
    All of them, in their order.

    :ivar cost: bytes of memory that they take.
    """

    cost: int = 0
    _queue: deque[Arrival] = attrs.field(factory=deque)

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, arrival: Arrival) -> None:
        """
        One more.
        """
        self._queue.append(arrival)
        self.cost += arrival.batch.cost

    def bundle(self, most: int) -> tuple[Batch, ...]:
        """
        The first ones, of so many bytes at most, but one at least if there is any.
        """
        batches: list[Batch] = []
        size = 0
        for arrival in self._queue:
            size += len(arrival.batch.payload)
            if batches and (size > most or len(batches) == MOST_BATCHES):
                break
            batches.append(arrival.batch)
        return tuple(batches)

    def take(self, count: int) -> list[Arrival]:
        """
        The first ones are not waiting any more.
        """
        taken = [self._queue.popleft() for _ in range(count)]
        self.cost -= sum(arrival.batch.cost for arrival in taken)
        return taken

    def drop(self, mayStay: Callable[[Batch], bool]) -> list[Arrival]:
        """
        Only some are waiting any more.

        :return: those that are not.
        """
        dropped = [arrival for arrival in self._queue if not mayStay(arrival.batch)]
        self._queue = deque(arrival for arrival in self._queue if mayStay(arrival.batch))
        self.cost -= sum(arrival.batch.cost for arrival in dropped)
        for arrival in dropped:
            if self._queue:
                # Whoever waits for all of them waits for those that stay.
                self._queue[-1].after.extend(arrival.after)
                arrival.after.clear()
        return dropped

    def whenGone(self, gone: Callable[[], None]) -> None:
        """
        Call something when all that are waiting now have been answered.
        """
        if self._queue:
            self._queue[-1].after.append(gone)
        else:
            gone()
