"""
How old the oldest message is.
"""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from logrelay.ages import APART, MOST, Ages


class AgesTests(SynchronousTestCase):
    """
    Notes of when batches came.
    """

    def test_nothing(self) -> None:
        """
        Where nothing waits nothing is old; so it is with what was there before.
        """
        ages = Ages()
        self.assertEqual([ages.oldest(0, 0), ages.oldest(0, 5)], [None, None])
        ages.arrives(5, 10)
        self.assertEqual([ages.oldest(3, 6), ages.oldest(5, 6), ages.oldest(6, 6)], [None, 10, None])

    def test_withinASecond(self) -> None:
        """
        Whatever came and settled when, the answer is at most a second too early, and never too late.
        """
        chance = random.Random(1)
        for _ in range(50):
            came: list[float] = []
            ages, settled, now = Ages(), 0, 0.0
            for _ in range(300):
                now += chance.choice((0.001, 0.1, 0.7, 3.0))
                ages.arrives(len(came), now)
                came.append(now)
                settled = chance.randint(settled, len(came))
                found = ages.oldest(settled, len(came))
                if settled == len(came):
                    self.assertIsNone(found)
                else:
                    assert found is not None
                    self.assertTrue(came[settled] - APART <= found <= came[settled], (came[settled], found))

    def test_bounded(self) -> None:
        """
        However long nothing settles, there are only so many notes; the oldest one stays.
        """
        ages = Ages()
        for second in range(5 * MOST):
            ages.arrives(second, float(second))
        self.assertLessEqual(len(ages._notes), MOST)
        self.assertEqual(ages.oldest(0, 5 * MOST), 0)

    def test_clockGoesBack(self) -> None:
        """
        A clock that is set back does not keep notes from being made.
        """
        ages = Ages()
        ages.arrives(0, 1000)
        ages.arrives(1, 10)
        self.assertEqual(ages.oldest(1, 2), 10)
