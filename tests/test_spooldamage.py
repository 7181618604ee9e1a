"""
Tests for :mod:`logrelay.spool.folder`: what is delivered of a folder that is damaged, and what is said.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sqlite3
import time
from collections.abc import Callable, Generator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from logrelay.config import BufferSettings
from logrelay.spool import SpoolLocked
from logrelay.spool.bundles import Row
from logrelay.spool.database import Database
from logrelay.spool.files import PATIENCE, File
from logrelay.spool.jobs import Done
from logrelay.spool.lock import ownerOf
from logrelay.spool.reader import Reader
from logrelay.spool.record import Cursor, Record

from .spools import MIB, Bench
from .stores import newBatch

#: Of the batches.
SIZE = 32 * 1024

#: How many there are, of two messages each.
COUNT = 60


class DamageTests(SynchronousTestCase):
    """
    A spool of some files, as a kill leaves it.
    """

    def setUp(self) -> None:
        """
        Fill it.
        """
        self.bench = Bench(Path(self.mktemp()), 4 * MIB, BufferSettings(4 * MIB))
        spool = self.bench.spool()
        for number in range(COUNT):
            spool.append(newBatch(number, SIZE, count=2))
            self.bench.worker.catchUp()
        # A copy is what a kill would leave: whoever closes a database works its log in.
        killed = Path(self.mktemp())
        shutil.copytree(self.bench.path, killed)
        self.bench.kill(spool)
        self.bench.path = killed
        self.files = sorted(killed.glob("*.sqlite3"))
        self.assertGreater(len(self.files), 4)
        self.firsts = [int(path.name.split("-")[1]) for path in self.files] + [COUNT]

    def read(self) -> list[int]:
        """
        Start, read everything, and settle it; the spool works on after that.

        :return: the numbers of the batches.
        """
        spool = self.bench.spool()
        numbers = []
        before = -1
        while spool.settled != before:
            before = spool.settled
            self.bench.worker.catchUp()
            while (batch := spool.next()) is not None:
                numbers.append(int(batch.payload[:8]))
            spool.settle(spool.sent)
            spool.tick()
        self.assertEqual((spool.messages, spool.settled), (0, spool.end))
        spool.append(newBatch(1000))
        self.bench.worker.catchUp()
        self.assertEqual(spool.next(), newBatch(1000))
        self.bench.close(spool)
        damages = self.bench.damages[:]
        again = self.bench.spool()
        self.bench.worker.catchUp()
        self.assertEqual((again.next(), self.bench.damages), (newBatch(1000), damages))
        self.bench.close(again)
        return numbers

    def content(self, place: int) -> list[int]:
        """
        The numbers of the batches in one of the files.
        """
        return list(range(self.firsts[place], self.firsts[place + 1]))

    def check(self, damaged: int, lost: list[int], why: str) -> None:
        """
        All but what is lost is delivered, the file is in quarantine, and the loss is said exactly.
        """
        self.assertEqual(self.read(), [number for number in range(COUNT) if number not in lost])
        (damage,) = self.bench.damages
        self.assertEqual((damage.path.name, damage.messages), (self.files[damaged].name, 2 * len(lost)))
        self.assertIn(why, damage.why)
        kept = [path.name for path in (self.bench.path / "quarantine").iterdir() if path.suffix == ".sqlite3"]
        self.assertEqual(kept, [self.files[damaged].name])

    def change(self, place: int, change: Callable[[bytearray], None]) -> None:
        """
        Change the bytes of a file.
        """
        data = bytearray(self.files[place].read_bytes())
        change(data)
        self.files[place].write_bytes(data)

    def test_sound(self) -> None:
        """
        Nothing is said where nothing is wrong.
        """
        self.assertEqual(self.read(), list(range(COUNT)))
        self.assertEqual(self.bench.damages, [])
        self.assertFalse((self.bench.path / "quarantine").exists())

    def test_flippedInAMessage(self) -> None:
        """
        A byte that has changed in a message costs its batch alone.
        """
        number = self.firsts[1] + 1

        def flip(data: bytearray) -> None:
            data[data.index(b"%08dxx" % number) + 100] ^= 1

        self.change(1, flip)
        self.check(1, [number], "its content has changed")

    def test_flippedInALayout(self) -> None:
        """
        One in a layout costs the bundle.
        """
        number = self.firsts[1] + 1

        def flip(data: bytearray) -> None:
            place = data.index(b"%08dxx" % number)
            data[data.rindex(b'[["tcp:5140"', 0, place) + 4] ^= 1

        self.change(1, flip)
        self.check(1, [number], "its layout")

    def test_firstPage(self) -> None:
        """
        What is no database any more costs all of that file.
        """

        def wipe(data: bytearray) -> None:
            data[:4096] = bytes(4096)

        self.change(2, wipe)
        self.check(2, self.content(2), "not a SQLite database")

    def test_rootPage(self) -> None:
        """
        Pages that make no sense cost what hangs on them, and not the start.
        """

        def scramble(data: bytearray) -> None:
            data[4096:8192] = b"\xff" * 4096

        self.change(1, scramble)
        self.check(1, self.content(1), "malformed")

    def test_overflowPage(self) -> None:
        """
        Where rows can't be read in their order, those that can be found are.
        """

        def scramble(data: bytearray) -> None:
            # One overflow chain points nowhere.
            place = data.index(b"%08dxx" % self.firsts[1])
            block = data.index(b"x" * 4092, place) // 4096 * 4096
            data[block : block + 4] = (0x7FFFFFFF).to_bytes(4, "big")

        self.change(1, scramble)
        numbers = self.read()
        (damage,) = self.bench.damages
        lost = [number for number in range(COUNT) if number not in numbers]
        self.assertEqual(damage.messages, 2 * len(lost))
        self.assertTrue(0 < len(lost) < len(self.content(1)) and set(lost) <= set(self.content(1)), lost)

    def test_truncated(self) -> None:
        """
        What is missing at the end of a file is lost, and what is before it is delivered.
        """
        self.change(1, lambda data: data.__delitem__(slice(len(data) // 2 // 4096 * 4096, None)))
        numbers = self.read()
        lost = [number for number in range(COUNT) if number not in numbers]
        self.assertTrue(lost and set(lost) <= set(self.content(1)), lost)
        self.assertEqual([damage.messages for damage in self.bench.damages], [2 * len(lost)])

    def test_empty(self) -> None:
        """
        A file without a byte is damaged.
        """
        self.files[0].write_bytes(b"")
        self.check(0, self.content(0), "it is empty")

    def test_emptyLast(self) -> None:
        """
        So is the last one, with its log.
        """
        self.files[-1].write_bytes(b"")
        self.check(len(self.files) - 1, self.content(len(self.files) - 1), "it is empty")

    def test_foreign(self) -> None:
        """
        A database of somebody else is none of ours, whatever its name.
        """
        self.files[1].unlink()
        connection = sqlite3.connect(self.files[1])
        connection.execute("CREATE TABLE bundle (x)")
        connection.commit()
        connection.close()
        self.check(1, self.content(1), "not made by logrelay")

    def test_newer(self) -> None:
        """
        One of a later version is left to that.
        """
        connection = sqlite3.connect(self.files[1])
        connection.execute("PRAGMA user_version = 2")
        connection.close()
        self.check(1, self.content(1), "form 2")

    def test_rowIsMissing(self) -> None:
        """
        A row that is missing among others, for whatever reason, is told by the numbers of those around it.
        """
        number = self.firsts[1] + 1
        connection = sqlite3.connect(self.files[1])
        connection.execute("DELETE FROM bundle WHERE position = ?", (number,))
        connection.commit()
        connection.close()
        self.check(1, [number], "messages are missing")

    def test_schema(self) -> None:
        """
        What SQLite says of a schema that makes no sense may be none either, in the last file, too.
        """
        for place in (1, len(self.files) - 1):
            path = self.bench.path
            self.bench.path = Path(self.mktemp())
            shutil.copytree(path, self.bench.path)
            self.files = [self.bench.path / each.name for each in self.files]
            log = Path(f"{self.files[place]}-wal")
            log.unlink(missing_ok=True)

            def scramble(data: bytearray) -> None:
                start = data.index(b"CREATE TABLE")
                data[start - 13 : start + 9] = b"\xce" * 22

            self.change(place, scramble)
            self.bench.damages.clear()
            self.check(place, self.content(place), "malformed")
            self.bench.path = path

    def test_toldWhenItHasBeenRead(self) -> None:
        """
        Damage is told when its database has been read, also where a read ends with it, and not when it is removed.
        """
        number = self.firsts[1] + 1
        connection = sqlite3.connect(self.files[1])
        connection.execute("UPDATE bundle SET layout = x'' WHERE position = ?", (number,))
        connection.commit()
        connection.close()
        done, limit = Done(), Cursor(self.firsts[2], 2 * self.firsts[2])
        cursor = Cursor(self.firsts[1], 2 * self.firsts[1])
        file = File(self.files[1], cursor)
        reader = Reader(file, limit, done)
        while cursor != limit:
            self.assertFalse(reader.exhausted)
            reader = Reader(file, limit, done)
            cursor, _ = reader.read(cursor, 1)
        self.assertTrue(reader.exhausted)
        assert file.database is not None
        file.database.close()

    def test_missing(self) -> None:
        """
        A file that is missing is told by the numbers of those around it.
        """
        self.files[1].unlink()
        lost = self.content(1)
        self.assertEqual(self.read(), [number for number in range(COUNT) if number not in lost])
        self.assertEqual([damage.messages for damage in self.bench.damages], [2 * len(lost)])

    def test_firstIsMissing(self) -> None:
        """
        So is the first one, by the record.
        """
        self.files[0].unlink()
        lost = self.content(0)
        self.assertEqual(self.read(), list(range(len(lost), COUNT)))
        self.assertEqual([damage.messages for damage in self.bench.damages], [2 * len(lost)])

    def test_allAreMissing(self) -> None:
        """
        So are all of them.
        """
        for path in self.files:
            path.unlink()
        self.assertEqual(self.read(), [])
        self.assertEqual(sum(damage.messages for damage in self.bench.damages), 2 * COUNT)

    def test_log(self) -> None:
        """
        A byte that has changed in the log cuts off what is behind it, and that is known.
        """
        log = Path(f"{self.files[-1]}-wal")
        data = bytearray(log.read_bytes())
        data[len(data) // 2] ^= 1
        log.write_bytes(data)
        numbers = self.read()
        lost = [number for number in range(COUNT) if number not in numbers]
        self.assertTrue(lost and set(lost) <= set(self.content(len(self.files) - 1)), lost)
        self.assertEqual([damage.messages for damage in self.bench.damages], [2 * len(lost)])

    def test_logIsMissing(self) -> None:
        """
        So is a log that is missing.
        """
        os.remove(f"{self.files[-1]}-wal")
        numbers = self.read()
        lost = COUNT - len(numbers)
        self.assertTrue(lost)
        self.assertEqual((numbers, self.bench.damages[0].messages), (list(range(COUNT - lost)), 2 * lost))

    def test_logAlone(self) -> None:
        """
        A log whose database is missing is put away.
        """
        self.files[-1].unlink()
        lost = self.content(len(self.files) - 1)
        self.assertEqual(self.read(), list(range(COUNT - len(lost))))
        self.assertEqual(sum(damage.messages for damage in self.bench.damages), 2 * len(lost))
        self.assertTrue((self.bench.path / "quarantine" / f"{self.files[-1].name}-wal").exists())

    def test_logThatStays(self) -> None:
        """
        One that cannot be put away keeps nobody from starting, and is not taken for that of a new database of its name.
        """
        (self.bench.path / "quarantine").write_bytes(b"no folder")
        (self.bench.path / "settled").unlink()
        self.files[-1].unlink()
        self.assertEqual(self.read(), list(range(self.firsts[-2])))
        self.assertEqual(self.bench.troubles, [])

    def test_record(self) -> None:
        """
        Without a sound record all that is there is sent again, and nothing is lost.
        """
        record = self.bench.path / "settled"
        sound = record.read_bytes()
        for data in (None, b"", sound[:-1], sound + b"x", bytes([sound[0] ^ 1]) + sound[1:], sound[:-1] + b"x"):
            path = self.bench.path
            self.bench.path = Path(self.mktemp())
            shutil.copytree(path, self.bench.path)
            record = self.bench.path / "settled"
            record.unlink()
            if data is not None:
                record.write_bytes(data)
            self.assertEqual(self.read(), list(range(COUNT)), data)
            self.assertEqual(self.bench.damages, [])
            self.bench.path = path

    def test_recordAndLastFile(self) -> None:
        """
        Where neither the record nor the last file tells how much there was, the bound is an upper one.
        """
        (self.bench.path / "settled").unlink()
        self.change(len(self.files) - 1, lambda data: data.__setitem__(slice(0, 16), bytes(16)))
        last = self.content(len(self.files) - 1)
        self.assertEqual(self.read(), list(range(last[0])))
        self.assertGreaterEqual(sum(damage.messages for damage in self.bench.damages), 2 * len(last))

    def test_numbersOfTheLastRow(self) -> None:
        """
        Where a database ends is not believed of a row that is not as it was written, whatever that holds now.
        """
        for change in ("batches = 'x'", "batches = 1 << 62", "messages = x''", "messages = -5", "message = 1 << 60"):
            for isKnown in (True, False):
                path = self.bench.path
                self.bench.path = Path(self.mktemp())
                shutil.copytree(path, self.bench.path)
                connection = sqlite3.connect(self.bench.path / self.files[-1].name)
                connection.execute(f"UPDATE bundle SET {change} WHERE position = (SELECT max(position) FROM bundle)")
                connection.commit()
                connection.close()
                if not isKnown:
                    (self.bench.path / "settled").unlink()
                self.bench.damages.clear()
                self.assertEqual(self.read(), list(range(COUNT - 1)))
                lost = sum(damage.messages for damage in self.bench.damages)
                self.assertTrue(lost == 2 if isKnown else 2 <= lost <= 64 * MIB, (change, lost))
                self.bench.path = path

    def test_oldRecordAndLastFile(self) -> None:
        """
        A power cut may leave a record that is older than the last file.  If that is damaged, too, what is in it is no
        less lost.
        """
        record = Record(Cursor(0, 0), Cursor(self.firsts[-2], 2 * self.firsts[-2]), 0)
        (self.bench.path / "settled").write_bytes(record.pack())
        self.change(len(self.files) - 1, lambda data: data.__setitem__(slice(0, 16), bytes(16)))
        last = self.content(len(self.files) - 1)
        self.assertEqual(self.read(), list(range(last[0])))
        self.assertEqual([damage.path.name for damage in self.bench.damages], [self.files[-1].name])
        self.assertGreaterEqual(self.bench.damages[0].messages, 2 * len(last))

    def test_largestNumber(self) -> None:
        """
        A file that claims the largest numbers there are loses nothing of what comes after it.
        """
        (self.bench.path / f"batch-{10**16 - 1}-message-{10**16 - 1}.sqlite3").write_bytes(b"")
        self.assertEqual(self.read(), list(range(COUNT)))
        # Again, with the next file.
        self.assertEqual(self.read(), [1000])

    def test_positionsOfTheLastFile(self) -> None:
        """
        Where nothing tells how much the last file had, there is no more to look for than it can have had.
        """
        (self.bench.path / "settled").unlink()
        last = self.files.pop()
        last.unlink()
        Path(f"{last}-wal").unlink()
        size = self.files[-1].stat().st_size
        self.change(len(self.files) - 1, lambda data: data.__setitem__(slice(4096, 8192), b"\xff" * 4096))
        spool = self.bench.spool()
        self.addCleanup(self.bench.kill, spool)
        # Each takes a place in a layout besides.
        self.assertLessEqual(spool.end - self.firsts[-3], size // 17)
        self.assertGreaterEqual(spool.end, self.firsts[-2])

    def test_recordAndLog(self) -> None:
        """
        Where the record is missing and the log is cut off, it is seen in the log that there was more.
        """
        log = Path(f"{self.files[-1]}-wal")
        sound = log.read_bytes()
        for place in (10, len(sound) // 3, len(sound) * 2 // 3):
            path, self.bench.path = self.bench.path, Path(self.mktemp())
            shutil.copytree(path, self.bench.path)
            (self.bench.path / "settled").unlink()
            data = bytearray(sound)
            data[place] ^= 1
            (self.bench.path / log.name).write_bytes(data)
            lost = COUNT - len(self.read())
            self.assertGreater(lost, 0)
            self.assertGreaterEqual(sum(damage.messages for damage in self.bench.damages), 2 * lost)
            self.bench.damages.clear()
            self.bench.path = path

    def test_otherFiles(self) -> None:
        """
        What has another name is nobody's business.
        """
        for name in ("README", "batch-1.sqlite3", "batch-x-message-y.sqlite3-wal"):
            (self.bench.path / name).write_bytes(b"mine")
        (self.bench.path / "making").write_bytes(b"left by a crash")
        self.assertEqual(self.read(), list(range(COUNT)))
        self.assertEqual(self.bench.damages, [])
        self.assertTrue((self.bench.path / "README").exists())

    def test_twice(self) -> None:
        """
        What is in quarantine stays there when something of the same name comes.
        """
        quarantine = self.bench.path / "quarantine"
        quarantine.mkdir()
        (quarantine / self.files[1].name).write_bytes(b"older")
        self.files[1].write_bytes(b"damaged")
        self.read()
        self.assertEqual((quarantine / self.files[1].name).read_bytes(), b"older")
        self.assertEqual((quarantine / f"{self.files[1].name}.1").read_bytes(), b"damaged")

    def test_noQuarantine(self) -> None:
        """
        What can't be put into quarantine stays where it is, and neither keeps the relay from starting nor the room of
        what comes behind it from being given back.
        """
        (self.bench.path / "quarantine").write_bytes(b"in the way")
        self.files[0].write_bytes(b"damaged")
        (self.bench.path / f"batch-{1:016d}-message-{2:016d}.sqlite3-wal").write_bytes(b"whose?")
        spool = self.bench.spool()
        before = -1
        while spool.settled != before:
            before = spool.settled
            self.bench.worker.catchUp()
            while spool.next() is not None:
                pass
            spool.settle(spool.sent)
            spool.tick()
        self.bench.close(spool)
        self.assertEqual(spool.settled, COUNT)
        self.assertEqual([path.name for path in self.bench.path.glob("*.sqlite3")], [self.files[0].name])
        self.assertEqual([damage.messages for damage in self.bench.damages], [2 * self.firsts[1]])

    def test_lockedByAnotherTool(self) -> None:
        """
        A database that somebody looks at is not damaged; it is read when they have done.
        """
        other = sqlite3.connect(self.files[-1], isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM bundle").fetchall()
        start = time.monotonic()
        spool = self.bench.spool()
        self.assertLess(time.monotonic() - start, 2)
        self.bench.worker.catchUp()
        other.close()
        self.bench.kill(spool)
        self.assertEqual(self.read(), list(range(COUNT)))
        self.assertEqual(self.bench.damages, [])
        self.assertFalse((self.bench.path / "quarantine").exists())

    def test_failureInASearch(self) -> None:
        """
        Where rows are looked for one by one, too, a disk that fails is asked again before they are taken for lost.
        """

        class Failing(Database):
            """
            A damaged database on a disk that fails now.
            """

            def rowsFrom(self, position: int) -> Generator[Row, None, None]:
                """
                Its pages make no sense.
                """
                raise sqlite3.DatabaseError("database disk image is malformed")

            def rowAt(self, position: int) -> Row | None:
                """
                Nor can they be read.
                """
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error

        connection = sqlite3.connect(self.files[0])
        self.addCleanup(connection.close)
        file = File(self.files[0], Cursor(0, 0), opens=lambda path: Failing(path, connection))
        limit = Cursor(self.firsts[1], 2 * self.firsts[1])
        for _ in range(PATIENCE):
            done = Done()
            reader = Reader(file, limit, done)
            self.assertEqual(reader.read(Cursor(0, 0), 1), (Cursor(0, 0), 1))
            self.assertFalse(done.isReadable or reader.exhausted)
        reader = Reader(file, limit, Done())
        self.assertEqual(reader.read(Cursor(0, 0), 1)[0].position, limit.position)

    def test_failuresOfLongAgo(self) -> None:
        """
        A disk that fails now and then, and works between, damages nothing.
        """
        file = File(self.files[0], Cursor(0, 0))
        limit = Cursor(self.firsts[1], 2 * self.firsts[1])
        cursor, loaded = Cursor(0, 0), 0
        failure = OSError(errno.EIO, "Input/output error")
        while cursor != limit:
            for _ in range(20):
                self.assertTrue(file.fails(failure))
            done = Done()
            cursor, _ = Reader(file, limit, done).read(cursor, 1)
            loaded += len(done.loaded)
        self.assertEqual((loaded, file.damage), (self.firsts[1], ""))
        assert file.database is not None
        file.database.close()


class LockTests(SynchronousTestCase):
    """
    A folder is for one process.
    """

    def test_second(self) -> None:
        """
        A second one is refused, with the first one's pid; when that has let go, it may.
        """
        bench = Bench(Path(self.mktemp()))
        spool = bench.spool()
        error = self.assertRaises(SpoolLocked, bench.spool)
        self.assertIn(f"(pid {os.getpid()})", str(error))
        self.assertIn(str(bench.path), str(error))
        bench.close(spool)
        bench.close(bench.spool())

    def test_noRoomForTheNumber(self) -> None:
        """
        On a disk that takes not a byte more, the relay starts nevertheless; who has the folder is unknown then.
        """
        bench = Bench(Path(self.mktemp()))
        bench.close(bench.spool())
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            spool = bench.spool()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(ownerOf(bench.path), "unknown")
        bench.close(spool)

    def test_notTakenByAFailure(self) -> None:
        """
        A folder that cannot be opened is not locked by that.
        """
        bench = Bench(Path(self.mktemp()))
        (bench.path / "settled").mkdir(parents=True)
        self.assertRaises(OSError, bench.spool)
        (bench.path / "settled").rmdir()
        bench.close(bench.spool())
