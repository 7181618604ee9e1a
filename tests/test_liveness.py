"""
Tests for :mod:`logrelay.liveness`: tables of samples and verdicts.
"""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from logrelay.liveness import Liveness, Sample

#: One row: the time, bytes taken by our kernel, bytes acknowledged, whether the window is closed, and the verdict.
Row = tuple[float, int, int, bool, str | None]

OPEN, CLOSED = False, True


class LivenessTests(SynchronousTestCase):
    """
    Spec 1.6: ``ack-timeout`` is a dead path, ``stalled`` a closed window, and neither is said too early.
    """

    def check(self, *rows: Row, ackTimeout: float = 10, stallTimeout: float = 60) -> None:
        """
        Take samples of one connection.
        """
        liveness = Liveness(ackTimeout, stallTimeout)
        for row in rows:
            now, taken, acked, closed, verdict = row
            self.assertEqual((row, liveness.observe(now, Sample(taken, acked, closed))), (row, verdict))

    def test_idle(self) -> None:
        """
        Where nothing is out there is nothing to wait for, and the time before something was does not count.
        """
        self.check(
            (0, 0, 0, OPEN, None),
            (1000, 0, 0, OPEN, None),
            (2000, 50, 50, OPEN, None),
            (3000, 50, 50, OPEN, None),
            (3001, 60, 50, OPEN, None),
            (3010.9, 60, 50, OPEN, None),
            (3011, 60, 50, OPEN, "ack-timeout"),
        )

    def test_deadPath(self) -> None:
        """
        Data is out and nothing was acknowledged for the time limit: exactly then.
        """
        self.check(
            (5, 100, 0, OPEN, None),
            (14.9, 100, 0, OPEN, None),
            (15, 100, 0, OPEN, "ack-timeout"),
        )

    def test_moreData(self) -> None:
        """
        More data does not prolong the time.
        """
        self.check(
            (0, 100, 0, OPEN, None),
            (9, 900, 0, OPEN, None),
            (10, 999, 0, OPEN, "ack-timeout"),
        )

    def test_slowPath(self) -> None:
        """
        Each acknowledgement, however small, starts the time anew.
        """
        self.check(
            (0, 100, 10, OPEN, None),
            (1, 100, 10, OPEN, None),
            (10, 200, 11, OPEN, None),
            (11, 200, 11, OPEN, None),
            (20.9, 200, 11, OPEN, None),
            (21, 200, 11, OPEN, "ack-timeout"),
        )

    def test_closedWindow(self) -> None:
        """
        A server that keeps its window closed has more time: exactly the other limit.
        """
        self.check(
            (5, 100, 0, CLOSED, None),
            (15, 100, 0, CLOSED, None),
            (64.9, 100, 0, CLOSED, None),
            (65, 100, 0, CLOSED, "stalled"),
        )

    def test_slowServer(self) -> None:
        """
        One that reads a little now and then is not stalled.
        """
        self.check(
            (0, 100, 0, CLOSED, None),
            (59, 100, 1, CLOSED, None),
            (60, 100, 1, CLOSED, None),
            (119, 100, 1, CLOSED, None),
            (119.9, 100, 2, CLOSED, None),
            (120, 100, 2, CLOSED, None),
            (180, 100, 2, CLOSED, "stalled"),
        )

    def test_pathDiesAfterTheWindowOpens(self) -> None:
        """
        When the window opens and data is out again, the path has its full time.
        """
        self.check(
            (0, 100, 0, CLOSED, None),
            (50, 100, 0, CLOSED, None),
            (55, 100, 0, OPEN, None),
            (64.9, 100, 0, OPEN, None),
            (65, 100, 0, OPEN, "ack-timeout"),
        )

    def test_windowClosesWithDataOut(self) -> None:
        """
        When the window closes over data that is out, the server has its full time, even where the path was given more.
        """
        self.check((0, 100, 0, OPEN, None), (9, 100, 0, CLOSED, None), (68, 100, 0, CLOSED, None))
        self.check(
            (0, 100, 0, OPEN, None),
            (90, 100, 0, CLOSED, None),
            (149.9, 100, 0, CLOSED, None),
            (150, 100, 0, CLOSED, "stalled"),
            ackTimeout=100,
        )

    def test_ceasedToRead(self) -> None:
        """
        A server that has ceased to read is stalled so long after that, though its kernel took more for a while, and
        may take still more; one that reads has its full time from when the window closes.
        """
        for reads, open_, expected in ((False, 10, 62), (True, 10, 71), (False, 1000, 62)):
            liveness = Liveness(10, 60)
            for now in range(500):
                # There is little traffic, and it is read.
                self.assertIsNone(liveness.observe(now - 1000, Sample(100 * now, 100 * now, False, 1_000_000)))
            verdict, now, acked = None, 0, 50_000
            while verdict is None:
                now += 1
                acked += 100_000 if now <= open_ else 0
                window = 100_000_000 - (0 if reads else acked)
                verdict = liveness.observe(now, Sample(acked + 1, acked, now > open_, 0 if now > open_ else window))
            self.assertEqual((verdict, now), ("stalled", expected), (reads, open_))

    def test_burstAfterIdle(self) -> None:
        """
        A server that had nothing to read has its full time from the burst on, whatever came before it: nothing, or a
        little that it read.
        """
        for little in (0, 15_000):
            liveness = Liveness(10, 60)
            for now in range(1000):
                acked = min(100 * now, little)
                self.assertIsNone(liveness.observe(now, Sample(acked, acked, False, 200_000)))
            for now in range(1000, 1059):
                more = min(100_000, 20_000 * (now - 999))
                taken = little + more
                self.assertIsNone(liveness.observe(now, Sample(taken, taken, False, 200_000 - more)), (little, now))
                self.assertFalse(liveness.suspects(1010))

    def test_slowReader(self) -> None:
        """
        One that reads slower than it gets is suspected, but not stalled: the little that it gets then shows that it
        reads.
        """
        liveness = Liveness(10, 60)
        acked = unread = 0
        suspected, wroteAt = 0, -10.0
        for now in range(1200):
            unread = max(0, unread - 15_000)
            suspects = liveness.suspects(now)
            suspected += suspects
            if unread + 40_000 <= 3_000_000 and (not suspects or now - wroteAt >= liveness.trickle):
                acked, unread, wroteAt = acked + 40_000, unread + 40_000, now
            window = 3_000_000 - unread
            self.assertIsNone(liveness.observe(now, Sample(acked + 1, acked, window < 40_000, window)), now)
        self.assertTrue(0 < suspected < 600, suspected)
        self.assertGreater(acked, 10_000_000)

    def test_pause(self) -> None:
        """
        What a server has read during a pause shows with the next acknowledgement, and one that has not is stalled then.
        """
        for reads in (False, True):
            liveness = Liveness(10, 60)
            for now in range(30):
                acked = 40_000 * now
                self.assertIsNone(liveness.observe(now, Sample(acked, acked, False, 2_000_000 - acked)))
            self.assertTrue(liveness.suspects(29))
            for now in (31, 500, 501, 502):
                self.assertIsNone(liveness.observe(now, Sample(acked, acked, False, 2_000_000 - acked)))
            window = 2_000_000 - (0 if reads else acked + 100)
            verdict = liveness.observe(503, Sample(acked + 100, acked + 100, False, window))
            self.assertEqual((verdict, liveness.suspects(503)), (None if reads else "stalled", not reads))

    def test_unansweredQuestions(self) -> None:
        """
        A server whose window was closed, and that does not even answer questions about it any more, is gone: that
        takes no longer than on an open path.
        """
        liveness = Liveness(10, 60)
        rows = ((0, False), (5, True), (6, False), (20, True), (29.9, True))
        for now, unanswered in rows:
            self.assertIsNone(liveness.observe(now, Sample(100, 50, True, 0, unanswered)), now)
        self.assertEqual(liveness.observe(30, Sample(100, 50, True, 0, True)), "ack-timeout")

    def test_toAndFro(self) -> None:
        """
        A window that opens and closes without an acknowledgement in between has been closed all the time: there is
        no way to hang for ever.
        """
        self.check(
            (0, 100, 0, CLOSED, None),
            *[(float(now), 100, 0, now % 8 < 4, None) for now in range(1, 60)],
            (60, 100, 0, OPEN, None),
            (64, 100, 0, CLOSED, "stalled"),
        )

    def test_everythingAcknowledged(self) -> None:
        """
        A closed window over nothing is no stall.
        """
        self.check((0, 100, 100, CLOSED, None), (100, 100, 100, CLOSED, None), (101, 101, 100, CLOSED, None))

    def test_nothingKnown(self) -> None:
        """
        A connection of which nothing is known, so that everything counts as acknowledged, is alive.
        """
        self.check(*[(now, sys.maxsize, sys.maxsize, OPEN, None) for now in (0.0, 100.0, 200.0)])
