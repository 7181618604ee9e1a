"""
The databases in a folder: what their names say, where they end, and what is wrong with them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import attrs

from .bundles import LEAST_BATCH, LEAST_MESSAGE, BundleDamaged, Stored, unpack
from .database import EMPTY, Database, Unreadable, isBusyDisk, logOf, openOld
from .jobs import Damage
from .record import Cursor, Record

#: So many times, once a second, a file is tried again whose disk fails, before it is taken to be damaged.
PATIENCE = 30

#: Sixteen digits are written.  A file of somebody else may have moved the numbers to where there are more.
_NAME = re.compile(r"batch-(\d{16,18})-message-(\d{16,18})\.sqlite3")


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
        if known is None and self.database is not None and self.database.cut:
            isSound, size = False, self.database.cut
            self.damage = self.damage or "its log is damaged"
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


def sizesOf(path: Path) -> list[int]:
    """
    How large a database and its log are, in bytes.
    """
    return [each.stat().st_size for each in (path, logOf(path)) if each.exists()]
