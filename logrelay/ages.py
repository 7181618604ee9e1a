"""
How old the oldest message of a store is.

A store keeps no times.  So a note is made of how far it reached, once a second while something comes in; the notes tell
within a second when the oldest batch that has not settled came.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

#: So many notes are kept at most, an even number: an hour of them.  After that they get coarser.
MOST = 3600

#: Notes are so many seconds apart at least.
APART = 1.0


class Ages:
    """
    When the batches of one store came in.
    """

    def __init__(self) -> None:
        self._notes: deque[tuple[int, float]] = deque()
        self._next = 0.0

    def arrives(self, position: int, now: float) -> None:
        """
        A batch comes in that will be at a position of the store.  Times do not run backwards here, whatever the clock
        does.
        """
        if now >= self._next or now < self._next - APART:
            self._next = now + APART
            self._notes.append((position, now))
            if len(self._notes) > MOST:
                self._notes = deque(islice(self._notes, 0, None, 2))

    def oldest(self, settled: int, end: int) -> float | None:
        """
        When the oldest batch came in that has not settled; a second too early at most.  ``None`` if there is none, or
        it was there before this began.

        :param settled: the position of that batch.
        :param end: the position behind the last one.
        """
        notes = self._notes
        while len(notes) > 1 and notes[1][0] <= settled:
            notes.popleft()
        if settled >= end or not notes or notes[0][0] > settled:
            return None
        return notes[0][1]
