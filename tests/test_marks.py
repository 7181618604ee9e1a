"""
Tests for L{logrelay.marks}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.marks import MARK_LIMIT, RecordMarks


class RecordMarksTests(SynchronousTestCase):
    """
    L{RecordMarks}.
    """

    def test_wholeRecordsOnly(self) -> None:
        """
        Plain text counts as acknowledged when the last byte of its record is.
        """
        marks = RecordMarks()
        marks.encrypted(10)
        marks.left(40, True)
        self.assertEqual([marks.plainAcked(acked) for acked in (0, 39, 40, 41)], [0, 0, 10, 10])

    def test_recordsWithoutPlainText(self) -> None:
        """
        The handshake's records move the wire's count and nothing else.
        """
        marks = RecordMarks()
        marks.left(500, True)
        self.assertEqual(marks.plainAcked(500), 0)
        marks.encrypted(10)
        marks.left(40, True)
        marks.left(30, True)
        self.assertEqual([marks.plainAcked(acked) for acked in (539, 540, 570)], [0, 10, 10])
        self.assertEqual((marks.cipher, marks.plain), (570, 10))

    def test_whatMayBeLeftBehind(self) -> None:
        """
        While a record may still be waiting to leave, nothing of it counts.
        """
        marks = RecordMarks()
        marks.encrypted(10)
        marks.left(40, False)
        self.assertEqual(marks.plainAcked(40), 0)
        marks.left(1, True)
        self.assertEqual([marks.plainAcked(40), marks.plainAcked(41)], [0, 10])

    def test_acknowledgedBetween(self) -> None:
        """
        Marks that were passed are let go, and what they marked stays acknowledged.
        """
        marks = RecordMarks()
        for _ in range(3):
            marks.encrypted(10)
            marks.left(40, True)
            self.assertEqual(marks.plainAcked(marks.cipher), marks.plain)
        self.assertEqual(marks.plainAcked(marks.cipher), 30)

    def test_bounded(self) -> None:
        """
        However many records are out, few marks are kept; what was acknowledged is never overstated, and in the end
        everything is.
        """
        marks = RecordMarks()
        for _ in range(5 * MARK_LIMIT):
            marks.encrypted(1)
            marks.left(3, True)
        self.assertLessEqual(len(marks._marks), MARK_LIMIT)
        for acked in range(0, marks.cipher, 1001):
            self.assertLessEqual(marks.plainAcked(acked), acked // 3)
        self.assertEqual(marks.plainAcked(marks.cipher), marks.plain)
