"""
The dead-letter file.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Batch, Framing, Origin
from logrelay.deadletters import DeadLetters

BATCH = Batch(b"5 hello", 1, Framing.OCTET_COUNTING, Origin("tcp:5140", b"192.0.2.1"))


class DeadLetterTests(SynchronousTestCase):
    """
    What stands in it.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "state" / "deep"
        self.letters = DeadLetters(self.folder, "central", lambda: 1_795_500_000.25)

    def entries(self) -> list[dict[str, str]]:
        """
        What the file holds.
        """
        return [json.loads(line) for line in self.letters.path.read_text().splitlines()]

    def test_entry(self) -> None:
        """
        Everything that an operator wants to know of a message, a line each; the file is made when it is needed, for its
        owner alone.
        """
        self.assertFalse(self.folder.exists())
        self.letters.add(BATCH, "grüße\nund mehr".encode(), "servers refuse it: 500")
        self.letters.add(BATCH, b"second", "why not")
        first, second = self.entries()
        self.assertEqual(
            first,
            {
                "time": "2026-11-24T06:00:00.250000+00:00",
                "destination": "central",
                "source": "tcp:5140",
                "why": "servers refuse it: 500",
                "message": "grüße\nund mehr",
            },
        )
        self.assertEqual(second["message"], "second")
        self.assertEqual(stat.S_IMODE(self.letters.path.stat().st_mode), 0o600)
        self.assertEqual(self.letters.path.name, "dead-letters-central.jsonl")

    def test_bytes(self) -> None:
        """
        What is not UTF-8 is kept exactly.
        """
        self.letters.add(BATCH, b"\xff\x00raw", "why not")
        [entry] = self.entries()
        self.assertEqual(base64.b64decode(entry["message-base64"]), b"\xff\x00raw")

    def test_fullDisk(self) -> None:
        """
        Of a line that does not fit nothing is left, so that those before and after it can be read.
        """
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no full disk here")
        self.folder.mkdir(parents=True)
        os.symlink("/dev/full", self.letters.path)
        self.assertRaises(OSError, self.letters.add, BATCH, b"message", "why not")

    def test_cannotBeMade(self) -> None:
        """
        Where the folder cannot be made, that is an error of the system's.
        """
        self.folder.parent.mkdir(parents=True)
        self.folder.write_text("a file")
        self.assertRaises(OSError, self.letters.add, BATCH, b"message", "why not")
