"""
The store in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from zope.interface import implementer

from .batches import Batch
from .config import BufferSettings
from .counters import DestinationCounters
from .store import Accepted, IStore

#: Sources are paused above this share of ``buffer.size`` and resumed below the other.  The gap to the full size is
#: for what cannot be paused, the gap between the two keeps sources from being paused and resumed for each batch.
HIGH, LOW = 0.90, 0.70

#: Of ``buffer.size``, what the remainders of decoders may take up at most.  No server makes room by taking them, so
#: that a thousand slow clients could stop everybody else.  Beside them and the half that may be history there is some
#: left below the low mark.  What they take beyond it is bounded by ``max-connections`` and ``max-message-size``.
REMAINDERS = 0.125

#: Settled slots at the head of the list are cut off when there are this many, and they are half of it: then cutting
#: costs less than what was done with them.
_CUT = 1024


def _nothing() -> None:
    """
    What a hook does before somebody is interested.
    """


@implementer(IStore)
@attrs.define(eq=False)
class Outbox:
    """
    One ordered list of batches in memory, at most ``buffer.size`` bytes of it.

    The bound is soft for sources that can be paused: their reads that were under way when they were paused are taken
    in.  Only history that a server has acknowledged, and the remainders of decoders, never count as full: no server
    could make room by taking them, and the stream would stop for ever.  ``drop-oldest`` gives up such history instead.

    What its sender is told to be taken (RELP) is never dropped, whatever the policy: the bound is soft for it too, and
    its source is paused by every policy.

    :ivar dropped: told of what was given up: of which source, why, how many messages.
    :ivar held: bytes that decoders keep.  ``cost`` has no more of them than :data:`REMAINDERS`.
    :ivar _batches: what has not settled, behind ``_cut`` empty slots.
    :ivar _refusing: whether what cannot be paused is dropped until there is room again.
    """

    settings: BufferSettings
    counters: DestinationCounters
    dropped: Callable[[str, str, int], None]
    onReadable: Callable[[], None] = _nothing
    onSettled: Callable[[], None] = _nothing
    onFull: Callable[[], None] = _nothing
    onRoom: Callable[[], None] = _nothing
    settled: int = 0
    acked: int = 0
    sent: int = 0
    end: int = 0
    cost: int = 0
    held: int = 0
    full: bool = False
    durable: bool = attrs.field(default=False, init=False)
    arriving: int = attrs.field(default=0, init=False)
    _batches: list[Batch | None] = attrs.field(factory=list)
    _cut: int = 0
    _refusing: bool = False

    def resize(self, settings: BufferSettings) -> None:
        """
        Keep to another limit, or to another policy, from now on.
        """
        self.cost += self._countedOf(self.held, settings) - self._countedOf(self.held, self.settings)
        self.settings = settings
        self._measure()

    def append(self, batch: Batch, accepted: Accepted | None = None) -> None:
        """
        Take a batch in, or drop it or older ones by the overflow policy.
        """
        taken = self._makeRoom(batch)
        if taken:
            self._batches.append(batch)
            self.end += 1
            self.cost += batch.cost
            self.counters.accepted += batch.count
            self.onReadable()
            self._measure()
        else:
            self.dropped(batch.origin.source, "overflow", batch.count)
        if accepted is not None:
            accepted(taken)

    def whenTaken(self, taken: Callable[[], None]) -> None:
        """
        Every ``append`` is answered at once.
        """
        taken()

    def _makeRoom(self, batch: Batch) -> bool:
        """
        Apply the overflow policy, and say whether the batch may come in.
        """
        limit = self.settings.size - batch.cost
        match self.settings.overflow:
            case "drop-oldest":
                while self.cost > limit and self._mayGo:
                    self._giveUpOldest()
                # Where the oldest may not go, the newest has to.
                return self.cost <= limit or self.settled == self.end or batch.origin.answered
            case _ if batch.origin.answered:
                return True
            case "block" if batch.origin.pausable:
                return True
            case "block":
                # Once it had to be dropped, it is until there is room for those that wait: it would fill for ever what
                # the server empties, and they would never be read again.
                fits = self.acked == self.end or (self.cost <= limit and not self._refusing)
                self._refusing = self.full and not fits
                return fits
            case _:
                return self.cost <= limit or self.acked == self.end

    @property
    def _mayGo(self) -> bool:
        """
        Whether there is an oldest batch, and it may be given up: unless only its sender's trust in us keeps it.
        """
        if self.settled == self.end:
            return False
        return self.settled < self.acked or not self._at(self.settled).origin.answered

    def _giveUpOldest(self) -> None:
        """
        Let go of the oldest batch, which a server's kernel may or may not have.
        """
        wasAcked = self.settled < self.acked
        oldest = self._release()
        if wasAcked:
            self.counters.settledEarly += oldest.count
        else:
            self.dropped(oldest.origin.source, "overflow", oldest.count)
        self.sent = max(self.sent, self.settled)
        self.acked = max(self.acked, self.settled)
        self.onSettled()

    def _release(self) -> Batch:
        """
        Move the settled cursor by one and forget the batch that it passes.
        """
        batch = self._batches[self._cut]
        assert batch is not None
        self._batches[self._cut] = None
        self._cut += 1
        self.settled += 1
        self.cost -= batch.cost
        if self._cut >= _CUT and self._cut * 2 >= len(self._batches):
            del self._batches[: self._cut]
            self._cut = 0
        return batch

    def _at(self, position: int) -> Batch:
        """
        The batch at a position that has not settled.
        """
        batch = self._batches[self._cut + position - self.settled]
        assert batch is not None
        return batch

    def next(self) -> Batch | None:
        """
        Hand out the next batch, and count it as sent.
        """
        if self.sent == self.end:
            return None
        batch = self._at(self.sent)
        self.sent += 1
        return batch

    def peek(self, position: int) -> Batch | None:
        """
        Look at the batch at a position that has not settled.
        """
        return self._at(position) if self.settled <= position < self.end else None

    def amend(self, position: int, batch: Batch) -> None:
        """
        Put what is left of a batch in its place.
        """
        assert self.sent <= position < self.end, (self.sent, position, self.end)
        self.cost += batch.cost - self._at(position).cost
        self._batches[self._cut + position - self.settled] = batch
        self._measure()

    def acknowledge(self, position: int) -> None:
        """
        Note that everything before ``position`` is in a server's kernel.
        """
        assert position <= self.sent, (position, self.sent)
        if position > self.acked:
            self.acked = position
            self._measure()

    def settle(self, position: int) -> None:
        """
        Let go of everything before ``position``.
        """
        if position <= self.settled:
            return
        assert position <= self.sent, (position, self.sent)
        while self.settled < position:
            self.counters.settled += self._release().count
        self.acked = max(self.acked, self.settled)
        self._measure()
        self.onSettled()

    def rewind(self) -> int:
        """
        Hand out again everything that was sent and has not settled.
        """
        messages = self._count(self.settled, self.sent)
        self.sent = self.acked = self.settled
        self._measure()
        return messages

    def hold(self, delta: int) -> None:
        """
        Count ``delta`` bytes more (or fewer) of decoders' remainders.
        """
        before, self.held = self.held, self.held + delta
        self.cost += self._countedOf(self.held, self.settings) - self._countedOf(before, self.settings)
        self._measure()

    @staticmethod
    def _countedOf(held: int, settings: BufferSettings) -> int:
        """
        What counts of the bytes that decoders keep.
        """
        return min(held, int(REMAINDERS * settings.size))

    @property
    def messages(self) -> int:
        """
        How many messages have neither settled nor been given up.
        """
        return self._count(self.settled, self.end)

    @property
    def unsent(self) -> int:
        """
        How many messages have not been handed out, or not since the last rewind.
        """
        return self._count(self.sent, self.end)

    def _count(self, first: int, end: int) -> int:
        """
        How many messages there are from one position up to another.
        """
        return sum(self._at(position).count for position in range(first, end))

    @property
    def crowded(self) -> bool:
        """
        Whether the cost is above the high mark, whatever it consists of.
        """
        return self.cost >= HIGH * self.settings.size

    def _measure(self) -> None:
        """
        Say so when the high mark has been reached from below, or then the low one from above.
        """
        if self.full:
            if self.cost <= LOW * self.settings.size or self.acked == self.end:
                self.full = self._refusing = False
                self.onRoom()
        elif self.crowded and self.acked != self.end:
            self.full = True
            self.onFull()
