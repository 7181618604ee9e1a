"""
What is out on one connection, and when it need not be sent again.

TCP tells how many bytes the peer's kernel has acknowledged.  A batch that ends at byte *e* of the stream is *acked*
when that number has reached *e*.  Acknowledged bytes may still be lost with the peer's receive buffer, so the level
``replay`` keeps a batch until W bytes more were acknowledged after it: what a peer has not read is never more than W.
``acked`` and ``written`` are the same window with W = 0; ``written`` counts what our own kernel took.

W follows the peer.  How much its kernel can hold unread shows in the largest window that it has ever advertised on this
connection; twice that was never passed in any trial.  (The window may be small just because the buffer is nearly full,
and grow later; so what was settled by a smaller W is gone.)
"""

from __future__ import annotations

from collections import deque

import attrs

#: W is at least this, in bytes, for what a server has read and keeps in its own memory: rsyslog was seen to hold
#: 0.9 MB.
LEAST_RETENTION = 1024 * 1024

#: A peer that ended with nothing unread had this many bytes at most in its parser: one read of a server.
PARSED = 64 * 1024


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

    :ivar most: W is never more than this, in bytes.
    :ivar memory: batches that cost more than this are never kept, whatever W is.
    :ivar keep: a batch is kept for so many seconds at least, however much was acknowledged behind it.
    :ivar written: bytes written to the transport.
    """

    most: int
    memory: int
    keep: float = 0
    written: int = 0
    _widest: int | None = None
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

    def advertised(self, window: int | None) -> None:
        """
        The peer has room for so many bytes; ``None`` where that is not known.
        """
        if window is not None and (self._widest is None or window > self._widest):
            self._widest = window

    @property
    def retention(self) -> int:
        """
        W: how many bytes have to be acknowledged behind a batch before it settles.
        """
        wanted = self.most if self._widest is None else max(2 * self._widest, LEAST_RETENTION)
        return min(wanted, self.most)

    @property
    def widest(self) -> int:
        """
        The largest window that the peer has advertised; 0 where none is known.
        """
        return self._widest or 0

    def isRead(self, offset: int) -> bool:
        """
        Whether so much was acknowledged that the peer must have read of it: more than its kernel can hold.
        """
        return self._widest is not None and offset >= max(2 * self._widest, LEAST_RETENTION)

    def acknowledged(self, offset: int, now: float, retention: int | None = None) -> tuple[int, int]:
        """
        The peer has ``offset`` bytes of this stream.

        :param retention: what to take for W, where more is known than it tells.
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
        wanted, latest = self.retention if retention is None else retention, now - self.keep
        settled = 0
        while acked and (
            (offset - acked[0].end >= wanted and acked[0].at <= latest) or last.cost - acked[0].cost >= self.memory
        ):
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
