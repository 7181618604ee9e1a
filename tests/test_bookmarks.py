"""
Bookmarks, the order in which they move, and the names of rotated logs.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from logrelay.bookmarks import Bookmark, Print, Stop, decodeBookmarks, encodeBookmarks
from logrelay.progress import Progress
from logrelay.rotated import livesOf, mayBeCopy

MARK = Bookmark("/log/\udcff.log.1", "/log/\udcff.log", (1, 2), Stop(7, Print.of(b"tail")), Print.of(b"head"), 1500)


class BookmarksTests(SynchronousTestCase):
    """
    The file of bookmarks.
    """

    def test_roundTrip(self) -> None:
        """
        What is written is read, whatever bytes a name has.
        """
        self.assertEqual(decodeBookmarks(encodeBookmarks({"a": [MARK], "b": []})), {"a": [MARK], "b": []})

    def test_damage(self) -> None:
        """
        No byte of it can be changed, and none be missing, without its being seen.
        """
        content = encodeBookmarks({"a": [MARK]})
        for place in range(len(content) - 1):
            flipped = content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]
            for damaged in (content[:place], flipped):
                self.assertRaises(ValueError, decodeBookmarks, damaged)

    def test_noMessages(self) -> None:
        """
        It holds no part of a message.
        """
        self.assertNotIn(b"tail", encodeBookmarks({"a": [MARK]}).replace(b'"tail":', b""))


class ProgressTests(SynchronousTestCase):
    """
    How far a file is safe.
    """

    def setUp(self) -> None:
        self.moved: list[int] = []
        self.progress = Progress(Stop(), lambda: self.moved.append(self.progress.stop.offset))

    def test_order(self) -> None:
        """
        Lines that are safe before those that stand in front of them do not move the place.
        """
        first = self.progress.begin(Stop(10), 2)
        second = self.progress.begin(Stop(20), 1)
        second()
        first()
        self.assertEqual((self.moved, self.progress.pending), ([], True))
        first()
        self.assertEqual((self.moved, self.progress.pending), ([20], False))

    def test_nothingToWaitFor(self) -> None:
        """
        Empty lines are safe as soon as those before them are.
        """
        self.progress.begin(Stop(1), 0)
        self.assertEqual(self.moved, [1])
        first = self.progress.begin(Stop(10), 1)
        self.progress.begin(Stop(11), 0)
        self.assertEqual(self.moved, [1])
        first()
        self.assertEqual(self.moved, [1, 11])

    def test_many(self) -> None:
        """
        When very many lines are under way, those close to each other count as one: what is safe is safe, and no more.
        """
        told = [self.progress.begin(Stop(place), 1) for place in range(1, 301)]
        for place, secured in enumerate(told[:-1], 1):
            secured()
            self.assertLessEqual(self.progress.stop.offset, place)
        self.assertGreaterEqual(self.progress.stop.offset, 99)
        told[-1]()
        self.assertEqual((self.moved[-1], self.progress.pending), (300, False))


class RotatedTests(SynchronousTestCase):
    """
    How rotated logs are named.
    """

    def test_rotated(self) -> None:
        """
        Numbers and dates, behind the name or before its extension.
        """
        for name in ("app.log.1", "app.log.10", "app.log-20261125", "app.log-20261125.2", "app-20261125.log"):
            self.assertIn("app.log", list(livesOf(name)), name)
        for name in ("app.log.old", "app.log~", "app.log-2026-11-25T10:00:00Z", "app.1.log"):
            self.assertIn("app.log", list(livesOf(name)), name)
        self.assertIn("syslog", list(livesOf("syslog.1")))

    def test_others(self) -> None:
        """
        Not the log itself, not compressed ones, and not other logs.
        """
        for name in ("app.log", "app.log.1.gz", "app.log.2.zst", "app2.log", "app.log.conf", "app-web.log", "app.lo"):
            self.assertNotIn("app.log", list(livesOf(name)), name)

    def test_copies(self) -> None:
        """
        A copy may have any name that begins with the log's; the content decides.
        """
        for name in ("app.log.saved-by-hand", "app.log.1", "app-1.log"):
            self.assertTrue(mayBeCopy(name, "app.log"))
        for name in ("app.log", "app.log.1.gz", "other.log"):
            self.assertFalse(mayBeCopy(name, "app.log"), name)
