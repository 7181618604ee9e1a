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


class RemapTests(SynchronousTestCase):
    """
    Another list of servers.
    """

    def test_losses(self) -> None:
        """
        Losses at servers that are listed still count, by whichever place; those at others do not any more.
        """
        for places, servers, searches in (((1, 0), 2, True), ((0, None), 1, False)):
            search = Search(2)
            search.lost(0, 5)
            search.lost(1, 5)
            search.remap(places, servers)
            search.lost(0, 5)
            self.assertEqual(search.active(0), searches)

    def test_theOnlyOne(self) -> None:
        """
        How many losses are enough follows from how many servers there are now.
        """
        search = Search(2)
        for _ in range(2):
            search.lost(0, 5)
        search.remap((0, None), 1)
        search.lost(0, 5)
        self.assertTrue(search.active(0))

    def test_duringASearch(self) -> None:
        """
        A search goes on; a server that was well is so at its new place.
        """
        search = Search(2)
        for _ in range(6):
            search.lost(0, 5)
        self.assertIsInstance(search.plan(0, 5, 3, 1), Evidence)
        search.sliceConfirmed(Evidence(0), 1)
        search.remap((None, 2), 3)
        self.assertTrue(search.active(0))
        self.assertEqual([search.knows(server) for server in range(3)], [False, False, True])
