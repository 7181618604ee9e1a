"""
The trials with relays and servers in processes of their own, made short.  ``LOGRELAY_SEED`` repeats a run.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ..figures import show
from .disks import mayMount
from .drain import drain
from .full import full
from .kills import kills
from .outcomes import Outcome, table
from .readonly import readonly
from .seeds import seedOf


class ProcessTests(SynchronousTestCase):
    """
    What was answered with 200 is delivered.
    """

    def folder(self) -> Path:
        """
        A new one.
        """
        path = Path(self.mktemp()).resolve()
        path.mkdir(parents=True)
        return path

    def holds(self, outcome: Outcome) -> None:
        """
        The claim holds.
        """
        show(table([outcome]))
        self.assertEqual(outcome.troubles, [])

    def test_kills(self) -> None:
        """
        A relay that is killed under load loses nothing, and sends no more than a window twice.
        """
        self.holds(kills(seedOf(self), self.folder(), times=3, longest=0.5))

    def test_drain(self) -> None:
        """
        What has gathered on disk is delivered, from the first second on, in little memory.
        """
        self.holds(drain(seedOf(self), self.folder() / "relay", "syslog", backlog=40_000_000, kills=1))

    def test_full(self) -> None:
        """
        On a full disk sources wait, also after a kill, and when a server comes everything goes on.
        """
        if not mayMount():
            raise SkipTest("only root can have a disk that is small")
        self.holds(full(self.folder() / "relay", "block", killed=True, messages=30_000))

    def test_readonly(self) -> None:
        """
        A disk that takes no writes is read.
        """
        outcome = readonly(self.folder() / "relay")
        if outcome is None:
            raise SkipTest("no file system can be mounted here")
        self.holds(outcome)
