"""
What is on disk, and what of it is in memory::

    settled ........ sent ........ read ........ end
    |--------- in memory ---------|-- on disk ---|
    |----------------- on disk ------------------|

What was handed out stays in memory until it settles, so that nothing has to be read again when a server is lost.
Positions may be missing, where something on disk could not be read: the cursors go over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..batches import Batch
from .bundles import Stored
from .record import START, Cursor, Record


@attrs.define(eq=False)
class _Kept:
    """
    A batch in memory.

    :ivar first: where it begins.
    :ivar end: where it ends; it may have been amended since.
    """

    batch: Batch
    first: Cursor
    end: Cursor


@attrs.define(eq=False)
class Backlog:
    """
    One ordered list of batches with cursors in it.

    :ivar settled: what lies before it has settled or was given up.
    :ivar acked: everything before this position is in a server's kernel.
    :ivar sent: everything before this position has been handed out.
    :ivar read: what lies before it and has not settled is in memory.
    :ivar end: what lies before it is on disk.
    :ivar cost: bytes of memory in use.
    """

    settled: Cursor = START
    acked: int = 0
    sent: int = 0
    read: Cursor = START
    end: Cursor = START
    cost: int = 0
    _kept: dict[int, _Kept] = attrs.field(factory=dict)

    @classmethod
    def fromRecord(cls, record: Record) -> Backlog:
        """
        All that a record knows of, none of it in memory.
        """
        position = record.settled.position
        return cls(record.settled, position, position, record.settled, record.end)

    def next(self) -> Batch | None:
        """
        Hand out the next batch in memory.
        """
        position = self._following(self.sent)
        self.sent = min(position + 1, self.read.position)
        kept = self._kept.get(position)
        return None if kept is None else kept.batch

    def _following(self, position: int) -> int:
        """
        The first position in memory that is not before another; if there is none, where memory ends.
        """
        if position in self._kept or position >= self.read.position:
            return position
        # What is missing may be millions of positions, of a database that nobody knows what was in.
        return min((each for each in self._kept if each >= position), default=self.read.position)

    def _between(self, first: int, end: int) -> Iterable[int]:
        """
        The positions in memory from one up to another.
        """
        if end - first <= len(self._kept):
            return [position for position in range(first, end) if position in self._kept]
        return [position for position in self._kept if first <= position < end]

    def peek(self, position: int) -> Batch | None:
        """
        A batch in memory.
        """
        kept = self._kept.get(position)
        return None if kept is None else kept.batch

    def amend(self, position: int, batch: Batch) -> None:
        """
        Put another batch in the place of one in memory.
        """
        kept = self._kept[position]
        self.cost += batch.cost - kept.batch.cost
        kept.batch = batch

    def release(self, position: int, count: Callable[[Batch], None]) -> None:
        """
        Forget what lies before a position.

        :param count: told of each batch.
        """
        for each in self._between(self.settled.position, position):
            kept = self._kept.pop(each)
            self.cost -= kept.batch.cost
            self.settled = kept.end
            count(kept.batch)
        self.settled = Cursor(position, self.settled.message)
        self._pass()

    def giveUp(self, end: Cursor) -> None:
        """
        Forget what lies before a place, be it in memory or not.
        """
        self.release(end.position, lambda batch: None)
        self.settled = max(self.settled, end)
        self.read = max(self.read, self.settled)
        self._pass()

    def _pass(self) -> None:
        """
        Go over positions that are missing.
        """
        position = self._following(self.settled.position)
        if position in self._kept:
            self.settled = self._kept[position].first
        elif position == self.read.position:
            self.settled = self.read
        self.sent = max(self.sent, self.settled.position)
        self.acked = max(self.acked, self.settled.position)

    def load(self, stored: Iterable[Stored], read: Cursor) -> None:
        """
        Keep what was read from disk, up to a place.
        """
        for each in stored:
            # Nothing given up meanwhile comes back.
            if each.batch is not None and each.position >= self.settled.position:
                self._keep(each.batch, Cursor(each.position, each.message))
        self.read = max(self.read, read)
        self._pass()

    def take(self, batch: Batch, most: int) -> None:
        """
        A batch has come on disk.  It stays in memory if it is read next, and memory is not above ``most``.
        """
        fits = not self._kept or self.cost + batch.cost <= most
        if self.read == self.end and fits:
            self.read = self._keep(batch, self.end)
        self.end = self.end.behind(batch.count)

    def _keep(self, batch: Batch, first: Cursor) -> Cursor:
        """
        Have a batch in memory.

        :return: where it ends.
        """
        end = first.behind(batch.count)
        self._kept[first.position] = _Kept(batch, first, end)
        self.cost += batch.cost
        return end

    def before(self, position: int) -> list[tuple[int, Batch]]:
        """
        What memory has that has not settled and lies before a position, with its own positions.
        """
        return [(each, self._kept[each].batch) for each in self._between(self.settled.position, position)]

    def messagesFrom(self, position: int) -> int:
        """
        How many messages there are from a position that is in memory, or the next to be read, up to the end.
        """
        return self.end.message - self.read.message + self.messagesBetween(position, self.read.position)

    def messagesBetween(self, first: int, end: int) -> int:
        """
        How many messages memory has of those from one position up to another.
        """
        return sum(self._kept[position].batch.count for position in self._between(first, end))
