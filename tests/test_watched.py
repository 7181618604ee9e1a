"""
Tests for L{logrelay.watched}.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from logrelay.errors import ConfigurationError
from logrelay.watched import Watched

from .certificates import Folder


class WatchedTests(SynchronousTestCase):
    """
    L{Watched}.
    """

    def setUp(self) -> None:
        """
        A file and a folder to watch, and what was said.
        """
        self.folder = Folder(self.mktemp())
        self.write = self.folder.write
        self.path = self.write("file", b"one")
        self.said: list[str] = []
        self.builds = 0

    def watched(self, build: Callable[[], bytes] | None = None) -> Watched[bytes]:
        """
        Watch them.
        """
        inside = self.folder.path / "d"
        return Watched(lambda: [self.path, None, str(inside)], build or self.read, self.said.append)

    def count(self) -> bytes:
        """
        How often something was built.
        """
        self.builds += 1
        return b"%d" % self.builds

    def read(self) -> bytes:
        """
        What the file holds, if it is good.
        """
        with open(self.path, "rb") as file:
            content = file.read()
        if content == b"bad":
            raise ConfigurationError()
        return content

    def test_readOnce(self) -> None:
        """
        While nothing changes nothing is read again.
        """
        watched = self.watched(self.count)
        self.assertEqual([watched.current() for _ in range(3)], [b"1"] * 3)

    def test_changed(self) -> None:
        """
        A file that was written anew, or replaced, is read again.
        """
        watched = self.watched()
        self.write("file", b"three")
        self.assertEqual((watched.current(), watched.latest), (b"three", b"three"))
        os.replace(self.write("new", b"other"), self.path)
        self.assertEqual(watched.current(), b"other")
        self.assertEqual(self.said, [])

    def test_folder(self) -> None:
        """
        A file that appears in a folder, changes there or goes is a change.
        """
        watched = self.watched(self.count)
        self.write("d/one", b"1")
        self.assertEqual(watched.current(), b"2")
        self.write("d/one", b"22")
        self.assertEqual(watched.current(), b"3")
        os.unlink(self.folder.path / "d" / "one")
        self.assertEqual(watched.current(), b"4")
        (self.folder.path / "d" / "sub").mkdir()
        self.assertEqual([watched.current(), watched.current()], [b"5", b"5"])

    def test_bad(self) -> None:
        """
        What cannot be used leaves the old in use, and is told once; what is mended is used.
        """
        watched = self.watched()
        self.write("file", b"bad")
        self.assertEqual([watched.current(), watched.current()], [b"one", b"one"])
        self.assertEqual(len(self.said), 1)
        self.write("file", b"mended")
        self.assertEqual(watched.current(), b"mended")
        self.assertEqual(len(self.said), 1)

    def test_gone(self) -> None:
        """
        Files that are gone, or cannot be looked at any more since privileges were dropped, leave the old in use.
        """
        watched = self.watched()
        os.unlink(self.path)
        self.assertEqual([watched.current(), watched.current()], [b"one", b"one"])
        self.assertEqual(len(self.said), 1)

    def test_badAtFirst(self) -> None:
        """
        There is nothing to fall back on at first.
        """
        self.write("file", b"bad")
        self.assertRaises(ConfigurationError, self.watched)
