"""
A little of ``python -m tests.hostile``, which goes on for minutes.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .hostile import Trial
from .sourcing import folder


class HostileTests(SynchronousTestCase):
    """
    Hostile peers of the control socket and of HTTP.
    """

    def test_hostile(self) -> None:
        """
        Messages flow, and both answer.
        """
        trial = Trial(Path(folder(self)), seed=1)
        self.assertEqual(trial.run(3.0), [])
        self.assertGreater(trial.sent, 1000)
        self.assertGreater(trial.tried.total(), 20)
