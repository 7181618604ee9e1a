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
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..batches import Batch
from . import database
from .bundles import pack
from .database import EMPTY, Unreadable, growth, isBusyDisk, logOf, syncFolder
from .files import File, extentOf, filesOf
from .jobs import Damage, Done, Job, Oldest
from .lock import Lock
from .reader import Reader
from .record import Cursor, Record, RecordFile

#: A database is closed when it has so many bytes, or this share of the spool if that is less: what is drained gives its
#: room back in such pieces, and damage costs one piece at most.
LARGEST, SHARE = 64 * 1024 * 1024, 8

RECORD, QUARANTINE = "settled", "quarantine"


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
        self._used = self._currentSize = 0
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
        with suppress(OSError):
            self._measure()

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
        self._giveBack(job)
        if job.append:
            self._append(job.append, done)
        if job.survey is not None:
            done.oldest = self._survey(job.survey)
        if job.read is not None:
            done.read = self._read(job.read, job.budget, done)
        self._remember(job)
        done.damages[:0], self._damages = self._damages, []
        with suppress(OSError):
            # What is to be told must not be lost with it.
            self._measure()
        done.used = self._used
        return done

    def _giveBack(self, job: Job) -> None:
        """
        Give back the room of what has settled.  Where that fails it is tried again with the next job.
        """
        if self._mayGo(job.settled):
            with suppress(OSError):
                self._record.write(Record(job.settled, self.end, job.furthest))
                self._removeBefore(job.settled)
                self._measure()

    def _remember(self, job: Job) -> None:
        """
        Write the record.  Where that fails it is tried again with the next job, and until then costs only that messages
        may be sent again; that the disk is ill is told when it takes no messages.
        """
        with suppress(OSError):
            self._record.write(Record(job.settled, self.end, job.furthest))
            if job.sync:
                self._record.sync()

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
        # Only this thread changes what is there, and the last job has measured it.
        used = self._used
        try:
            if self._current is None or self._currentSize >= min(LARGEST, self._size // SHARE):
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
        self._used = used + growth(len(row.layout) + len(row.payload))
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

    def _mayGo(self, settled: Cursor) -> bool:
        """
        Whether everything in the oldest database has settled, and nothing more will come into it.
        """
        isOld = bool(self._files) and self._files[0] is not self._current
        return isOld and self._endOf(0).position <= settled.position

    def _removeBefore(self, settled: Cursor) -> None:
        """
        Remove the databases in which everything has settled.
        """
        while self._mayGo(settled):
            file = self._files[0]
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
        current = "" if self._current is None else self._current.path.name
        self._currentSize = sizes.get(current, 0) + sizes.get(f"{current}-wal", 0)
