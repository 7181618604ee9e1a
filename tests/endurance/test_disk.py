"""
The trials of what is on disk, made short.  ``LOGRELAY_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ..figures import show
from .damage import damage
from .outcomes import table
from .powercut import powercut
from .records import Entry, hasCompiler
from .replay import Disk, always, never
from .seeds import seedOf

#: Where there is a folder in memory, if anywhere.
MEMORY = Path("/dev/shm")


class DiskTests(SynchronousTestCase):
    """
    What was accepted is there.
    """

    def folder(self) -> Path:
        """
        A new one; in memory where that can be, since no sync of these trials has to reach a disk.
        """
        path = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)).resolve()
        self.addCleanup(shutil.rmtree, path)
        return path

    def test_damage(self) -> None:
        """
        Damaged files cost what is in them, and no more; and the spool goes on.
        """
        outcomes = list(damage(seedOf(self), self.folder(), times=40))
        show(table(outcomes))
        self.assertEqual([trouble for each in outcomes for trouble in each.troubles], [])

    def test_powercut(self) -> None:
        """
        A power cut at any moment costs nothing, or what ``sync = "normal"`` says.
        """
        if not hasCompiler():
            raise SkipTest("there is no compiler for what records writes")
        for sync in ("full", "normal"):
            outcome = powercut(seedOf(self), self.folder() / sync, sync, batches=150, states=30, rounds=2)
            show(table([outcome]))
            self.assertEqual(outcome.troubles, [])


class ReplayTests(SynchronousTestCase):
    """
    What a disk may hold is what it may hold.
    """

    def setUp(self) -> None:
        """
        A disk with one file, of which something is durable.
        """
        self.disk = Disk("/spool")
        self.play(
            ("O", 3, 0, b"/spool"), ("O", 4, os.O_CREAT, b"/spool/one"), ("W", 4, 0, b"durable"), ("S", 4, 0, b"")
        )

    def play(self, *entries: tuple[str, int, int, bytes]) -> None:
        """
        Let something happen.
        """
        for entry in entries:
            self.disk.apply(Entry(*entry))

    def after(self, survives: bool) -> dict[str, bytes]:
        """
        What is in the folder after a power cut; all that was not synced survives, or nothing does.
        """
        path = Path(self.mktemp())
        self.disk.build(path, always if survives else never)
        return {each.name: each.read_bytes() for each in path.iterdir()}

    def test_names(self) -> None:
        """
        A name is there when its folder was synced, and a change of it then, too.
        """
        self.assertEqual((self.after(False), self.after(True)), ({}, {"one": b"durable"}))
        self.play(("S", 3, 0, b""), ("R", -1, 0, b"/spool/one\0/spool/two"))
        self.assertEqual((self.after(False), self.after(True)), ({"one": b"durable"}, {"two": b"durable"}))
        self.play(("S", 3, 0, b""), ("U", -1, 0, b"/spool/two"))
        self.assertEqual((self.after(False), self.after(True)), ({"two": b"durable"}, {}))

    def test_contents(self) -> None:
        """
        What was written is there when the file was synced, and a new length then, too.
        """
        self.play(("S", 3, 0, b""), ("W", 4, 7, b" later"))
        self.assertEqual((self.after(False), self.after(True)), ({"one": b"durable"}, {"one": b"durable later"}))
        self.play(("S", 4, 0, b""), ("T", 4, 3, b""))
        self.assertEqual((self.after(False), self.after(True)), ({"one": b"durable later"}, {"one": b"dur"}))

    def test_torn(self) -> None:
        """
        Of a write any sectors may be there.
        """
        self.play(("S", 3, 0, b""), ("W", 4, 0, b"x" * 1024), ("C", 4, 0, b""))
        lucks = iter([True, False, True])
        path = Path(self.mktemp())
        self.disk.build(path, lambda: next(lucks))
        self.assertEqual((path / "one").read_bytes(), b"durable" + bytes(505) + b"x" * 512)
