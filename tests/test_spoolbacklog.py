"""
Tests for :mod:`logrelay.spool.backlog`.
"""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from logrelay.spool.backlog import Backlog
from logrelay.spool.bundles import Stored
from logrelay.spool.record import Cursor

from .stores import newBatch

#: How much may be missing: a database of messages of one byte.
HOLE = 32 * 1024 * 1024


def stored(position: int, message: int) -> Stored:
    """
    A batch as it was read.
    """
    batch = newBatch(position)
    return Stored(position, message, batch.count, batch.framing, batch.origin, batch.payload)


class HoleTests(SynchronousTestCase):
    """
    Positions that are missing.
    """

    def test_large(self) -> None:
        """
        The reactor does not wait while a cursor goes over millions of them.
        """
        behind = HOLE + 2
        end = Cursor(behind + 2, behind + 2)
        backlog = Backlog(end=end)
        backlog.load([stored(0, 0), stored(1, 1), stored(behind, behind), stored(behind + 1, behind + 1)], end)
        start = time.process_time()
        self.assertEqual([backlog.next(), backlog.next(), backlog.sent], [newBatch(0), newBatch(1), 2])
        self.assertEqual([backlog.next(), backlog.sent], [newBatch(behind), behind + 1])
        self.assertEqual((backlog.messagesFrom(0), backlog.messagesBetween(0, backlog.sent)), (4, 3))
        counted: list[int] = []
        backlog.release(1, lambda batch: counted.append(batch.count))
        self.assertEqual(backlog.settled, Cursor(1, 1))
        backlog.release(2, lambda batch: counted.append(batch.count))
        self.assertEqual(backlog.settled, Cursor(behind, behind))
        backlog.release(behind + 1, lambda batch: counted.append(batch.count))
        self.assertEqual([backlog.next(), backlog.next(), backlog.sent], [newBatch(behind + 1), None, end.position])
        backlog.release(end.position, lambda batch: counted.append(batch.count))
        self.assertEqual((backlog.settled, backlog.cost, counted), (end, 0, [1, 1, 1, 1]))
        self.assertLess(time.process_time() - start, 0.5)

    def test_atTheEnd(self) -> None:
        """
        What is missing at the end is passed when all before it has settled.
        """
        end = Cursor(HOLE, HOLE)
        backlog = Backlog(end=end)
        backlog.load([stored(0, 0)], end)
        start = time.process_time()
        self.assertEqual([backlog.next(), backlog.next(), backlog.sent], [newBatch(0), None, HOLE])
        backlog.release(1, lambda batch: None)
        self.assertEqual(
            (backlog.settled, backlog.sent, backlog.messagesFrom(backlog.settled.position)), (end, HOLE, 0)
        )
        self.assertLess(time.process_time() - start, 0.5)
