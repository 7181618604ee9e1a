"""
Tests for :mod:`logrelay.backoff`: the waits between rounds.
"""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from logrelay.backoff import FIRST, JITTER, Backoff


def waits(longest: float, number: int, value: float = 0.5) -> list[float]:
    """
    The first waits, with a random number that is always the same; with 0.5 they are not jittered.
    """
    backoff = Backoff(longest, lambda: value)
    return [backoff.wait() for _ in range(number)]


class BackoffTests(SynchronousTestCase):
    """
    Spec 1.3: from 1 s, growing, jittered, clipped to ``time-reopen`` after the jitter.
    """

    def test_grows(self) -> None:
        """
        Each wait is twice the last one, until the longest.
        """
        self.assertEqual(waits(60, 9), [1, 2, 4, 8, 16, 32, 60, 60, 60])

    def test_jitter(self) -> None:
        """
        Waits differ by up to a fifth, and grow nevertheless.
        """
        self.assertEqual(waits(60, 3, 0.0), [0.8, 1.6, 3.2])
        self.assertEqual([round(wait, 9) for wait in waits(60, 3, 1.0)], [1.2, 2.4, 4.8])
        backoff = Backoff(1e9, random.Random(1).random)
        several = [backoff.wait() for _ in range(20)]
        self.assertEqual(several, sorted(several))
        self.assertEqual(len({wait / 2**power for power, wait in enumerate(several)}), 20)

    def test_clippedAfterTheJitter(self) -> None:
        """
        No wait is longer than the longest, whatever the jitter; shorter ones differ.
        """
        backoff = Backoff(60, random.Random(2).random)
        several = [backoff.wait() for _ in range(300)][7:]
        self.assertEqual(max(several), 60)
        self.assertGreaterEqual(min(several), 60 * (1 - JITTER))
        self.assertGreater(len(set(several)), 100)

    def test_shortLimit(self) -> None:
        """
        A limit below the first wait holds for that, too.
        """
        self.assertEqual(waits(0.25, 3), [0.25, 0.25, 0.25])

    def test_startsOver(self) -> None:
        """
        When a server has proved well the first wait is the next one.
        """
        backoff = Backoff(60, lambda: 0.5)
        for _ in range(5):
            backoff.wait()
        backoff.startOver()
        self.assertEqual([backoff.wait(), backoff.wait()], [FIRST, 2 * FIRST])
