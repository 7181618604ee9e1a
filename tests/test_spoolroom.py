"""
Tests for :mod:`logrelay.spool.store`: what is done when there is no room, in memory or on disk.
"""

from __future__ import annotations

import errno
import resource
import sqlite3
from collections import Counter
from pathlib import Path
from typing import NoReturn

from twisted.trial.unittest import SynchronousTestCase

from logrelay.batches import Batch, Origin
from logrelay.config import BufferSettings
from logrelay.spool import Spool

from .spools import MIB, Bench
from .stores import ANSWERED, PAUSABLE, UNPAUSABLE, newBatch

#: Sixteen of these are a MiB.
LARGE = 64 * 1024

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


class RoomCase(SynchronousTestCase):
    """
    A spool of four MiB, in memory one.
    """

    def start(self, overflow: str = "block", size: int = 4 * MIB, buffer: int = MIB) -> Spool:
        """
        A spool, empty.
        """
        self.bench = Bench(Path(self.mktemp()), size, BufferSettings(buffer, overflow))
        self.spool = self.bench.spool()
        self.addCleanup(lambda: self.bench.kill(self.spool))
        self.answers: list[bool] = []
        self.number = 0
        self.bench.worker.catchUp()
        return self.spool

    def append(self, count: int = 1, origin: Origin = PAUSABLE, size: int = LARGE) -> None:
        """
        Append so many batches, and let the disk do what it can after each.
        """
        for _ in range(count):
            self.spool.append(newBatch(self.number, size, origin=origin), self.answers.append)
            self.number += 1
            self.bench.worker.catchUp()
            self.assertLessEqual(self.onDisk, self.bench.size)

    @property
    def onDisk(self) -> int:
        """
        How many bytes there are in the folder.
        """
        return sum(path.stat().st_size for path in self.bench.path.iterdir() if path.is_file())

    def dropped(self) -> Counter[str]:
        """
        How many messages of each source were given up.
        """
        dropped: Counter[str] = Counter()
        for source, count in self.bench.hooks.dropped:
            dropped[source] += count
        return dropped

    def drain(self) -> list[int]:
        """
        Deliver all that there is.

        :return: the numbers of the batches.
        """
        numbers = []
        while True:
            while (batch := self.spool.next()) is not None:
                numbers.append(int(batch.payload[:8]))
            before = self.spool.settled
            self.spool.acknowledge(self.spool.sent)
            self.spool.settle(self.spool.sent)
            self.bench.worker.catchUp()
            if self.spool.settled == before:
                return numbers


