"""
A few reloads under load; ``python -m tests.reloads`` makes a hundred.
"""

from __future__ import annotations

import asyncio

from twisted.trial.unittest import SynchronousTestCase

from .certificates import Folder
from .reloads import Trial


class ReloadsTests(SynchronousTestCase):
    """
    A relay in a process of its own, with SIGHUP.
    """

    def test_reloads(self) -> None:
        """
        Whatever comes and goes, no message is lost, and no connection is closed whose source or server stays.
        """
        trial = Trial(Folder(self.mktemp()))
        asyncio.run(trial.run(9))
        self.assertEqual((trial.lost(), trial.closed()), (0, 0), f"{trial}\n{trial.log}")
        # A destination that was removed twice has what was to come between, and nothing of it is missing.
        self.assertEqual(trial.gaps(), 2, f"{trial}\n{trial.log}")
        self.assertNotIn("not delivered", trial.log)
