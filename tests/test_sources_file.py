"""
Files as sources: what is followed, how far, and what is said of the rest.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from logrelay.bookmarks import decodeBookmarks
from logrelay.events import PositionsTrouble, SourceTrouble
from logrelay.sources import ISource
from logrelay.sources import folders as foldersModule
from logrelay.sources.flow import STEP
from logrelay.sources.folders import Pattern

from .followed import Following, Logs
from .sourcing import folder

#: Until a rotated file is let go of.
GRACE = 65.0


class FileCase(SynchronousTestCase):
    """
    A source of files in a folder, and a log in it.
    """

    pattern = "app.log"

    def setUp(self) -> None:
        self.folder = Path(folder(self))
        self.following = self.follow(self.pattern)
        self.logs = Logs(self.folder, self.following.now)
        self.addCleanup(self.logs.close)

    def follow(self, pattern: str, size: int = 65536) -> Following:
        """
        A source that ends with the test.
        """
        following = Following(self.folder / "state", str(self.folder / pattern), size)
        self.addCleanup(lambda: following.kill() if following.running else None)
        return following

    def start(self) -> None:
        """
        Start it, and let it look.
        """
        self.following.start()
        self.following.spend(1.5)

    def again(self, kill: bool = False) -> None:
        """
        End, and start again.
        """
        if kill:
            self.following.kill()
        else:
            self.following.stop()
        self.start()

    def arrived(self, *expected: bytes) -> None:
        """
        Look again, and compare what has been delivered.
        """
        self.following.spend(1.5)
        self.assertEqual(self.following.messages, list(expected))

    @property
    def descriptors(self) -> int:
        """
        How many this process has open.
        """
        return len(os.listdir("/proc/self/fd"))

    @property
    def said(self) -> list[str]:
        """
        What was complained of.
        """
        return [event.why for event in self.following.told if isinstance(event, SourceTrouble | PositionsTrouble)]


class ReadingTests(FileCase):
    """
    One file.
    """

    def test_interface(self) -> None:
        """
        It is a source.
        """
        self.start()
        verifyObject(ISource, self.following.source)
        self.assertEqual(self.following.source.listening, ())

    def test_fromTheBeginning(self) -> None:
        """
        A file that was there before is read from its beginning, and then as it grows.
        """
        first = self.logs.write(3)
        self.start()
        second = self.logs.write(2)
        self.arrived(*first, *second)

    def test_later(self) -> None:
        """
        So is one that comes later, in a folder that is not there yet.
        """
        self.following.settings = self.follow("later/app.log").settings
        self.start()
        (self.folder / "later").mkdir()
        logs = Logs(self.folder / "later", self.following.now)
        self.addCleanup(logs.close)
        self.arrived(*logs.write(2))

    def test_lastLine(self) -> None:
        """
        A last line without LF is held until it is complete, also over an end of the relay.
        """
        self.start()
        self.logs.append(b"whole\nbe")
        self.arrived(b"whole")
        self.assertEqual(self.following.route.held, STEP)
        self.again()
        self.assertEqual(self.following.route.held, STEP)
        self.logs.append(b"gun\n")
        self.arrived(b"whole", b"begun")
        self.assertEqual(self.following.route.held, 0)

    def test_lastLineOfAll(self) -> None:
        """
        It is delivered as it is when nothing more can come, and not repeated.
        """
        self.start()
        self.logs.append(b"begun")
        self.following.spend(2)
        self.logs.rename()
        self.logs.open()
        self.following.spend(GRACE)
        self.arrived(b"begun")
        self.again()
        self.arrived(b"begun")

    def test_emptyLines(self) -> None:
        """
        Empty lines are no messages, and moved past.
        """
        self.logs.append(b"\n\r\n\n")
        self.start()
        self.again()
        self.assertEqual(self.following.source.files[0].safe, 4)
        self.arrived()

    def test_anything(self) -> None:
        """
        What is no text, or has no line ends, does no harm: a line that is too long keeps its head.
        """
        self.following.settings = self.follow("app.log", 1000).settings
        self.start()
        self.logs.append(b"text\n" + bytes(range(256)) + b"\n")
        for _ in range(32):
            self.logs.append(b"x" * (1 << 18))
            self.following.spend(0.05)
        self.following.spend(3)
        self.assertLessEqual(self.following.route.held, -(-1001 // STEP) * STEP)
        self.logs.append(b"\nafter\n")
        self.following.spend(2)
        expected = [b"text", bytes(range(10)), bytes(range(11, 256)), b"x" * 1000, b"after"]
        self.assertEqual(self.following.messages, expected)
        self.assertIn("longer than max-message-size", self.said[0])

    def test_hole(self) -> None:
        """
        A program that does not append leaves a hole when its log is cut.  It is no part of a message.
        """
        self.logs.append(b"before\n")
        self.start()
        self.logs.truncate()
        with self.logs.live.open("r+b") as writer:
            writer.seek(200_000)
            writer.write(b"behind\n")
        self.following.spend(5)
        self.arrived(b"before", b"behind")

    def test_held(self) -> None:
        """
        Held, it reads nothing; at most what one turn reads is delivered before that.
        """
        self.start()
        self.following.throttle.hold("central")
        lines = self.logs.write(3)
        self.arrived()
        self.following.throttle.release("central")
        self.arrived(*lines)

    def test_heldWithin(self) -> None:
        """
        A destination that is full after one read stops the next.
        """
        self.logs.write(4000, 100)
        self.following.route.onDeliver = lambda batch: self.following.throttle.hold("central")
        self.start()
        self.assertLess(len(self.following.messages), 1000)
        self.assertEqual(len(self.following.route.batches), 1)

    def test_lag(self) -> None:
        """
        What is not read, and what is not safe, can be seen.
        """
        self.following.route.secures = False
        self.logs.append(b"0123456789\n")
        self.start()
        self.following.throttle.hold("central")
        self.logs.append(b"0123\n")
        self.following.spend(2)
        [shown] = self.following.source.files
        self.assertEqual((shown.path, shown.read, shown.safe, shown.lag), (str(self.logs.live), 11, 0, 5))
        self.following.secure()
        self.assertEqual(self.following.source.files[0].safe, 11)


class BadFileTests(FileCase):
    """
    What is no log.
    """

    pattern = "*.log"

    def test_noFiles(self) -> None:
        """
        Folders, pipes and links to nowhere are said, once, and the others are followed.
        """
        (self.folder / "folder.log").mkdir()
        os.mkfifo(self.folder / "pipe.log")
        (self.folder / "loop.log").symlink_to("loop.log")
        (self.folder / "nowhere.log").symlink_to("nothing")
        lines = self.logs.write(2)
        self.start()
        self.following.spend(200)
        self.arrived(*lines)
        said = " ".join(self.said)
        self.assertIn("cannot follow", said)
        self.assertIn("it is no regular file", said)
        self.assertLess(len(self.said), 5)
        (self.folder / "nothing").write_bytes(b"here now\n")
        self.arrived(*lines, b"here now")

    def test_gone(self) -> None:
        """
        A file that is removed is read to its end, and closed after a while.
        """
        self.logs.open()
        self.start()
        before = self.descriptors
        lines = self.logs.write(2)
        self.logs.live.unlink()
        self.arrived(*lines)
        late = self.logs.write(1)
        self.arrived(*lines, *late)
        self.following.spend(GRACE)
        self.assertEqual(self.descriptors, before - 1)
        self.assertEqual(self.said, [])

    def test_folderGone(self) -> None:
        """
        So is one whose folder is removed; and one that comes in its place is followed.
        """
        self.following.settings = self.follow("sub/*.log").settings
        (self.folder / "sub").mkdir()
        logs = Logs(self.folder / "sub", self.following.now)
        first = logs.write(1)
        logs.close()
        self.start()
        (self.folder / "sub" / "app.log").unlink()
        (self.folder / "sub").rmdir()
        self.following.spend(3)
        (self.folder / "sub").mkdir()
        second = logs.write(1)
        logs.close()
        self.arrived(*first, *second)

    def test_tooMany(self) -> None:
        """
        The newest thousand are followed, and that there are more is said.
        """
        most = foldersModule.MAX_FILES
        for number in range(most + 3):
            path = self.folder / f"{number:05}x.log"
            path.write_bytes(b"%d\n" % number)
            os.utime(path, (number, number))
        before = self.descriptors
        self.start()
        self.following.spend(20)
        self.assertEqual(len(self.following.messages), most)
        self.assertNotIn(b"2", self.following.messages)
        self.assertLessEqual(self.descriptors, before + most + 2)
        self.assertIn("names more than 1000 files", self.said[0])

    def test_renamed(self) -> None:
        """
        A file that gets another name of the pattern is not read again, and is a log there: a new one comes after it.
        """
        self.logs.open()
        self.start()
        first = self.logs.write(2)
        self.following.spend(2)
        other = self.folder / "other.log"
        self.logs.live.rename(other)
        second = self.logs.write(1)
        self.arrived(*first, *second)
        other.rename(self.folder / "other.log.1")
        third = self.logs.write(1)
        other.write_bytes(b"new\n")
        self.logs.stamp(other)
        self.arrived(*first, *second, *third, b"new")

    def test_hidden(self) -> None:
        """
        A file that has a name unlike that of the log for a while is found by its inode, and not read again when it has
        another.
        """
        first = self.logs.write(1)
        self.start()
        self.following.stop()
        second = self.logs.write(1)
        self.logs.rename()
        self.logs.open()
        third = self.logs.write(1)
        rotated = self.logs.rotated(1)
        hidden = self.folder / "hidden"
        rotated.rename(hidden)
        self.start()
        self.following.spend(3)
        hidden.rename(rotated)
        self.following.spend(3)
        self.assertEqual(sorted(self.following.messages), [*first, *second, *third])

    def test_links(self) -> None:
        """
        A file with several names is followed once.
        """
        lines = self.logs.write(2)
        os.link(self.logs.live, self.folder / "other.log")
        (self.folder / "soft.log").symlink_to(self.logs.live)
        self.start()
        self.arrived(*lines)


class ManyFilesTests(FileCase):
    """
    More files than may be open.
    """

    pattern = "*.log"

    def test_fewAreOpen(self) -> None:
        """
        Those that were quiet for longest are closed; what is written to them later arrives all the same, also when they
        were rotated meanwhile, and once.
        """
        self.start()
        self.following.source._pack.mostOpen = 3
        before = self.descriptors
        expected = []
        for turn in range(3):
            for number in range(8):
                path = self.folder / f"{number}.log"
                if turn == 2 and number == 0:
                    path.rename(self.folder / "0.log.1")
                line = b"turn %d of file %d" % (turn, number)
                with path.open("ab") as file:
                    file.write(line + b"\n")
                self.logs.stamp(path)
                expected.append(line)
                self.following.spend(1.5)
        self.assertEqual(self.following.messages, expected)
        self.following.spend(1.5)
        self.assertLessEqual(self.descriptors - before, 4)


class RotationTests(FileCase):
    """
    One rotation after the other, slowly; all that may happen at once is in ``test_followed``.
    """

    def test_late(self) -> None:
        """
        What is written to a file after it was renamed arrives, however late.
        """
        self.logs.open()
        self.start()
        self.logs.rename()
        first = self.logs.write(1)
        self.following.spend(2)
        second = self.logs.write(1)
        self.following.spend(GRACE)
        third = self.logs.write(1)
        self.arrived(*first, *second, *third)

    def test_order(self) -> None:
        """
        A log that was rotated several times while nobody read it arrives in its order.
        """
        self.logs.write(1)
        self.start()
        self.following.throttle.hold("central")
        for _ in range(3):
            self.logs.write(2)
            self.following.spend(0.1)
            self.logs.rename()
            self.logs.open()
        self.following.spend(3)
        self.following.throttle.release("central")
        self.arrived(*self.logs.written)

    def test_whileDown(self) -> None:
        """
        So does one that was rotated while the relay was down.
        """
        self.logs.write(1)
        self.start()
        self.following.stop()
        for _ in range(3):
            self.logs.write(2)
            self.following.spend(0.5)
            self.logs.rename()
            self.logs.open()
        self.start()
        self.arrived(*self.logs.written)

    def test_copyWhileDown(self) -> None:
        """
        And one that was copied and cut.
        """
        self.logs.write(1)
        self.start()
        self.following.stop()
        for _ in range(3):
            self.logs.write(2)
            self.following.spend(0.5)
            self.logs.copy()
            self.logs.truncate()
            self.following.spend(0.5)
        self.start()
        self.arrived(*self.logs.written)

    def test_copyRemoved(self) -> None:
        """
        A copy that was seen before the cut is read even when it was compressed and removed at once.
        """
        self.logs.write(1)
        self.start()
        self.following.throttle.hold("central")
        self.logs.write(5)
        self.logs.copy()
        self.following.spend(2)
        self.logs.truncate()
        self.logs.rotated(1).unlink()
        self.following.spend(3)
        self.following.throttle.release("central")
        self.arrived(*self.logs.written)

    def test_cut(self) -> None:
        """
        A log that was cut without a copy begins anew, and that some may be lost is said.
        """
        first = self.logs.write(3)
        self.start()
        self.logs.truncate()
        second = self.logs.write(1)
        self.following.spend(4)
        self.arrived(*first, *second)
        self.assertIn("was cut or removed", self.said[0])
        self.assertEqual(self.following.counters.unfound, 1)

    def test_oldOnes(self) -> None:
        """
        Logs that were rotated before the relay ran for the first time are not read, unless the pattern names them.
        """
        old = self.logs.write(2)
        self.following.spend(5)
        self.logs.rename()
        self.logs.open()
        new = self.logs.write(1)
        self.start()
        self.arrived(*new)
        self.following.kill()
        self.following.settings = self.follow("app.log*").settings
        self.following.start()
        self.arrived(*new, *old)

    def test_closed(self) -> None:
        """
        Rotated files are closed after a while, named by the pattern or not.
        """
        self.following.settings = self.follow("app.log*").settings
        self.logs.open()
        self.start()
        before = self.descriptors
        for _ in range(5):
            self.logs.write(1)
            self.following.spend(2)
            self.logs.rename()
            self.logs.open()
        self.following.spend(GRACE)
        self.assertEqual(self.descriptors, before)
        self.arrived(*self.logs.written)


class PositionsTests(FileCase):
    """
    How far files were relayed, kept.
    """

    @property
    def saved(self) -> Path:
        """
        Where that is.
        """
        return self.folder / "state" / "file-positions.json"

    def test_secured(self) -> None:
        """
        What was read and is not secured is read again, and no more.
        """
        self.following.route.secures = False
        self.start()
        first = self.logs.write(1)
        self.following.spend(2)
        second = self.logs.write(1)
        self.following.spend(2)
        self.following.secure(1)
        self.following.spend(2)
        self.again(kill=True)
        self.arrived(*first, *second, *second)

    def test_seldom(self) -> None:
        """
        They are saved once a second, while they change, and not more.
        """
        self.logs.open()
        self.start()
        self.following.spend(5)
        self.following.saves = 0
        for _ in range(40):
            self.logs.write(1)
            self.following.spend(0.1)
        self.following.spend(5)
        self.assertLessEqual(self.following.saves, 6)
        self.following.saves = 0
        self.following.spend(60)
        self.assertEqual(self.following.saves, 0)

    def test_damaged(self) -> None:
        """
        Those before them are taken where they cannot be read, and it is said.
        """
        first = self.logs.write(1)
        self.start()
        second = self.logs.write(1)
        self.following.spend(3)
        self.following.stop()
        self.saved.write_bytes(self.saved.read_bytes()[:-20])
        self.start()
        self.assertIn("cannot be read", self.said[0])
        self.assertEqual(set(self.following.messages), {*first, *second})

    def test_allDamaged(self) -> None:
        """
        Where those cannot be read either, all is read again.
        """
        self.logs.write(2)
        self.start()
        self.logs.write(1)
        self.following.spend(3)
        self.following.stop()
        lines = self.logs.written
        for path in (self.folder / "state").iterdir():
            path.write_bytes(b"\0" * 100)
        self.start()
        self.assertEqual(len(self.said), 2)
        self.arrived(*lines, *lines)

    def test_notSaved(self) -> None:
        """
        That they cannot be saved is said, once, and tried again.
        """
        (self.folder / "state").write_bytes(b"no folder")
        lines = self.logs.write(1)
        self.start()
        self.following.spend(60)
        self.assertEqual(len([why for why in self.said if "cannot be saved" in why]), 1)
        (self.folder / "state").unlink()
        self.following.spend(11)
        self.again(kill=True)
        self.arrived(*lines)

    def test_moved(self) -> None:
        """
        A log that is another file now, from a backup, goes on where it was.
        """
        first = self.logs.write(3)
        self.start()
        self.following.stop()
        content = self.logs.live.read_bytes()
        self.logs.close()
        os.rename(self.logs.live, self.folder / "kept")
        self.logs.live.write_bytes(content)
        (self.folder / "kept").unlink()
        second = self.logs.write(1)
        self.start()
        self.arrived(*first, *second)

    def another(self) -> None:
        """
        From now on another pattern names the log.
        """
        self.following.stop()
        self.following.settings = self.follow("*.log").settings

    def test_anotherPattern(self) -> None:
        """
        Who follows a file that a source followed which is not there any more goes on where that was, also when the log
        was rotated since; and so does the first one when it comes back.
        """
        before = self.follow(self.pattern).settings
        first = self.logs.write(2)
        self.start()
        self.another()
        second = self.logs.write(1)
        self.logs.rename()
        self.logs.open()
        third = self.logs.write(1)
        self.start()
        self.arrived(*first, *second, *third)
        self.following.stop()
        self.following.settings = before
        fourth = self.logs.write(1)
        self.start()
        self.arrived(*first, *second, *third, *fourth)
        self.following.spend(3)
        self.assertEqual(list(decodeBookmarks(self.saved.read_bytes())), [before.name])

    def test_anotherPatternNothingThere(self) -> None:
        """
        The same where no log is in the place of the one that was rotated away.
        """
        lines = self.logs.write(2)
        self.start()
        self.another()
        lines += self.logs.write(1)
        self.logs.rename(create=False)
        self.start()
        self.arrived(*lines)

    def test_names(self) -> None:
        """
        A pattern names what glob finds, and nothing else.
        """
        paths = ["a.log", "b/a.log", "b/c/a.log", "b/.a.log", ".b/a.log", "a.txt", "b/c/d/x"]
        for path in paths:
            (self.folder / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "tree" / path).touch()
        for text in ("*.log", "a.log", "*/a.log", "**/*.log", "b/**/a.log", "**", "b/[a-c]/?.log", "b/.*", "x"):
            pattern = f"{self.folder}/tree/{text}"
            found = set(glob.glob(pattern, recursive=True))
            names = Pattern(pattern)
            for path in paths:
                full = f"{self.folder}/tree/{path}"
                self.assertEqual(names(full), full in found, (text, path))

    def test_anotherPatternUnseen(self) -> None:
        """
        What was written and rotated away while no source looked is read.
        """
        lines = self.logs.write(2)
        self.start()
        self.another()
        for _ in range(3):
            self.following.spend(5)
            self.logs.rename()
            self.logs.open()
            lines += self.logs.write(1)
        self.following.spend(5)
        self.start()
        self.arrived(*lines)

    def test_anotherPatternCut(self) -> None:
        """
        What was not read before the log was cut is read from the copy.
        """
        first = self.logs.write(2)
        self.start()
        self.another()
        second = self.logs.write(3)
        self.logs.copy()
        self.logs.truncate()
        third = self.logs.write(1)
        self.start()
        self.following.spend(3)
        self.arrived(*first, *second, *third)
        self.assertEqual(self.said, [])

    def test_oneOfTwo(self) -> None:
        """
        A source that is there keeps its positions for itself: another one that follows the same file reads all of it.
        """
        lines = self.logs.write(2)
        self.start()
        name = self.following.settings.name
        self.another()
        self.following.sources = [name]
        self.start()
        self.arrived(*lines, *lines)

    def test_inode(self) -> None:
        """
        A new log that has the inode of an old one is another.
        """
        first = self.logs.write(3)
        self.start()
        self.following.stop()
        # The same file with other content is what a file with the same inode looks like.
        self.logs.truncate()
        second = self.logs.write(30)
        self.start()
        self.following.spend(5)
        self.arrived(*first, *second)
