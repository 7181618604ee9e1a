"""
Tests for :mod:`logrelay.bucket`: the throttle.
"""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from logrelay.bucket import DEPTH, Bucket


class Source:
    """
    Has messages without end, and passes them through a bucket as a sender does: as soon as it may, by a timer.

    :ivar passed: the time and the count of each batch that passed.
    """

    def __init__(self, bucket: Bucket, clock: Clock, batch: int, late: float = 0.0) -> None:
        """
        :param late: how much later than asked for a timer may go off, in seconds.
        """
        self.bucket, self.clock, self.batch, self.late = bucket, clock, batch, late
        self.random = random.Random(1)
        self.passed: list[tuple[float, int]] = []

    def offer(self) -> None:
        """
        Pass batches until the bucket says no.
        """
        while (wait := self.bucket.wait(self.clock.seconds())) == 0:
            self.bucket.take(self.batch)
            self.passed.append((self.clock.seconds(), self.batch))
        self.clock.callLater(wait + self.random.uniform(0, self.late), self.offer)

    def within(self, start: float, end: float) -> int:
        """
        How many messages passed from ``start`` up to ``end``.
        """
        return sum(count for at, count in self.passed if start <= at < end)


class BucketTests(SynchronousTestCase):
    """
    ``throttle``: messages a second, within 5 % over 10 s; delayed, never dropped.
    """

    def run10(self, rate: float, late: float = 0.0, begin: float = 0.0) -> Source:
        """
        Let a source pass what it can in 10 seconds.
        """
        clock = Clock()
        clock.advance(begin)
        bucket = Bucket(rate)
        source = Source(bucket, clock, bucket.largestBatch, late)
        source.offer()
        clock.pump([0.01] * 1000)
        return source

    def test_rate(self) -> None:
        """
        In 10 seconds as many messages pass as should, within 5 %; also when the timers are late, and when time is a
        large number, as it is with a real reactor.
        """
        for rate in (20, 100, 333.3, 1000, 12345, 250_000):
            for late in (0.0, 0.02, 0.05):
                for begin in (0.0, 1.7e9):
                    passed = self.run10(rate, late, begin).within(begin, begin + 10)
                    self.assertTrue(0.95 * rate * 10 <= passed <= 1.05 * rate * 10, (rate, late, begin, passed))

    def test_slow(self) -> None:
        """
        Of a few messages a second, one passes at a time, evenly.
        """
        times = [at for at, _ in self.run10(2).passed]
        self.assertEqual(len(times), 20)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        self.assertTrue(all(0.49 <= gap <= 0.51 + 0.01 for gap in gaps), gaps)

    def test_noBurstAfterRest(self) -> None:
        """
        After a rest no more pass at once than flow in within the bucket's depth, and one batch.
        """
        clock = Clock()
        bucket = Bucket(1000)
        source = Source(bucket, clock, bucket.largestBatch)
        bucket.wait(0)
        clock.advance(3600)
        source.offer()
        self.assertLessEqual(source.within(3600, 3601), 2 * 1000 * DEPTH)

    def test_onCredit(self) -> None:
        """
        A batch passes whole, and what it takes too much is waited for afterwards.
        """
        bucket = Bucket(100)
        self.assertEqual(bucket.wait(5.0), 0)
        bucket.take(250)
        self.assertEqual([bucket.wait(now) for now in (5.0, 6.0, 7.5)], [2.5, 1.5, 0])

    def test_largestBatch(self) -> None:
        """
        A batch that passes leaves a debt of no more than the bucket's depth; but one message must pass.
        """
        for rate, largest in ((0.5, 1), (1, 1), (100, 5), (10_000, 500)):
            self.assertEqual((rate, Bucket(rate).largestBatch), (rate, largest))

    @given(rate=st.floats(0.01, 1e6), start=st.sampled_from([0.0, 1.7e9]), count=st.integers(1, 1000))
    @settings(max_examples=100, deadline=None)
    def test_waitingHelps(self, rate: float, start: float, count: int) -> None:
        """
        Whoever has waited for as long as was said, may go on; what rounding leaves is not waited for, since a timer for
        so short a time would not bring the clock forward.
        """
        bucket, now = Bucket(rate), start
        for _ in range(20):
            for _ in range(2):
                now += bucket.wait(now)
            self.assertEqual(bucket.wait(now), 0)
            bucket.take(count)
