"""
From acknowledged ciphertext back to the plain text that lies in it.

TCP acknowledges bytes on the wire.  Over TLS these are records, and a peer can use a record only when it has all of
it.  So each time that records leave for the wire, a mark is made: this much plain text lies wholly within that much
ciphertext.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

#: So many marks are kept at most, an even number (about 1 MiB of memory).  In full records that is 128 MiB, more than
#: is ever out; with small ones the marks get coarser.
MARK_LIMIT = 8192


class RecordMarks:
    """
    The marks of one connection.  All counts are of bytes since the connection began.

    :ivar cipher: how much ciphertext went out, handshake and other records without plain text included.
    :ivar plain: how much plain text was encrypted.
    """

    def __init__(self) -> None:
        self.cipher = 0
        self.plain = 0
        self._acked = 0
        self._marks: deque[tuple[int, int]] = deque()

    def encrypted(self, count: int) -> None:
        """
        So many bytes of plain text were put into records, which have not left yet.
        """
        self.plain += count

    def left(self, count: int, everything: bool) -> None:
        """
        So many bytes of ciphertext left for the wire.

        :param everything: whether no record is left behind.  If one may be, no mark is made, and its plain text
            counts with the next mark.
        """
        self.cipher += count
        marked = self._marks[-1][1] if self._marks else self._acked
        if everything and self.plain > marked:
            self._marks.append((self.cipher, self.plain))
            if len(self._marks) > MARK_LIMIT:
                self._thin()

    def _thin(self) -> None:
        """
        Drop every second mark of an odd number, so neither the oldest nor the newest.  What they marked counts with
        the mark after them.
        """
        self._marks = deque(islice(self._marks, 0, None, 2))

    def plainAcked(self, cipherAcked: int) -> int:
        """
        How much plain text lies wholly within acknowledged ciphertext.  Passed marks are let go.

        :param cipherAcked: how much ciphertext is acknowledged; it never shrinks.
        """
        while self._marks and self._marks[0][0] <= cipherAcked:
            self._acked = self._marks.popleft()[1]
        return self._acked
