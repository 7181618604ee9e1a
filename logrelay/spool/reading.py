"""
A spool as it lies on disk: looked at and read without a relay, and without changing anything in its folder.

A database that has a log beside it cannot be read without writing to one of the two, so a copy of both is read.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from ..errors import LogRelayError
from .bundles import MOST_BYTES, Stored
from .database import Database, logOf, openOld
from .files import File, extentOf, filesOf
from .folder import QUARANTINE, RECORD
from .jobs import Damage, Done
from .lock import ownerOf
from .reader import Reader
from .record import Cursor, Record, unpack


class NoSpool(LogRelayError):
    """
    The operator's fault: a folder is not there, or is no spool.
    """


class NoRoomToRead(LogRelayError):
    """
    Nobody's fault: there is no room for the copy of a database.
    """


@attrs.define
class Reading:
    """
    A spool, as it was when this was made.

    :ivar owner: the process that works on it; then nothing but names, sizes and the record are looked at.
    :ivar files: its databases, the oldest first.
    :ivar record: where everything begins and ends.
    :ivar damages: what cannot be read, as far as that is known: after :meth:`stored` has come to its end, all of it.
    """

    path: Path
    owner: str | None
    files: list[File]
    record: Record
    damages: list[Damage]

    def endOf(self, place: int) -> Cursor:
        """
        Where one of the databases ends.
        """
        return self.files[place + 1].first if place + 1 < len(self.files) else self.record.end

    def stored(self, everything: bool = False) -> Iterator[Stored]:
        """
        The batches that are sound, in their order, a few in memory at a time.

        :param everything: also those that have settled.
        :raises NoRoomToRead: if a copy must be made and cannot.
        """
        for place, file in enumerate(self.files):
            first = file.first if everything else max(file.first, self.record.settled)
            if first.position < self.endOf(place).position:
                yield from self._storedIn(file, first, self.endOf(place))

    def _storedIn(self, file: File, first: Cursor, end: Cursor) -> Iterator[Stored]:
        """
        What is sound in one database.
        """
        exhausted, cursor = False, first
        while not exhausted:
            done = Done()
            reader = Reader(file, end, done)
            cursor, _ = reader.read(cursor, MOST_BYTES)
            # One whose disk fails is tried again, and taken to be damaged in the end.
            exhausted = reader.exhausted
            yield from done.loaded
        if file.database is not None:
            file.database.close()
            file.database = None
        file.lost += end.message - cursor.message
        if file.lost:
            file.damage = file.damage or "messages are missing"
        if file.damage:
            self.damages.append(Damage(file.path, file.damage, file.lost))


def quarantineOf(path: Path) -> list[Path]:
    """
    What was put where it is not read any more.

    :raises OSError: if it cannot be listed.
    """
    folder = path / QUARANTINE
    return sorted(folder.iterdir()) if folder.is_dir() else []


def databasesOf(path: Path) -> list[File]:
    """
    The databases of a spool, the oldest first.

    :raises NoSpool: if it is none.
    :raises OSError: if it cannot be looked at.
    """
    if not path.is_dir():
        raise NoSpool(f"{path}: there is no such folder; the path of a spool is in its destination's configuration")
    files = filesOf(path)
    if not files and not any((path / name).exists() for name in (RECORD, QUARANTINE)):
        raise NoSpool(f"{path}: it is no spool: it has none of the files of one; look for another path")
    return files


def look(path: Path) -> Reading:
    """
    Look at a spool.

    :raises NoSpool: if it is none.
    :raises OSError: if it cannot be looked at.
    """
    files = databasesOf(path)
    owner = ownerOf(path)
    kept = _remembered(path)
    if owner is not None:
        first = files[0].first if files else Cursor()
        last = files[-1].first if files else Cursor()
        record = Record(kept.settled, max(kept.end, last), kept.furthest) if kept else Record(first, last, 0)
        return Reading(path, owner, files, record, [])
    for file in files:
        file.opens = _opened
    record, damages = extentOf(path, files, kept)
    return Reading(path, owner, files, record, damages)


def _remembered(path: Path) -> Record | None:
    """
    What the record of a folder says.
    """
    try:
        return unpack((path / RECORD).read_bytes())
    except FileNotFoundError:
        return None


def _opened(path: Path) -> Database:
    """
    Open a database, or a copy of it, so that nothing is written beside it.
    """
    if not logOf(path).exists():
        return openOld(path)
    # A file that is open can be read when its name is gone: so nothing is left, whatever becomes of this process.
    with tempfile.TemporaryDirectory(prefix="logrelay-spool-") as folder:
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(logOf(path), logOf(copy))
            shutil.copyfile(path, copy)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoRoomToRead(
                    f"{folder}: {error.strerror}; a database is copied there to be read: make room there, or name"
                    " another folder by the environment's TMPDIR"
                ) from error
            raise
        return openOld(copy)
