"""
The rules of the search for a poison message.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.search import Evidence, Part, Search


class SuspectTests(SynchronousTestCase):
    """
    What is held against a message.
    """

    def test_anotherSuspect(self) -> None:
        """
        What was held against a message that has gone, to make room, is not held against the next one.
        """
        search = Search(1)
        for _ in range(3):
            search.lost(0, 2)
        self.confirmEvidence(search, 0)
        self.assertFalse(search.sliceLost(search.plan(0, 3, 1, 0), 0, True))
        self.confirmEvidence(search, 0)
        self.assertEqual(search.plan(0, 3, 1, 0), Part(1))
        self.assertFalse(search.sliceLost(Part(1), 0, True))
        # The store has given it up.
        self.assertTrue(search.active(1))
        self.confirmEvidence(search, 1)
        self.assertFalse(search.sliceLost(search.plan(1, 3, 1, 0), 0, True))

    def confirmEvidence(self, search: Search, settled: int) -> None:
        """
        A server shows that it is well.
        """
        evidence = search.plan(settled, 3, 1, 0)
        self.assertIsInstance(evidence, Evidence)
        search.sliceConfirmed(evidence, 0)
