"""
The folder of a spool: all that is done on disk, one job at a time.

A folder holds databases, named by the position of their first batch and the number of their first message, so that
names alone tell how much there is, and how much is missing.  Only the last one is written to; a start begins a new one.

Nothing here keeps the relay from starting.  What can't be read is skipped, its file goes to ``quarantine`` when what
lies before and behind it has been delivered, and how many messages that cost is told by their numbers: those between
the last message that could be read and the next one.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import attrs

from ..batches import Batch
from . import database
from .bundles import LEAST_BATCH, LEAST_MESSAGE, BundleDamaged, Row, Stored, pack, unpack
from .database import EMPTY, Database, Unreadable, growth, isBusyDisk, logOf, openOld, syncFolder
from .lock import Lock
from .record import Cursor, Record, RecordFile

#: A database is closed when it has so many bytes, or this share of the spool if that is less: what is drained gives its
#: room back in such pieces, and damage costs one piece at most.
LARGEST, SHARE = 64 * 1024 * 1024, 8

#: So many rows are looked for one by one in a damaged database before other work has its turn.
LOOKS = 5000

#: So many times, once a second, a file is tried again whose disk fails, before it is taken to be damaged.
PATIENCE = 30

#: Sixteen digits are written.  A file of somebody else may have moved the numbers to where there are more.
_NAME = re.compile(r"batch-(\d{16,18})-message-(\d{16,18})\.sqlite3")
RECORD, QUARANTINE = "settled", "quarantine"


@attrs.frozen
class Damage:
    """
    Something on disk could not be read.

    :ivar path: the database.
    :ivar why: what is wrong with it.
    :ivar messages: how many messages that were in it, or in its log, are lost at most.
    """

    path: Path
    why: str
    messages: int


@attrs.frozen
class Job:
    """
    What is to be done next on disk.

    :ivar end: what lies before it has been taken in, as far as the store was told.
    :ivar settled: what lies before it is not needed any more.
    :ivar furthest: the position up to which batches were ever sent.
    :ivar append: batches to take in, as many of the first ones as have room.
    :ivar read: where to read on, if anything is to be read.
    :ivar budget: about how many bytes to read.
    :ivar sync: whether the record has to survive a power cut from now on.
    :ivar survey: from where on to say what the oldest database has, if that is wanted.
    """

    end: Cursor
    settled: Cursor
    furthest: int
    append: Sequence[Batch] = ()
    read: Cursor | None = None
    budget: int = 0
    sync: bool = False
    survey: Cursor | None = None


@attrs.frozen
class Oldest:
    """
    What the oldest database has, from some place on.

    :ivar end: where it ends.
    :ivar messages: how many of each source can be read.
    :ivar answered: whether any sender was told that they are taken.
    """

    end: Cursor
    messages: Mapping[str, int]
    answered: bool


@attrs.define
class Done:
    """
    What came of a job.

    :ivar appended: how many of the batches are on disk now.
    :ivar error: why not all, if that is no matter of room.
    :ivar loaded: what was read.
    :ivar read: where to read on.
    :ivar isReadable: whether it makes sense to read on at once.
    :ivar damages: what could not be read, and never will be.
    :ivar used: bytes on disk, what the log may still add included.
    :ivar oldest: what the oldest database has, if that was asked for and can be told.
    """

    appended: int = 0
    error: Exception | None = None
    loaded: list[Stored] = attrs.field(factory=list)
    read: Cursor | None = None
    isReadable: bool = True
    damages: list[Damage] = attrs.field(factory=list)
    used: int = 0
    oldest: Oldest | None = None


@attrs.define(eq=False)
class File:
    """
    One database of the folder.

    :ivar first: where it begins.
    :ivar opens: how it is opened for reading.
    :ivar damage: what is wrong with it; empty while nothing is known to be.
    :ivar lost: how many of its messages could not be read.
    :ivar unread: how many more could not, when it was surveyed instead of being read on.
    :ivar told: whether its damage has been told.
    :ivar failures: how often in a row reading it has failed.
    """

    path: Path
    first: Cursor
    opens: Callable[[Path], Database] = openOld
    database: Database | None = None
    damage: str = ""
    lost: int = 0
    unread: int = 0
    told: bool = False
    failures: int = 0

    def open(self) -> Database:
        """
        The database, open for reading at least.

        :raises Unreadable: saying why it cannot be read.
        :raises OSError: if the disk fails.
        :raises sqlite3.Error: if the disk fails.
        """
        if self.database is None:
            self.database = self.opens(self.path)
        return self.database

    def end(self, known: Cursor | None) -> Cursor:
        """
        Where the database ends, as far as that can be found out, if no other follows.

        :param known: where the record says that all ends, if there is one.  A power cut may have left an old one, which
            has not heard of this database yet.
        """
        try:
            end, isSound = self._lastSound()
        except (Unreadable, sqlite3.Error, OSError) as error:
            self.fails(error)
            end, isSound = self.first, False
        size = sum(sizesOf(self.path))
        if isSound or (known is not None and (known > self.first or size <= EMPTY)):
            return end
        # It can hold no more than this; numbers are not used twice.
        batches, messages = max(1, size // LEAST_BATCH), max(1, size // LEAST_MESSAGE)
        return Cursor(end.position + batches, end.message + messages)

    def _lastSound(self) -> tuple[Cursor, bool]:
        """
        The end of the last row whose numbers can be trusted, and whether no other is behind it.

        :raises Unreadable: if the database cannot be opened.
        :raises OSError: if the disk fails.
        :raises sqlite3.Error: if rows cannot be read in order.
        """
        isSound = True
        with closing(self.open().layouts(backwards=True)) as rows:
            for row in rows:
                try:
                    unpack(row)
                except BundleDamaged:
                    isSound = False
                else:
                    return Cursor(row.endPosition, row.endMessage), isSound
        return self.first, isSound

    def layouts(self) -> Iterator[Stored]:
        """
        All its batches whose numbers can be trusted, without their payloads.

        :raises Unreadable: if the database cannot be opened.
        :raises OSError: if the disk fails.
        :raises sqlite3.Error: if rows cannot be read in order.
        """
        with closing(self.open().layouts()) as rows:
            for row in rows:
                try:
                    yield from unpack(row)
                except BundleDamaged as error:
                    self.damage = self.damage or str(error)

    def fails(self, error: Exception) -> bool:
        """
        Reading it has failed.

        :return: whether that may pass: the disk may come back, or there may be descriptors again.
        """
        if isBusyDisk(error) and self.failures < PATIENCE:
            self.failures += 1
            return True
        self.damage = self.damage or str(error)
        return False


def filesOf(path: Path) -> list[File]:
    """
    The databases in a folder, the oldest first.

    :raises OSError: if it cannot be read.
    """
    files = []
    for entry in path.iterdir():
        if match := _NAME.fullmatch(entry.name):
            files.append(File(entry, Cursor(int(match[1]), int(match[2]))))
    return sorted(files, key=lambda file: file.first)


def extentOf(path: Path, files: Sequence[File], kept: Record | None) -> tuple[Record, list[Damage]]:
    """
    Where everything in a folder begins and ends, and what is missing of it.

    :param files: the databases, the oldest first.
    :param kept: what was remembered, if that is known.
    """
    damages = []
    oldest = files[0].first if files else None
    settled = kept.settled if kept else oldest or Cursor()
    if kept and oldest and settled < oldest:
        damages.append(Damage(path, "files are missing", oldest.message - settled.message))
        settled = oldest
    end = max(settled, kept.end) if kept else settled
    if files:
        end = max(end, files[-1].end(kept.end if kept else None))
    elif settled < end:
        damages.append(Damage(path, "files are missing", end.message - settled.message))
        settled = end
    return Record(settled, end, max(kept.furthest if kept else 0, settled.position)), damages


class Folder:
    """
    An open folder.  After it was opened, only one thread works on it.

    :ivar end: what lies before it is on disk, or is lost.
    :ivar record: what was remembered when it was opened.
    """

    def __init__(self, path: Path, size: int, sync: str) -> None:
        """
        Open it.

        :param size: how many bytes it may take on disk.
        :param sync: ``full`` or ``normal``.
        :raises SpoolLocked: if another process works on it.
        :raises OSError: if it can be neither made nor opened.
        """
        self.path = path
        self._size = size
        self._sync = sync
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = Lock(path)
        self._current: File | None = None
        self._used = 0
        try:
            syncFolder(path.parent)
            self._quarantineLogs()
            self._files = filesOf(path)
            self._record = RecordFile(path / RECORD)
            syncFolder(path)
        except OSError:
            self._lock.release()
            raise
        self.record, self._damages = extentOf(path, self._files, self._record.latest)
        self.end = self.record.end

    def _quarantineLogs(self) -> None:
        """
        Put logs without a database away; what was in them is found missing by the numbers.
        """
        for log in self.path.glob("batch-*.sqlite3-wal"):
            if not log.with_name(log.name.removesuffix("-wal")).exists():
                with suppress(OSError):
                    # It does no harm where it is.
                    self._quarantine(log)

    # Jobs.

    def work(self, job: Job) -> Done:
        """
        Do a job.  What goes wrong stands in the answer.
        """
        done = Done()
        if job.end != self.end:
            # Something failed in a way that was not foreseen.  What the store was not told of will come again.
            self._leaveCurrent()
            self.end = job.end
        self._remember(job)
        if job.append:
            self._append(job.append, done)
            self._remember(job)
        if job.survey is not None:
            done.oldest = self._survey(job.survey)
        if job.read is not None:
            done.read = self._read(job.read, job.budget, done)
        done.damages[:0], self._damages = self._damages, []
        with suppress(OSError):
            # What is to be told must not be lost with it.
            self._measure()
        done.used = self._used
        return done

    def _remember(self, job: Job) -> None:
        """
        Write the record, and give back the room of what has settled.  Where that fails it is tried again with the next
        job, and until then costs only that messages may be sent again; that the disk is ill is told when it takes no
        messages.
        """
        try:
            self._record.write(Record(job.settled, self.end, job.furthest))
            if job.sync:
                self._record.sync()
            self._removeBefore(job.settled)
        except OSError:
            pass

    def close(self, settled: Cursor, furthest: int) -> Done:
        """
        Remember what has settled, and let go of the folder.

        :return: with what turned out to be damaged.
        """
        try:
            self._record.write(Record(settled, self.end, furthest))
            self._finish()
            self._removeBefore(settled)
            self._record.sync()
        except (OSError, sqlite3.Error):
            pass
        self.abandon()
        return Done(damages=self._damages)

    def abandon(self) -> None:
        """
        Let go of the folder and leave all as it is.
        """
        for file in self._files:
            self._shut(file)
        self._record.close()
        self._lock.release()

    # Taking in.

    def _append(self, batches: Sequence[Batch], done: Done) -> None:
        """
        Put as many batches on disk as have room.
        """
        try:
            self._measure()
        except OSError as error:
            done.error = error
            return
        used = self._used
        try:
            if self._current is None or sum(sizesOf(self._current.path)) >= min(LARGEST, self._size // SHARE):
                self._finish()
                if used + EMPTY + growth(0) > self._size:
                    return
                self._current = self._create()
                used += EMPTY
            assert self._current.database is not None
            row = pack(self.end.position, self.end.message, batches)
            while used + growth(len(row.layout) + len(row.payload)) > self._size:
                batches = batches[: len(batches) // 2]
                if not batches:
                    return
                row = pack(self.end.position, self.end.message, batches)
            self._current.database.append(row)
        except (OSError, sqlite3.Error) as error:
            done.error = error
            # What the disk does with what comes next in this file is not known; and on a full one its room is needed
            # as soon as what is in it has settled.  It stays open: where nothing can be written any more SQLite could
            # not open it again, since it has a log.
            self._current = None
            return
        self.end = Cursor(row.endPosition, row.endMessage)
        done.appended = len(batches)

    def _leaveCurrent(self) -> None:
        """
        Only read the current database from now on, in whatever state it is.
        """
        if self._current is not None:
            self._shut(self._current)
            self._current = None

    def _create(self) -> File:
        """
        Begin a new database.
        """
        position, message = self.end.position, self.end.message
        path = self.path / f"batch-{position:016d}-message-{message:016d}.sqlite3"
        for file in [each for each in self._files if each.first == self.end]:
            # Nothing in it was ever taken in.
            self._discard(file)
        file = File(path, self.end, database=database.create(path, self._sync))
        self._files.append(file)
        return file

    def _finish(self) -> None:
        """
        Write nothing more to the current database.
        """
        if self._current is None:
            return
        assert self._current.database is not None
        self._current.database.seal()
        self._leaveCurrent()

    def _shut(self, file: File) -> None:
        """
        Close a database; it is opened again when something in it is wanted.
        """
        if file.database is not None:
            try:
                file.database.close()
            except sqlite3.Error as error:
                file.damage = file.damage or f"SQLite says: {error}"
            file.database = None

    # Reading.

    def _read(self, cursor: Cursor, budget: int, done: Done) -> Cursor:
        """
        Read on.

        :return: where to read on after that.
        """
        while budget > 0 and cursor.position < self.end.position:
            place = max((i for i, file in enumerate(self._files) if file.first.position <= cursor.position), default=-1)
            if place < 0:
                # Somebody took files away while we run.
                cursor = self._skip(None, cursor, self._files[0].first if self._files else self.end, done)
                continue
            file = self._files[place]
            limit = self._endOf(place)
            reader = Reader(file, limit, done)
            cursor, budget = reader.read(cursor, budget)
            if reader.exhausted:
                cursor = self._skip(file, cursor, limit, done)
            else:
                break
        return cursor

    def _skip(self, file: File | None, cursor: Cursor, limit: Cursor, done: Done) -> Cursor:
        """
        Go to the next database, and say what could not be read of this one.
        """
        missing = limit.message - cursor.message
        if file is None:
            done.damages.append(Damage(self.path, "files are missing", missing))
            return limit
        file.lost += missing
        if file.lost:
            file.damage = file.damage or "messages are missing"
        if file.damage and not file.told:
            done.damages.append(Damage(file.path, file.damage, file.lost))
            file.told = True
        if file is not self._current:
            # Each open one has memory of its own.
            self._shut(file)
        return limit

    # Giving room back.

    def _removeBefore(self, settled: Cursor) -> None:
        """
        Remove the databases in which everything has settled.
        """
        while self._files and self._files[0] is not self._current:
            file = self._files[0]
            if self._endOf(0).position > settled.position:
                return
            # Whoever finds it missing must know that it was not needed.
            self._record.sync()
            try:
                self._discard(file)
            except OSError:
                if not file.damage:
                    raise
                # Nor may what can't be put away keep the room of all that comes behind it.  The next start tries again.
                self._files.remove(file)
            if file.damage and not file.told:
                self._damages.append(Damage(file.path, file.damage, file.lost + file.unread))

    def _discard(self, file: File) -> None:
        """
        Remove a database, or put it into quarantine.
        """
        self._shut(file)
        if file.damage:
            self._quarantine(file.path)
        else:
            file.path.unlink(missing_ok=True)
            logOf(file.path).unlink(missing_ok=True)
        self._files.remove(file)

    def _quarantine(self, path: Path) -> None:
        """
        Put a file where it is not read any more, its log beside it.
        """
        quarantine = self.path / QUARANTINE
        quarantine.mkdir(mode=0o700, exist_ok=True)
        for each in (path, logOf(path)):
            if each.exists():
                place, number = quarantine / each.name, 0
                while place.exists():
                    number += 1
                    place = quarantine / f"{each.name}.{number}"
                each.rename(place)

    def _survey(self, first: Cursor) -> Oldest | None:
        """
        Say what the oldest database has from some place on, and write nothing more to it, so that it can be given up.
        It may have a million batches, so they are only counted.

        :return: ``None`` if that cannot be told now.
        """
        if not self._files:
            return None
        file = self._files[0]
        messages: Counter[str] = Counter()
        answered, end = False, self._endOf(0)
        try:
            if file is self._current:
                self._finish()
            for each in file.layouts():
                if first.position <= each.position < end.position:
                    messages[each.origin.source] += each.count
                    answered = answered or each.origin.answered
        except (Unreadable, OSError, sqlite3.Error) as error:
            if isBusyDisk(error):
                return None
            # What can't be read of it is no reason to keep it.
            file.damage = file.damage or str(error)
        if file.damage:
            file.unread = max(0, end.message - max(first, file.first).message - messages.total())
        return Oldest(end, messages, answered)

    def _endOf(self, place: int) -> Cursor:
        """
        Where one of the databases ends.
        """
        return self._files[place + 1].first if place + 1 < len(self._files) else self.end

    def _measure(self) -> None:
        """
        Find out how many bytes are on disk, with what the log will make its database grow by.

        :raises OSError: if the folder cannot be looked at now.
        """
        with os.scandir(self.path) as entries:
            sizes = {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries if not entry.is_dir()}
        self._used = sum(size * 2 if name.endswith("-wal") else size for name, size in sizes.items())


class Reader:
    """
    Reads on in one database.

    :ivar exhausted: whether there is nothing more in it.
    """

    def __init__(self, file: File, limit: Cursor, done: Done) -> None:
        """
        :param limit: where it ends.
        """
        self._file = file
        self._limit = limit
        self._done = done
        self.exhausted = False

    def read(self, cursor: Cursor, budget: int) -> tuple[Cursor, int]:
        """
        Read until the budget is used up, or to the end.

        :return: where to read on, and what is left of the budget.
        """
        file = self._file
        file.unread = 0
        try:
            database = file.open()
        except (Unreadable, sqlite3.Error, OSError) as error:
            self._done.isReadable = not file.fails(error)
            self.exhausted = self._done.isReadable
            return cursor, budget
        try:
            # Closed, it no longer keeps the log from being worked in.
            with closing(database.rowsFrom(cursor.position)) as rows:
                for row in rows:
                    if row.position >= self._limit.position:
                        break
                    before = cursor
                    cursor, budget = self._take(row, cursor, budget)
                    if cursor != before:
                        file.failures = 0
                    if budget <= 0:
                        # Whatever is wrong with it is told when it has been read, not when it is removed.
                        self.exhausted = cursor.position >= self._limit.position
                        return cursor, budget
        except sqlite3.Error as error:
            if file.fails(error):
                self._done.isReadable = False
                return cursor, budget
            return self._search(database, cursor, budget)
        self.exhausted = True
        return cursor, budget

    def _search(self, opened: Database, cursor: Cursor, budget: int) -> tuple[Cursor, int]:
        """
        Look for the next rows one by one, where they cannot be read in their order.
        """
        for _ in range(LOOKS):
            if cursor.position >= self._limit.position:
                break
            try:
                row = opened.rowAt(cursor.position)
            except sqlite3.Error as error:
                if isBusyDisk(error) and self._file.fails(error):
                    # Asked again in a second.
                    self._done.isReadable = False
                    break
                row = None
            before = cursor
            if row is not None:
                cursor, budget = self._take(row, cursor, budget)
            if cursor.position == before.position:
                cursor = Cursor(cursor.position + 1, cursor.message)
            if budget <= 0:
                break
        self.exhausted = cursor.position >= self._limit.position
        return cursor, budget

    def _take(self, row: Row, cursor: Cursor, budget: int) -> tuple[Cursor, int]:
        """
        Take what is sound in a row and lies behind the cursor.
        """
        file = self._file
        try:
            stored = list(unpack(row))
        except BundleDamaged as error:
            # Its numbers cannot be trusted: the next row's tell what is missing.
            file.damage = file.damage or str(error)
            return cursor, budget
        if row.endPosition <= cursor.position or row.endPosition > self._limit.position:
            return cursor, budget
        file.lost += max(0, row.message - cursor.message)
        for each in stored:
            if each.position < cursor.position:
                continue
            if each.payload is None:
                file.damage = file.damage or "its content has changed"
                file.lost += each.count
            else:
                self._done.loaded.append(each)
                budget -= len(each.payload)
        return Cursor(row.endPosition, row.endMessage), budget


def sizesOf(path: Path) -> list[int]:
    """
    How large a database and its log are, in bytes.
    """
    return [each.stat().st_size for each in (path, logOf(path)) if each.exists()]
