"""
What is out on one connection, and when it need not be sent again.

TCP tells how many bytes the peer's kernel has acknowledged.  A batch that ends at byte *e* of the stream is *acked*
when that number has reached *e*.  Acknowledged bytes may still be lost with the peer's receive buffer, so the level
``replay`` keeps a batch until W bytes more were acknowledged after it: what a peer has not read is never more than W.
``acked`` and ``written`` are the same window with W = 0; ``written`` counts what our own kernel took.
"""

from __future__ import annotations

from collections import deque

import attrs


@attrs.frozen
class _Entry:
    """
    One batch on the wire.

    :ivar end: the stream offset behind its last byte.
    :ivar cost: the memory of all batches of this connection up to and with this one.
    :ivar position: the store's position behind it.
    :ivar at: when it was written.
    """

    end: int
    cost: int
    position: int
    at: float


@attrs.define(eq=False)
class Window:
    """
    The batches of one connection, from the write to the settlement.

    :ivar retention: W: settle a batch when so many bytes were acknowledged behind it.
    :ivar memory: or when batches that cost so much were.
    :ivar written: bytes written to the transport.
    """

    retention: int
    memory: int
    written: int = 0
    _cost: int = 0
    _unacked: deque[_Entry] = attrs.field(factory=deque)
    _acked: deque[_Entry] = attrs.field(factory=deque)
    _lastAcked: _Entry | None = None

    def wrote(self, size: int, cost: int, position: int, now: float) -> None:
        """
        A batch of ``size`` bytes was written, the one that ends at ``position`` of the store.
        """
        self.written += size
        self._cost += cost
        self._unacked.append(_Entry(self.written, self._cost, position, now))

    def acknowledged(self, offset: int) -> tuple[int, int]:
        """
        The peer has ``offset`` bytes of this stream.

        :return: the store positions up to which batches are acknowledged, and up to which they are settled; 0 for
            none.
        """
        unacked, acked = self._unacked, self._acked
        while unacked and unacked[0].end <= offset:
            self._lastAcked = unacked.popleft()
            acked.append(self._lastAcked)
        last = self._lastAcked
        if last is None:
            return 0, 0
        settled = 0
        while acked and (offset - acked[0].end >= self.retention or last.cost - acked[0].cost >= self.memory):
            settled = acked.popleft().position
        return last.position, settled

    @property
    def oldest(self) -> float | None:
        """
        When the oldest batch that has not settled was written; ``None`` if all have.
        """
        if self._acked:
            return self._acked[0].at
        return self._unacked[0].at if self._unacked else None