class DiskRoomTests(RoomCase):
    """
    A spool that is full.
    """

    def test_sizeIsExact(self) -> None:
        """
        The folder never has more bytes than ``spool.size``, whatever the batches are like, and most of them are used.
        """
        for size in (20, 700, 2100, 5000, LARGE):
            self.start(size=4 * MIB)
            while not self.spool.arriving and self.number < 20_000:
                for _ in range(max(1, 30_000 // size)):
                    self.spool.append(newBatch(self.number, size))
                    self.number += 1
                self.bench.worker.catchUp()
                self.assertLessEqual(self.onDisk, 4 * MIB)
            if self.spool.arriving:
                self.assertGreater(self.onDisk, 2.5 * MIB, size)

    def test_block(self) -> None:
        """
        With ``block`` sources are held at 90 %; what they bring all the same is answered when there is room, and in its
        order; what can't be held is dropped.
        """
        self.start()
        while not self.spool.full:
            self.append()
        self.assertEqual(set(self.bench.hooks.take()), {"readable", "full"})
        while not self.spool.arriving:
            self.append()
        accepted = self.spool.end
        self.append(3)
        self.append(2, UNPAUSABLE)
        self.append(2, ANSWERED)
        self.assertEqual(self.bench.hooks.dropped, [("udp:5140", 1)] * 2)
        self.assertEqual((self.spool.end, self.spool.arriving), (accepted, 6))
        numbers = self.drain()
        wanted = [*range(accepted + 4), *range(accepted + 6, accepted + 8)]
        self.assertEqual((numbers, self.spool.arriving), (wanted, 0))
        self.assertFalse(self.spool.full)
        self.assertIn("room", self.bench.hooks.take())
        self.assertEqual(self.answers.count(False), 2)

    def test_dropNewest(self) -> None:
        """
        With ``drop-newest`` what finds no room is dropped, but for what must not be.
        """
        self.start("drop-newest")
        while not self.bench.hooks.dropped:
            self.append()
        accepted = self.spool.end
        self.append(5)
        self.append(2, ANSWERED)
        self.assertEqual(len(self.bench.hooks.dropped), 6)
        self.assertEqual(self.drain(), [*range(accepted), accepted + 6, accepted + 7])

    def test_dropOldest(self) -> None:
        """
        With ``drop-oldest`` the oldest file goes: what a server has acknowledged of it is settled early, the rest is
        dropped, each for its source; what was out is not confused.
        """
        self.start("drop-oldest")
        self.append(4)
        for _ in range(3):
            self.spool.next()
        self.spool.acknowledge(2)
        while not self.bench.hooks.dropped:
            self.append()
        gone = self.spool.settled
        self.assertEqual(self.bench.counters.settledEarly, 2)
        self.assertEqual(self.dropped(), {"tcp:5140": gone - 2})
        self.assertLess(gone, 12)
        self.assertEqual(self.spool.sent, gone)
        self.append(20)
        gone = self.spool.settled
        self.assertEqual(self.drain(), list(range(gone, self.number)))
        self.assertEqual(len(self.answers), self.number)

    def test_dropOldestOfManySources(self) -> None:
        """
        What goes is counted for its source, be it in memory or not, and what is left of an amended batch once.
        """
        self.start("drop-oldest", size=32 * MIB)
        self.append()
        whole = self.spool.peek(0)
        assert whole is not None
        self.spool.amend(0, Batch(b"", 0, whole.framing, whole.origin))
        while not self.bench.hooks.dropped:
            self.append(1, UNPAUSABLE if self.number % 4 == 3 else PAUSABLE)
        gone = self.spool.settled
        # More than memory has.
        self.assertGreater(gone, 16)
        self.assertEqual(self.dropped(), {"tcp:5140": gone - gone // 4 - 1, "udp:5140": gone // 4})
        self.assertEqual(self.drain(), list(range(gone, self.number)))

    def test_dropOldestOfWhatIsDamaged(self) -> None:
        """
        The oldest file goes though something in it is damaged; that is told with what it cost.
        """
        self.start("drop-oldest", size=32 * MIB)
        self.append(40)
        self.bench.kill(self.spool)
        first = min(self.bench.path.glob("batch-*.sqlite3"))
        connection = sqlite3.connect(first)
        connection.execute("UPDATE bundle SET layout = x'' WHERE position = 20")
        connection.commit()
        connection.close()
        self.spool = self.bench.spool()
        self.bench.worker.catchUp()
        while not self.bench.hooks.dropped:
            self.append()
        gone = self.spool.settled
        self.assertGreater(gone, 30)
        self.spool.tick()
        self.bench.worker.catchUp()
        self.assertEqual(self.dropped(), {"tcp:5140": gone - 1})
        self.assertEqual([(damage.path, damage.messages) for damage in self.bench.damages], [(first, 1)])
        self.assertEqual(self.drain(), list(range(gone, self.number)))

    def test_dropOldestButNotAnswered(self) -> None:
        """
        What was answered and no server has is not given up for what comes: this is dropped, or waits if it must not be.
        """
        self.start("drop-oldest")
        self.append(2, ANSWERED)
        while not self.bench.hooks.dropped:
            self.append()
        self.assertEqual(self.spool.settled, 0)
        accepted = self.spool.end
        self.append(2, ANSWERED)
        self.append(2)
        self.spool.tick()
        self.bench.worker.catchUp()
        self.assertEqual((self.spool.end, self.spool.arriving), (accepted, 2))
        numbers = self.drain()
        self.assertEqual(numbers, [*range(accepted), accepted + 1, accepted + 2])

    def test_heldNoLongerThanSomethingWaits(self) -> None:
        """
        When all that found no room was dropped, sources are held no longer for it: there may be room before anything
        else comes.
        """
        self.start("drop-oldest")
        self.append(2, ANSWERED)
        while not self.bench.hooks.dropped:
            self.append()
        self.drain()
        self.assertEqual((self.spool.messages, self.spool.full), (0, False))

    def test_historyMakesRoom(self) -> None:
        """
        When all that is there has been acknowledged, sources are not held: nobody could make room.
        """
        self.start()
        while not self.spool.full:
            self.append()
        read = 0
        while read < self.spool.end:
            while self.spool.next() is not None:
                read += 1
            self.spool.acknowledge(self.spool.sent)
            self.spool.settle(max(0, self.spool.sent - 4))
            self.bench.worker.catchUp()
        self.assertFalse(self.spool.full)

    def test_givenBack(self) -> None:
        """
        Files in which everything has settled are removed.
        """
        self.start()
        self.append(40)
        files = len(list(self.bench.path.glob("*.sqlite3")))
        self.assertGreater(files, 3)
        self.drain()
        self.spool.tick()
        self.bench.worker.catchUp()
        self.assertEqual(len(list(self.bench.path.glob("*.sqlite3"))), 1)
        self.bench.close(self.spool)
        self.assertEqual({path.name for path in self.bench.path.iterdir()}, {"lock", "settled"})


class MemoryTests(RoomCase):
    """
    How much memory a spool takes.
    """

    def test_bounded(self) -> None:
        """
        However much is on disk, memory has no more than ``buffer.size``; all can be read.
        """
        self.start(size=32 * MIB)
        for _ in range(200):
            self.append()
            self.assertLessEqual(self.spool.cost, MIB)
        numbers: list[int] = []
        while len(numbers) < 200:
            while (batch := self.spool.next()) is not None:
                numbers.append(int(batch.payload[:8]))
            self.assertLessEqual(self.spool.cost, MIB)
            self.spool.settle(self.spool.sent - 2)
            self.bench.worker.catchUp()
        self.assertEqual(numbers, list(range(200)))

    def test_slowDisk(self) -> None:
        """
        Sources are held while a quarter of the memory waits for the disk.
        """
        self.start()
        for number in range(4):
            self.assertFalse(self.spool.full)
            self.spool.append(newBatch(number, LARGE))
        self.assertEqual((self.spool.full, self.bench.hooks.take()), (True, ["full"]))
        self.bench.worker.catchUp()
        self.assertEqual((self.spool.full, self.spool.end), (False, 4))
        self.assertIn("room", self.bench.hooks.take())

    def test_resized(self) -> None:
        """
        With more memory there is room again, with less there is none; another policy is that of the next batch.
        """
        self.start()
        for number in range(4):
            self.spool.append(newBatch(number, LARGE))
        self.bench.hooks.take()
        self.spool.resize(BufferSettings(4 * MIB))
        self.assertEqual((self.spool.full, self.bench.hooks.take()), (False, ["room"]))
        self.spool.resize(BufferSettings(MIB, "drop-newest"))
        self.assertEqual((self.spool.full, self.bench.hooks.take()), (True, ["full"]))
        self.spool.append(newBatch(4, LARGE))
        self.assertEqual(len(self.bench.hooks.dropped), 1)
        self.bench.worker.catchUp()
        self.assertEqual((self.spool.end, self.spool.full), (4, False))

    def test_datagramsAndASlowDisk(self) -> None:
        """
        What can't be held is dropped when a quarter of the memory waits for the disk.
        """
        self.start()
        for number in range(6):
            self.spool.append(newBatch(number, LARGE, origin=UNPAUSABLE))
        self.assertEqual(len(self.bench.hooks.dropped), 3)
        self.bench.worker.catchUp()
        self.assertEqual(self.spool.end, 3)

    def test_hold(self) -> None:
        """
        What decoders keep is counted, up to a share.
        """
        self.start()
        self.spool.hold(1000)
        self.assertEqual(self.spool.cost, 1000)
        self.spool.hold(MIB)
        self.assertEqual(self.spool.cost, MIB // 8)
        self.spool.hold(-MIB - 1000)
        self.assertEqual(self.spool.cost, 0)


class SickDiskTests(RoomCase):
    """
    A disk that fails.
    """

    def sicken(self, error: Exception) -> None:
        """
        Let what is put on disk fail, until :meth:`heal`.
        """
        folder = self.spool._folder
        assert folder is not None

        def create() -> NoReturn:
            raise error

        folder._finish()
        folder._create = create  # type: ignore[method-assign]

    def heal(self) -> None:
        """
        Let the disk be well.
        """
        folder = self.spool._folder
        assert folder is not None
        del folder._create
        self.spool.tick()
        self.bench.worker.catchUp()

    def test_told(self) -> None:
        """
        It is said once that nothing can be put on disk, and once that it can be again; nothing is lost, what is there
        is delivered meanwhile, and sources are held.
        """
        for error in (FULL, BROKEN, sqlite3.OperationalError("attempt to write a readonly database")):
            self.start()
            self.append(3)
            self.sicken(error)
            self.append(2)
            for _ in range(5):
                self.spool.tick()
                self.bench.worker.catchUp()
            self.assertEqual((self.bench.troubles, self.spool.full), ([error], True))
            self.assertEqual(self.drain(), [0, 1, 2])
            self.append(1, UNPAUSABLE)
            self.assertEqual(self.bench.hooks.dropped, [("udp:5140", 1)])
            self.heal()
            self.assertEqual((self.bench.troubles, self.spool.full), ([error, None], False))
            self.assertEqual(self.drain(), [3, 4])

    def test_dropNewest(self) -> None:
        """
        What may be dropped is dropped, except what shows each second whether the disk is well.
        """
        self.start("drop-newest")
        self.sicken(FULL)
        self.append(5)
        self.assertEqual(len(self.bench.hooks.dropped), 4)
        self.heal()
        self.append(2)
        self.assertEqual(self.drain(), [0, 5, 6])
        self.assertEqual(self.bench.troubles, [FULL, None])

    def test_heldNoLongerThanSomethingWaits(self) -> None:
        """
        When all that could not be put on disk was dropped, sources are held no longer for it: only what they bring can
        show that the disk is well again.
        """
        self.start("drop-oldest")
        self.sicken(BROKEN)
        self.append(1)
        self.assertEqual((len(self.bench.hooks.dropped), self.spool.full), (1, False))
        self.append(1, ANSWERED)
        self.assertTrue(self.spool.full)
        self.heal()
        self.assertEqual((self.bench.troubles, self.spool.full, self.drain()), ([BROKEN, None], False, [1]))

    def test_notWhatFailed(self) -> None:
        """
        Where something else failed than to put messages on disk, nothing is said of that, and no source is held.
        """
        self.start()
        self.append(1)
        self.spool.tick()
        self.bench.worker.fails.append(ValueError("nobody thought of it"))
        self.bench.worker.catchUp()
        self.assertEqual((self.bench.troubles, self.spool.full), ([], False))

    def test_noDescriptors(self) -> None:
        """
        While the process may open no more files, sources are held if they bring something; nothing is lost then, and
        damage that is found meanwhile is told.
        """
        self.start()
        self.append(12)
        self.bench.close(self.spool)
        first = min(self.bench.path.glob("batch-*.sqlite3"))
        first.write_bytes(b"damaged")
        self.spool = self.bench.spool()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            self.bench.worker.catchUp()
            for _ in range(3):
                self.spool.tick()
                self.bench.worker.catchUp()
            self.assertEqual((self.bench.troubles, self.spool.full), ([], False))
            self.spool.append(newBatch(self.number), self.answers.append)
            self.bench.worker.catchUp()
            self.assertTrue(self.spool.full)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.spool.tick()
        self.bench.worker.catchUp()
        self.assertEqual([type(each) for each in self.bench.troubles], [sqlite3.OperationalError, type(None)])
        numbers = self.drain()
        self.assertEqual([damage.messages for damage in self.bench.damages], [13 - len(numbers)])
        self.assertEqual(numbers[-1], 12)

    def test_dropOldestOnAFullDisk(self) -> None:
        """
        On a full disk the oldest goes.  On one that is ill in another way that would not help: the newest is dropped.
        """
        for error, kept in ((FULL, False), (BROKEN, True)):
            self.start("drop-oldest")
            self.append(3)
            self.sicken(error)
            self.append(3)
            self.bench.worker.catchUp()
            self.heal()
            self.append(1)
            numbers = self.drain()
            self.assertEqual((numbers[:3] == [0, 1, 2], numbers[-1]), (kept, 6))
            self.assertEqual(len(numbers) + self.dropped()["tcp:5140"], 7)

    def test_fullBeforeTheDatabaseIs(self) -> None:
        """
        On a full disk the room of the database that is written to is given back, too, when what is in it has settled:
        there may be no other.
        """
        self.start()
        self.append(3)
        folder = self.spool._folder
        assert folder is not None and folder._current is not None and folder._current.database is not None
        folder._current.database._connection.execute("PRAGMA max_page_count = 1")
        self.append(1)
        numbers = []
        for _ in range(3):
            numbers += self.drain()
            self.spool.tick()
            self.bench.worker.catchUp()
        self.assertEqual(numbers, [0, 1, 2, 3])
        names = [each.name for each in self.bench.path.glob("batch-*.sqlite3")]
        self.assertEqual(names, ["batch-0000000000000003-message-0000000000000003.sqlite3"])
        self.assertEqual(self.bench.troubles[1:], [None])

    def test_staysOpen(self) -> None:
        """
        What was being written to can be read on a disk that takes no writes any more, where SQLite could not open it.
        """
        self.start(size=32 * MIB)
        self.append(20)
        folder = self.spool._folder
        assert folder is not None and folder._current is not None and folder._current.database is not None
        folder._current.database._connection.execute("PRAGMA query_only = ON")
        self.append(1)
        self.assertEqual([str(each) for each in self.bench.troubles], ["attempt to write a readonly database"])
        for path in self.bench.path.glob("batch-*"):
            # Who has it open has it still.
            path.unlink()
        self.assertEqual(self.drain()[:20], list(range(20)))
        self.assertEqual(self.bench.damages, [])

    def test_unforeseen(self) -> None:
        """
        Work that fails in a way that nobody thought of is done again, a second later; nothing is lost or comes twice.
        """
        self.start()
        self.append(3)
        self.spool.append(newBatch(3), self.answers.append)
        job, done = self.bench.worker.jobs.popleft()
        job()
        done(ValueError("nobody thought of it"))
        self.bench.worker.catchUp()
        self.assertEqual(len(self.answers), 3)
        self.spool.tick()
        self.bench.worker.catchUp()
        self.number = 4
        self.append(1)
        self.assertEqual(self.drain(), [0, 1, 2, 3, 4])
        self.assertEqual([str(each) for each in self.bench.troubles], ["nobody thought of it", "None"])
        self.assertEqual(self.bench.damages, [])


class StopTests(RoomCase):
    """
    The end.
    """

    def test_whatHasNotComeOnDisk(self) -> None:
        """
        What has not come on disk when the spool is closed is counted as dropped, and said to its sender.
        """
        self.start()
        self.spool.append(newBatch(0), self.answers.append)
        self.spool.append(newBatch(1), self.answers.append)
        after: list[bool] = []
        self.spool.whenTaken(lambda: after.append(True))
        self.bench.close(self.spool)
        # The first was on its way.
        self.assertEqual((self.answers, after), ([True, False], [True]))
        self.assertEqual(self.bench.hooks.dropped, [("tcp:5140", 1)])
        self.spool = self.bench.spool()
        self.bench.worker.catchUp()
        self.assertEqual((self.spool.messages, self.spool.next()), (1, newBatch(0)))

    def test_beforeTheStart(self) -> None:
        """
        What is appended before the folder is open waits for that.
        """
        bench = Bench(Path(self.mktemp()))
        spool = bench.spool()
        bench.close(spool)
        answers: list[bool] = []
        spool.append(newBatch(0), answers.append)
        bench.worker.catchUp()
        self.assertEqual((answers, spool.arriving), ([], 1))
        spool.open()
        spool.tick()
        bench.worker.catchUp()
        self.assertEqual((answers, spool.next()), ([True], newBatch(0)))
        bench.close(spool)

    def test_furthest(self) -> None:
        """
        After a restart it is known how far batches were ever sent.
        """
        self.start()
        self.append(5)
        for _ in range(3):
            self.spool.next()
        self.spool.settle(1)
        self.bench.close(self.spool)
        self.spool = self.bench.spool()
        self.assertEqual((self.spool.settled, self.spool.sent, self.spool.furthest, self.spool.end), (1, 1, 3, 5))

    def test_amendedIsWholeAgain(self) -> None:
        """
        What is left of a batch is remembered in memory alone: after a restart the whole batch is there, and its
        messages are counted as before.
        """
        self.start()
        self.append(2)
        whole = self.spool.peek(0)
        assert whole is not None
        self.spool.amend(0, Batch(b"", 0, whole.framing, whole.origin))
        self.assertEqual(self.spool.messages, 1)
        self.bench.close(self.spool)
        self.spool = self.bench.spool()
        self.bench.worker.catchUp()
        self.assertEqual((self.spool.messages, self.spool.next()), (2, whole))
