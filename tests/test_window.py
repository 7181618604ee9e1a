"""
Tests for :mod:`logrelay.window`: what is out on a connection, and what of it has settled.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from logrelay.values import MIB
from logrelay.window import Window

#: More than any test keeps.
PLENTY = 1 << 30


def written(*sizes: int, retention: int = 0, memory: int = PLENTY, overhead: int = 0) -> Window:
    """
    A window on a connection to which batches of these sizes were written, one a second; they cost ``overhead`` more
    than their sizes, and the first one ends at position 1 of the store.
    """
    window = Window(retention, memory)
    for place, size in enumerate(sizes):
        window.wrote(size, size + overhead, place + 1, float(place))
    return window


class AcknowledgedTests(SynchronousTestCase):
    """
    Which batches a number of acknowledged bytes covers.
    """

    def test_nothingWritten(self) -> None:
        """
        Without batches nothing is acknowledged or settled, whatever the peer says.
        """
        self.assertEqual(Window(0, PLENTY).acknowledged(1000, 1e9), (0, 0))

    def test_exactAtTheEndsOfBatches(self) -> None:
        """
        A batch is acknowledged with its last byte, and not one byte sooner.
        """
        window = written(10, 20, 30, retention=PLENTY)
        answers = [window.acknowledged(offset, 1e9) for offset in (0, 9, 10, 29, 30, 59, 60)]
        self.assertEqual(answers, [(0, 0), (0, 0), (1, 0), (1, 0), (2, 0), (2, 0), (3, 0)])

    def test_severalAtOnce(self) -> None:
        """
        One acknowledgement may cover many batches.
        """
        self.assertEqual(written(10, 20, 30).acknowledged(45, 1e9), (2, 2))

    def test_positionsAreTheStores(self) -> None:
        """
        Positions go on from where the last connection left the store.
        """
        window = Window(0, PLENTY)
        window.wrote(10, 10, 501, 0.0)
        self.assertEqual((window.written, window.acknowledged(10, 1e9)), (10, (501, 501)))

    def test_neverBackwards(self) -> None:
        """
        A smaller number than the last one, which a view of TLS may give, takes nothing back.
        """
        window = written(10, 20, 30, retention=15)
        self.assertEqual(window.acknowledged(30, 1e9), (2, 1))
        self.assertEqual(window.acknowledged(10, 1e9), (2, 0))
        self.assertEqual(window.acknowledged(60, 1e9), (3, 2))


class RetentionTests(SynchronousTestCase):
    """
    Spec 3: the levels of delivery are one window with different retention.
    """

    def test_none(self) -> None:
        """
        With no retention, as for ``written`` and ``acked``, a batch settles when it is acknowledged.
        """
        window = written(10, 20, 30)
        self.assertEqual([window.acknowledged(offset, 1e9) for offset in (9, 10, 60)], [(0, 0), (1, 1), (3, 3)])

    def test_exact(self) -> None:
        """
        With a retention of W, as for ``replay``, it settles when W more bytes are acknowledged, not one byte sooner.
        """
        window = written(10, 20, 1000, retention=100)
        answers = [window.acknowledged(offset, 1e9)[1] for offset in (109, 110, 129, 130, 1030)]
        self.assertEqual(answers, [0, 1, 0, 2, 0])

    def test_bytesWithinABatchCount(self) -> None:
        """
        The bytes that follow need not be whole batches.
        """
        self.assertEqual(written(10, 1000, retention=5).acknowledged(15, 1e9), (1, 1))

    def test_onlyMemory(self) -> None:
        """
        A batch also settles when acknowledged batches behind it cost as much as the window may keep, and not one byte
        sooner; what is not acknowledged does not count.
        """
        for memory, settled in ((60, 1), (61, 0)):
            window = written(10, 20, 10, 500, retention=PLENTY, memory=memory, overhead=15)
            self.assertEqual((memory, window.acknowledged(40, 1e9)), (memory, (3, settled)))

    def test_noMemory(self) -> None:
        """
        Where nothing may be kept each batch settles at its acknowledgement.
        """
        self.assertEqual(written(10, 20, 30, retention=PLENTY, memory=0).acknowledged(35, 1e9), (2, 2))

    @given(
        sizes=st.lists(st.integers(1, 50), max_size=20),
        acks=st.lists(st.integers(0, 600), max_size=8),
        retention=st.sampled_from([0, 1, 40, 100, PLENTY]),
        memory=st.sampled_from([0, 30, 120, PLENTY]),
    )
    @settings(max_examples=100, deadline=None)
    def test_plainly(self, sizes: list[int], acks: list[int], retention: int, memory: int) -> None:
        """
        Whatever is written and acknowledged, it is as the specification says it: looked up in a plain list.
        """
        window = written(*sizes, retention=retention, memory=memory, overhead=3)
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        settled = 0
        for offset in sorted(min(ack, window.written) for ack in acks):
            acked = sum(end <= offset for end in ends)
            nowSettled = sum(
                offset - ends[place] >= retention or sum(size + 3 for size in sizes[place + 1 : acked]) >= memory
                for place in range(acked)
            )
            self.assertEqual(window.acknowledged(offset, 1e9), (acked, nowSettled if nowSettled > settled else 0))
            settled = nowSettled
            self.assertEqual(window.oldest, float(settled) if settled < len(sizes) else None)


class ReadTests(SynchronousTestCase):
    """
    What shows that a peer reads.
    """

    def test_isRead(self) -> None:
        """
        More than its kernel holds was acknowledged: twice the largest window, and 1 MiB at least.  Where no window is
        known, nothing shows it.
        """
        window = Window(PLENTY, PLENTY)
        self.assertFalse(window.isRead(1 << 40))
        for advertised, enough in ((65536, MIB), (65535, MIB), (3 * MIB, 6 * MIB), (MIB, 6 * MIB)):
            window.advertised(advertised)
            self.assertEqual((window.isRead(enough - 1), window.isRead(enough)), (False, True), advertised)

    def test_retentionFollows(self) -> None:
        """
        W is as much, but at most what was configured; where no window is known, it is that.
        """
        window = Window(4 * MIB, PLENTY)
        seen = [window.retention]
        for advertised in (None, 1000, MIB, 1000, 100 * MIB):
            window.advertised(advertised)
            seen.append(window.retention)
        self.assertEqual(seen, [4 * MIB, 4 * MIB, MIB, 2 * MIB, 2 * MIB, 4 * MIB])

    def test_keep(self) -> None:
        """
        What is younger than it has to be is kept, however much was acknowledged behind it, as far as there is memory.
        """
        window = Window(0, 25, keep=10)
        for number in range(1, 4):
            window.wrote(10, 10, number, float(number))
        self.assertEqual(window.acknowledged(30, 3.0), (3, 0))
        self.assertEqual(window.acknowledged(30, 11.0), (3, 1))
        window.wrote(10, 10, 4, 11.5)
        window.wrote(10, 10, 5, 11.5)
        self.assertEqual(window.acknowledged(50, 11.5), (5, 2))


class OldestTests(SynchronousTestCase):
    """
    The age of what has not settled, for checkpoints.
    """

    def test_oldest(self) -> None:
        """
        It is when the first batch that has not settled was written, acknowledged or not.
        """
        window = written(10, 20, retention=5)
        self.assertEqual(window.oldest, 0.0)
        window.acknowledged(10, 1e9)
        self.assertEqual(window.oldest, 0.0)
        window.acknowledged(15, 1e9)
        self.assertEqual(window.oldest, 1.0)
        window.wrote(5, 5, 3, 9.0)
        window.acknowledged(35, 1e9)
        self.assertEqual(window.oldest, 9.0)

    def test_nothing(self) -> None:
        """
        There is none where everything has settled.
        """
        window = written(10)
        window.acknowledged(10, 1e9)
        self.assertIsNone(window.oldest)
        self.assertIsNone(Window(0, PLENTY).oldest)
